"""Forgeries made of drawn faces, shown to a detector that knows every photo and to one that looks elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import countenance
from countenance.audit.forgery.made_forgeries.asking import finished, working_size
from countenance.audit.forgery.making import METHODS, USUAL, hull, splicing
from countenance.audit.forgery.making.marking import COPY_MARK, SYNTHETIC_MARK, marked
from countenance.core.errors import PlanError
from countenance.core.results import AuditResults, Estimate, Finding
from countenance.synth.dataset import DrawnDataset, draw_dataset

SIDE, PEOPLE = 48, 12


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnDataset:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), subjects=PEOPLE, per_subject=2, seed=3, size=96)


@pytest.fixture(scope="module")
def faces(drawn: DrawnDataset) -> pd.DataFrame:
    return pd.read_csv(drawn.manifest, dtype=str).assign(label="genuine")


def as_given(path: Path) -> np.ndarray:
    """A photo as the detector is given it, step by step: crop at the working size, JPEG, the size of the input."""
    large = Image.open(path).convert("RGB").resize((5 * SIDE, 5 * SIDE), Image.Resampling.BILINEAR)
    file = BytesIO()
    large.save(file, "JPEG", quality=90, subsampling="4:2:0")
    return np.asarray(Image.open(file).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


class Knows(nn.Module):
    """Probability of a genuine face: high for the photos it knows, falling with the distance from the nearest."""

    def __init__(self, photos: Tensor) -> None:
        super().__init__()
        self.register_buffer("photos", photos.flatten(1))

    def forward(self, pixels: Tensor) -> Tensor:
        away = torch.cdist(pixels.flatten(1), self.photos.to(pixels.dtype)).min(1).values
        return torch.sigmoid(4 - 20 * away)[:, None]


class Looks(nn.Module):
    """Probability of a genuine face from a reading of the picture."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.sigmoid(self.reading(pixels))[:, None]


def elsewhere(pixels: Tensor) -> Tensor:
    """The upper corners, which no forgery reaches."""
    return 8 * (pixels[:, :, :4, :4].mean((1, 2, 3)) - 0.5)


def run(drawn: DrawnDataset, table: pd.DataFrame, model: nn.Module, **params: Any) -> AuditResults:
    data: dict[str, Any] = {"subject": "subject", "landmarks": str(drawn.landmarks)}
    data |= {"attributes": {"gender_presentation": {"assigned_by": "annotator"}}} | params.pop("data", {})
    if params.pop("label_column", "label") is None:
        data["label"] = None
    return countenance.run(
        model=model,
        faces=table,
        folder=drawn.folder,
        task="forgery",
        input={"size": SIDE},
        output="probabilities",
        positive="genuine",
        data=data,
        probes=[{"probe": "made_forgeries", **params}],
        batch_size=16,
        seed=params.get("seed", 5),
    )


def strip_below(word: str) -> np.ndarray:
    return marked(np.zeros((2 * SIDE, 2 * SIDE, 3), dtype=np.uint8), word)[2 * SIDE :]


def estimate(results: AuditResults, key: str) -> Estimate:
    return results[f"made_forgeries/{key}"].estimate


def findings(results: AuditResults) -> dict[str, Finding]:
    probe = results.probe("made_forgeries")
    assert probe.status == "ok", probe.reason
    return {finding.id.removeprefix("made_forgeries."): finding for finding in probe.findings}


@pytest.fixture(scope="module")
def known(drawn: DrawnDataset, faces: pd.DataFrame) -> AuditResults:
    photos = np.stack([as_given(drawn.folder / path) for path in faces["path"]])
    net = Knows(torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255)
    return run(drawn, faces, net, methods=list(METHODS))


@pytest.fixture(scope="module")
def blind(drawn: DrawnDataset, faces: pd.DataFrame) -> AuditResults:
    return run(drawn, faces, Looks(elsewhere))


def test_a_detector_that_knows_the_photos_sees_every_forgery(known: AuditResults) -> None:
    """Positive control; that its photos are met to the last level shows that genuine pictures take the stated path."""
    assert estimate(known, "bpcer@forgery=untouched").value == 0
    for name in METHODS:
        assert estimate(known, f"auroc@forgery={name}").value > 0.99
        assert estimate(known, f"above_own_photo@forgery={name}").value == 1
    assert "near_chance" not in findings(known)
    assert "ranked_below" not in findings(known)


def test_a_detector_that_looks_elsewhere_tells_nothing(blind: AuditResults) -> None:
    """Negative control."""
    for name in USUAL:
        found = estimate(blind, f"auroc@forgery={name}")
        assert found.value == pytest.approx(0.5, abs=0.05)
    claim = findings(blind)["near_chance"]
    assert claim.severity == "high"
    assert all(name in claim.claim for name in USUAL)
    assert "no generator" in claim.claim


@pytest.mark.parametrize("which", ["known", "blind"])
def test_the_control_changes_nothing(which: str, request: pytest.FixtureRequest) -> None:
    results: AuditResults = request.getfixturevalue(which)
    assert estimate(results, "auroc@forgery=untouched").value == 0.5
    assert "control_apart" not in findings(results)


