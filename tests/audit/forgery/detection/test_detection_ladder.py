"""Compressed and small faces, shown to a live model."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import metrics
from torch import Tensor, nn

import countenance
from countenance.audit.forgery.detection.ladder import Rung
from countenance.core.results import AuditResults, Estimate, Finding

SIDE, PEOPLE = 32, 40


class Detector(nn.Module):
    """Probability that a face is genuine, (n, 1), from a reading of the picture (n, 3, h, w) to (n,)."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, pixels: Tensor) -> Tensor:
        return 1 - self.reading(pixels)[:, None].sigmoid()


def detail(pixels: Tensor) -> Tensor:
    """How much neighbours differ: forgeries here carry a fine checkerboard."""
    return 120 * (pixels[..., 1:] - pixels[..., :-1]).abs().mean((1, 2, 3)) - 6.6


def brightness(pixels: Tensor) -> Tensor:
    return 60 * (pixels.mean((1, 2, 3)) - 0.5)


def steps(pixels: Tensor) -> Tensor:
    """Fine detail, and only whether there is much of it: two scores, and one for small pictures."""
    return 6 * (detail(pixels) + 0.5).sign()


def broken(pixels: Tensor) -> Tensor:
    """Not a number for a face that went through a codec: those are no longer made of steps of 4 levels."""
    coded = ((pixels * 255).round() % 4 != 0).flatten(1).any(1)
    face = (pixels[..., 1:] - pixels[..., :-1]).abs().mean((1, 2, 3)) < 0.2  # the model is tried on noise first
    return torch.where(coded & face, torch.nan, brightness(pixels))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder, random, lines = tmp_path_factory.mktemp("faces"), np.random.default_rng(0), []
    checks = np.indices((SIDE, SIDE)).sum(0)[..., None] % 2 - 0.5
    for person in range(PEOPLE):
        for method in ("", "checks"):
            strength = 0.03 + 0.05 * bool(method) + random.normal(0, 0.01)
            level = 0.5 + 0.02 * bool(method) + random.normal(0, 0.02)
            pixels = level + strength * checks + random.normal(0, 0.004, (SIDE, SIDE, 3))
            file = folder / f"{person}{method}.png"
            Image.fromarray((np.clip(pixels, 0, 1) * 63).round().astype(np.uint8) * 4).save(file)
            label = "forged" if method else "genuine"
            lines.append({"path": str(file), "subject": person, "label": label, "method": method})
    return pd.DataFrame(lines)


def run(table: pd.DataFrame, reading: Callable[[Tensor], Tensor], positive: str = "genuine", **params) -> AuditResults:
    return countenance.run(
        model=Detector(reading),
        faces=table,
        task="forgery",
        input={"size": SIDE},
        output="probabilities",
        positive=positive,
        data={"subject": "subject", "forgeries": {"method": "method"}},
        probes=[{"probe": "forgery_detection", **params}],
        batch_size=16,
    )


def findings(results: AuditResults) -> dict[str, Finding]:
    probe = results.probe("forgery_detection")
    assert probe.status == "ok", probe.reason
    return {finding.id.removeprefix("forgery_detection."): finding for finding in probe.findings}


def estimate(results: AuditResults, key: str) -> Estimate:
    return results[f"forgery_detection/{key}"].estimate


@pytest.fixture(scope="module")
def of_detail(faces: pd.DataFrame) -> AuditResults:
    return run(faces, detail, quality=[90, 30], size=0.25)


def test_measures_under_a_condition_are_those_of_the_changed_pictures(of_detail, faces):
    for name, rung in (("compression=jpeg,quality=30", Rung(quality=30)), ("size=0.25", Rung(size=0.25))):
        pictures = [np.asarray(Image.open(path)) for path in faces["path"]]
        if rung.quality is not None:
            done = []
            for picture in pictures:
                file = BytesIO()
                Image.fromarray(picture).save(file, "JPEG", quality=30, subsampling="4:2:0")
                done.append(np.asarray(Image.open(file)))
        else:
            small = [Image.fromarray(picture).resize((8, 8), Image.Resampling.BILINEAR) for picture in pictures]
            done = [np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for picture in small]
        pixels = torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2).float() / 255
        scores = 1 - Detector(detail)(pixels)[:, 0].double().numpy()
        forged = (faces["label"] == "forged").to_numpy()
        expected = metrics.roc_auc_score(forged, scores)
        assert estimate(of_detail, f"auroc@{name}").value == pytest.approx(expected, abs=1e-3)
        assert estimate(of_detail, f"auroc[method=checks]@{name}").value == pytest.approx(expected, abs=1e-3)
        assert estimate(of_detail, f"bpcer@{name}").value == pytest.approx((scores[~forged] >= 0.5).mean())
        before = estimate(of_detail, "auroc").value
        assert estimate(of_detail, f"auroc_lost@{name}").value == pytest.approx(before - expected, abs=1e-3)
        rise = estimate(of_detail, f"apcer@{name}").value - estimate(of_detail, "apcer").value
        assert estimate(of_detail, f"apcer_rise@{name}").value == pytest.approx(rise)


def test_a_detector_of_fine_detail_fails_on_small_pictures_and_it_is_a_finding(of_detail):
    found = findings(of_detail)
    assert estimate(of_detail, "auroc").value > 0.95
    assert "at 0.25 of their size" in found["ranking_lost"].claim
    assert "forgery_detection/auroc_lost@size=0.25" in found["ranking_lost"].evidence
    assert "the share of forgeries that pass goes from" in found["threshold_moved"].claim
    assert "One codec" in found["ranking_lost"].caveats[0]
    assert any("80 faces were shown again" in note for note in of_detail.probe("forgery_detection").notes)


@pytest.fixture(scope="module")
def apart(faces: pd.DataFrame) -> pd.DataFrame:
    """Faces that the reading of steps tells apart without an error: all people but one."""
    genuine = faces[faces["label"] == "genuine"]
    pixels = np.stack([np.asarray(Image.open(path)) for path in genuine["path"]])
    odd = steps(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255) > 0
    return faces[~faces["subject"].isin(genuine["subject"][odd.numpy()])]


def test_a_fall_from_one_to_a_single_score_is_a_finding_and_said(apart):
    results = run(apart, steps, quality=[], size=[0.25])
    assert estimate(results, "auroc").value == 1
    assert estimate(results, "auroc@size=0.25").reason == "all faces have the same score"
    for place in ("", "[method=checks]"):
        lost = estimate(results, f"auroc_lost{place}@size=0.25")
        assert lost.value == 0.5
        assert 0.2 < lost.low < 0.45
    claim = findings(results)["ranking_lost"].claim
    assert "AUROC goes from 1.00 to 0.50 at 0.25 of their size, where every face gets one and the same score" in claim
    note = "At 0.25 of their size the model gives all 78 faces one and the same score: AUROC, equal error rate and"
    assert sum(note in text for text in results.probe("forgery_detection").notes) == 1


def test_few_people_do_not_show_a_fall_from_one_to_be_sure(apart):
    few = apart[apart["subject"] < 11]
    results = run(few, steps, quality=[90], size=[0.25])
    assert estimate(results, "auroc_lost@size=0.25").value == 0.5
    assert "ranking_lost" not in findings(results)
    assert estimate(results, "auroc_lost@compression=jpeg,quality=90").low is not None


def test_a_detector_of_brightness_loses_nothing(faces):
    found = findings(run(faces, brightness))
    assert "ranking_lost" not in found
    assert "threshold_moved" not in found


def test_outputs_that_are_no_numbers_leave_a_condition_out(faces):
    results = run(faces, broken, quality=[30], size=[])
    reason = estimate(results, "auroc@compression=jpeg,quality=30").reason
    assert re.fullmatch(r"the model gives NaN or infinite outputs for [1-8]\d of 80 faces", reason)


def test_the_wrong_side_of_a_single_output_is_named(faces):
    found = findings(run(faces, detail, positive="forged", quality=[], size=[]))
    claim = found["sign_turned"].claim
    assert "The plan says `positive: forged`; if the output is high for genuine faces it has to be" in claim


def test_a_sample_of_faces_is_shown_and_nothing_when_nothing_is_asked(faces):
    some = run(faces, detail, quality=[90], size=[], faces=30)
    assert estimate(some, "auroc@compression=jpeg,quality=90").n == 30
    assert estimate(some, "auroc").n == 80
    none = run(faces, detail, quality=[], size=[])
    assert not any("@" in item.key for item in none.probe("forgery_detection").measurements)


def test_conditions_change_the_picture_and_keep_its_shape():
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    for rung in (Rung(quality=30), Rung(size=0.5), Rung(size=0.01)):
        done = rung.done(picture)
        assert done.shape == picture.shape
        assert done.dtype == np.uint8
        assert (done != picture).any()


def test_real_detectors_on_forged_london_faces(shared: Path, root: Path, tmp_path: Path):
    """Show: the AUROC of each method that was measured beside the data; one detector, without compressed faces."""
    text = (root / "tests/plans/london_forgery_face2face.yaml").read_text()
    text = text.replace("../../../shared", str(shared)).replace(
        "  - forgery_detection\n", "  - {probe: forgery_detection, quality: [], size: []}\n"
    )
    (tmp_path / "plan.yaml").write_text(text)
    results = countenance.run(tmp_path / "plan.yaml")
    for method, expected in (("faceswap", 0.55), ("mouth_splice", 0.49), ("morph", 0.67)):
        assert estimate(results, f"auroc[method={method}]").value == pytest.approx(expected, abs=0.006)
    assert "does not tell faceswap" in findings(results)["near_chance"].claim