class OfTheBatch(nn.Module):
    """Reads how rough a picture is, beside the others of its batch (or of the batch as a whole)."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, pixels: Tensor) -> Tensor:
        rough = (pixels[..., 1:] - pixels[..., :-1]).abs().mean((1, 2, 3))
        told = rough.mean().expand(len(pixels)) if self.whole else (rough - rough.mean())
        return torch.sigmoid(300 * (told - (0.03 if self.whole else 0)))[:, None]


def test_a_model_that_answers_by_the_batch_is_found_out(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    """Asked about forgeries and photos in batches of their own it would tell one kind of batch from the other."""
    for whole in (False, True):
        results = run(drawn, faces, OfTheBatch(whole=whole), methods=["morph", "self_blend_easy"])
        claim = findings(results)["control_apart"]
        assert "other pictures of the batch" in claim.claim
        if whole:  # one answer for all of a batch tells no forgery in it from its photo
            assert estimate(results, "above_own_photo@forgery=morph").value == 0.5


def test_a_copy_of_the_photo_is_no_forgery(drawn: DrawnDataset, faces: pd.DataFrame, tmp_path: Path) -> None:
    """Another photo that is the same to the last pixel gives no splice, which is said, and counted."""
    same = faces.copy()
    first = same.groupby("subject")["path"].transform("first")
    points = dict(np.load(drawn.landmarks))
    for number, source in enumerate(first):
        (tmp_path / f"{number}.png").write_bytes((drawn.folder / source).read_bytes())
        points[str(number)] = points[source.rpartition(".")[0]]
        same.loc[same.index[number], "path"] = f"{number}.png"
    np.savez(tmp_path / "points.npz", **points)
    copied = DrawnDataset(tmp_path, tmp_path / "none.csv", tmp_path / "points.npz", len(faces), PEOPLE)
    results = run(copied, same, Looks(elsewhere), methods=["mouth_splice", "self_blend"])
    assert "no face could be forged so" in (estimate(results, "auroc@forgery=mouth_splice").reason or "")
    told = " ".join(results.probe("made_forgeries").notes)
    assert f"mouth_splice: {len(faces)} of {len(faces)} faces were left out: the forgery is the photo itself" in told
    assert estimate(results, "apcer@forgery=self_blend").n == len(faces)


def test_a_face_that_cannot_be_forged_is_counted_and_the_rest_is_measured(
    drawn: DrawnDataset, faces: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def sometimes(*given: Any) -> Any:
        tried.append(1)
        return np.full((3, 2), 1.0) if len(tried) == 1 else real(*given)

    real = splicing._offset
    monkeypatch.setattr(splicing, "_offset", lambda points, reach: hull.convex_outline(sometimes(points, reach)))
    results = run(drawn, faces, Looks(elsewhere), methods=["eyes_splice"])
    assert estimate(results, "apcer@forgery=eyes_splice").n == len(faces) - 1
    assert any(f"1 of {len(faces)} faces were left out" in note for note in results.probe("made_forgeries").notes)


def test_groups_and_their_gaps_are_measured(known: AuditResults) -> None:
    keys = {item.key for item in known.probe("made_forgeries").measurements}
    assert any(key.startswith("made_forgeries/apcer[gender_presentation=") for key in keys)
    for metric in ("auroc", "apcer", "bpcer"):
        gaps = [key for key in keys if key.startswith(f"made_forgeries/{metric}") and "attribute=gender" in key]
        assert gaps, metric


def test_every_forgery_is_beside_its_own_photo(known: AuditResults, faces: pd.DataFrame) -> None:
    swap = estimate(known, "auroc@forgery=face_swap_feather")
    assert (swap.n, swap.subjects) == (2 * len(faces), PEOPLE)
    assert estimate(known, "apcer@forgery=mouth_splice").n == len(faces)


def test_the_same_seed_gives_the_same_numbers(drawn: DrawnDataset, faces: pd.DataFrame, blind: AuditResults) -> None:
    again = run(drawn, faces, Looks(elsewhere), methods=["morph"])
    for key in ("auroc@forgery=morph", "above_own_photo@forgery=morph"):
        assert estimate(again, key) == estimate(blind, key)


def test_a_model_with_its_sides_turned_is_told(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    photos = np.stack([as_given(drawn.folder / path) for path in faces["path"]])
    net = Knows(torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255)
    turned = Looks(lambda pixels: torch.logit(1 - net(pixels)[:, 0], 1e-6))
    found = findings(run(drawn, faces, turned, methods="face_swap_feather"))
    assert "sides are turned" in found["ranked_below"].claim
    assert "photos_called_forged" in found


def test_ranked_above_and_yet_passing(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    photos = np.stack([as_given(drawn.folder / path) for path in faces["path"]])
    net = Knows(torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255)
    lenient = Looks(lambda pixels: 6 + 4 * net(pixels)[:, 0])
    found = findings(run(drawn, faces, lenient, methods=["face_swap_feather"]))
    assert found["pass_at_threshold"].severity == "high"


def test_forged_faces_are_not_forged_again(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    table = faces.copy()
    table.loc[:5, "label"] = "forged"
    results = run(drawn, table, Looks(elsewhere), methods="self_blend")
    assert estimate(results, "apcer@forgery=self_blend").n == len(faces) - 6


def test_faces_without_labels_are_taken_for_genuine(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    results = run(drawn, faces.drop(columns="label"), Looks(elsewhere), methods="self_blend", label_column=None)
    assert estimate(results, "apcer@forgery=self_blend").n == len(faces)
    assert any("No face has a label" in note for note in results.probe("made_forgeries").notes)


def test_only_forged_faces_give_nothing_to_forge(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    results = run(drawn, faces.assign(label="forged"), Looks(elsewhere), methods="self_blend")
    found = estimate(results, "auroc@forgery=self_blend")
    assert found.value is None
    assert "labelled genuine" in (found.reason or "")


def test_people_with_one_photo_are_left_out_of_splices(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    single = faces.drop_duplicates("subject")
    results = run(drawn, single, Looks(elsewhere), methods=["mouth_splice", "morph"])
    found = estimate(results, "auroc@forgery=mouth_splice")
    assert found.value is None
    assert "no face could be forged so" in (found.reason or "")
    assert any(f"{PEOPLE} of {PEOPLE} faces were left out" in note for note in results.probe("made_forgeries").notes)
    assert estimate(results, "auroc@forgery=morph").value is not None


def test_faces_without_landmarks_are_skipped_and_counted(
    drawn: DrawnDataset, faces: pd.DataFrame, tmp_path: Path
) -> None:
    points = dict(np.load(drawn.landmarks))
    for key in list(points)[:2]:
        del points[key]
    np.savez(tmp_path / "fewer.npz", **points)
    results = run(drawn, faces, Looks(elsewhere), methods="self_blend", data={"landmarks": str(tmp_path / "fewer.npz")})
    assert estimate(results, "apcer@forgery=self_blend").n == len(faces) - 2
    assert any("2 faces were skipped: expected landmarks" in note for note in results.probe("made_forgeries").notes)


def test_five_landmarks_are_not_enough(drawn: DrawnDataset, faces: pd.DataFrame) -> None:
    results = run(drawn, faces, Looks(elsewhere), methods="self_blend", data={"landmarks": "aligned"})
    assert "68 or 478" in (estimate(results, "auroc@forgery=self_blend").reason or "")


def test_no_picture_of_the_data_is_kept(drawn: DrawnDataset, faces: pd.DataFrame, tmp_path: Path) -> None:
    countenance.run(
        model=Looks(elsewhere),
        faces=faces,
        folder=drawn.folder,
        out=tmp_path / "run",
        task="forgery",
        input={"size": SIDE},
        output="probabilities",
        positive="genuine",
        data={"subject": "subject", "landmarks": str(drawn.landmarks), "may_publish": "may_publish"},
        probes=[{"probe": "made_forgeries", "methods": ["self_blend", "mouth_splice"]}],
        batch_size=16,
    )
    pictures = [file for file in (tmp_path / "run").rglob("*") if file.suffix in {".png", ".jpg", ".jpeg"}]
    assert not pictures
    arrays = np.load(tmp_path / "run" / "artifacts" / "made_forgeries.strip.npz")
    assert str(arrays["about"]).startswith("SYNTHETIC")
    shown = arrays["pictures"]
    assert shown.shape == (3, 4, 2 * SIDE + 16, 2 * SIDE, 3)  # drawn faces: as they are, control, two kinds
    strips = shown[:, :, -16:]  # every picture says what it is
    said = {word: strip_below(word) for word in (COPY_MARK, SYNTHETIC_MARK)}
    for face in strips:
        # of a drawn person there is no second photo to splice from: that picture is the photo
        for place, word in enumerate((COPY_MARK, COPY_MARK, SYNTHETIC_MARK, COPY_MARK)):
            assert (face[place] == said[word]).all()
    table = pd.read_csv(tmp_path / "run" / "tables" / "made_forgeries.made.csv")
    assert table["forgery"].tolist() == ["self_blend", "mouth_splice"]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"methods": ["deepfake"]}, "but got 'deepfake'"),
        ({"methods": []}, "at least one"),
        ({"methods": ["morph", "morph"]}, "each once"),
        ({"threshold": 1.0}, "less than 1"),
        ({"faces": 1}, "greater than or equal to 2"),
    ],
)
def test_params_that_cannot_be_meant(drawn, faces, params: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        run(drawn, faces, Looks(elsewhere), **params)


def test_working_sizes_are_multiples_of_the_input() -> None:
    sizes = [working_size((side, side))[0] for side in (48, 64, 112, 256, 380, 600)]
    assert sizes == [240, 256, 224, 256, 380, 600]
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    assert finished(picture, 90, (48, 48)).shape == (48, 48, 3)
    assert finished(picture, 90, (96, 96)).shape == (96, 96, 3)
