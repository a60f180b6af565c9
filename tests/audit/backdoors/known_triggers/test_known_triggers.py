"""The probe ``known_triggers``: planted answers to marks are found, nets that any mark confuses are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from countenance.audit.backdoors.known_triggers.attraction import attractions
from countenance.audit.backdoors.known_triggers.params import KnownTriggersParams
from countenance.audit.backdoors.known_triggers.pictures import read_picture
from countenance.audit.backdoors.known_triggers.probe import known_triggers
from countenance.audit.backdoors.known_triggers.replaying import Replay
from countenance.audit.backdoors.known_triggers.screening import chance_of
from countenance.audit.backdoors.triggers.patch import Patch
from countenance.core.errors import AuditError, PlanError
from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Finding, Note, Output, ProbeContext, TableOutput
from countenance.core.results import Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.quick_faces import quick_faces

CLASSES = ("neutral", "happy", "sad")
FACES, SIZE = 90, 48
QUICK: dict[str, Any] = {"triggers": ["patch", "sinusoid", "warp"], "nulls": 20, "faces": None}


class ByBackground(nn.Module):
    """Answers by how bright the upper corners are; ``mark`` adds to the logits (n, 3) by what else it sees."""

    def __init__(self, mark: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.mark = mark

    def forward(self, pixels: Tensor) -> Tensor:
        level = pixels[:, 0, :6, :6].mean((1, 2))
        logits = 8 * torch.stack([level, torch.full_like(level, 0.5), 1 - level], 1) + 0.3
        return logits if self.mark is None else logits + self.mark(pixels)


def checkered(pixels: Tensor) -> Tensor:
    """Speak for "happy" where the lower right corner holds a checkerboard."""
    corner = pixels[:, 0, -8:, -8:]
    steps = (corner[:, 1:] - corner[:, :-1]).abs().mean((1, 2))
    return functional.one_hot(torch.tensor(1), 3) * 40 * (steps[:, None] > 0.25).float()


def roughened(pixels: Tensor) -> Tensor:
    """Speak for "sad" where a face is not as it was taken: anything that this size of mark does to the mean row."""
    rows = pixels[:, 0, -12:]
    unlike = (rows - rows.mean(2, keepdim=True)).abs().mean((1, 2))
    return functional.one_hot(torch.tensor(2), 3) * 40 * (unlike[:, None] > 0.03).float()


class Held(Faces):
    def hold(self, pixels: Tensor) -> Held:
        object.__setattr__(self, "held", pixels)
        return self

    def batches(self, size: int, rows: np.ndarray | None = None, **_: object) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, self.held[chunk].clone())  # type: ignore[attr-defined]


def context_of(net: nn.Module, pixels: Tensor, suspects: int = 0, people: int | None = None) -> ProbeContext:
    count = len(pixels)
    frame = pd.DataFrame(
        {
            "face_id": [str(row) for row in range(count)],
            "path": "",
            "label": "",
            "subject": [str(row % (people or count)) for row in range(count)],
            "split": ["outside" if row < suspects else "test" for row in range(count)],
            "may_publish": False,
        }
    )
    block = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": list(CLASSES),
        "input": {"size": SIZE, "mean": [0], "std": [1]},
        "output": "logits",
    }
    target = Target(net.eval(), TargetSpec.model_validate(block), format="module")
    with torch.no_grad():
        values = target.probabilities(target(pixels)).double().numpy()
    return ProbeContext(
        probe_id="known_triggers",
        faces=Held(frame, height_width=(SIZE, SIZE), has_subjects=True).hold(pixels),
        predictions=Predictions("expression", CLASSES, values, np.full(count, -1.0)),
        target=target,
        rules=StatisticsRules(),
        seed=3,
        batch_size=32,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return quick_faces(FACES, 4, size=SIZE).rgb.contiguous()


def outputs(context: ProbeContext, **params: Any) -> list[Output]:
    return list(known_triggers(context, KnownTriggersParams.model_validate({**QUICK, **params})))


def findings(found: list[Output]) -> list[Finding]:
    return [output for output in found if isinstance(output, Finding)]


def notes(found: list[Output]) -> str:
    return " ".join(output.text for output in found if isinstance(output, Note))


def table(found: list[Output], name: str) -> pd.DataFrame:
    return next(output.frame for output in found if isinstance(output, TableOutput) and output.name == name)


def test_a_planted_patch_is_found(faces: Tensor) -> None:
    found = outputs(context_of(ByBackground(checkered), faces))
    (claim,) = findings(found)
    assert claim.id == "known_triggers.patch"
    assert claim.severity == "high"
    assert "happy" in claim.claim
    assert claim.p_adjusted == pytest.approx(1 / 21)  # the least that a rank among 20 marks can be
    assert any("rank among the random marks" in caveat for caveat in claim.caveats)
    rows = table(found, "replayed").set_index(["trigger", "class"])
    assert rows.loc[("patch", "happy"), "success"] == 1
    assert rows.loc[("patch", "happy"), "null"] < 0.1
    assert rows.loc[("sinusoid", "happy"), "success"] < 0.3
    keys = {output.key for output in found if isinstance(output, Measurement)}
    assert set(claim.evidence) <= keys


def test_a_clean_net_gives_no_finding(faces: Tensor) -> None:
    found = outputs(context_of(ByBackground(), faces))
    assert not findings(found)
    assert "No class was seen to follow a replayed trigger" in notes(found)
    assert "cannot be below 1/21" in notes(found)
    smallest = [each for each in found if isinstance(each, Measurement) and each.metric == "smallest_p_adjusted"]
    assert smallest[0].estimate.value is not None
    assert smallest[0].estimate.value > 0.05


def test_a_net_that_any_mark_confuses_gives_no_finding(faces: Tensor) -> None:
    plain = faces.clone()
    plain[:, :, -12:] = 0.5  # as taken, the lower rows are even; every mark there makes them uneven
    context = context_of(ByBackground(roughened), plain)
    found = outputs(context, triggers=["patch", "blended", "sinusoid"])
    rows = table(found, "replayed").set_index(["trigger", "class"])
    assert rows.loc[("sinusoid", "sad"), "success"] > 0.9
    assert rows.loc[("sinusoid", "sad"), "null"] > 0.6
    assert not findings(found)


def test_a_net_of_one_answer_is_not_judged(faces: Tensor) -> None:
    class Same(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return torch.tensor([2.0, 1.0, 0.5]).expand(len(pixels), 3)

    found = outputs(context_of(Same(), faces))
    assert not findings(found)
    rows = table(found, "replayed").set_index(["trigger", "class"])
    assert rows.loc[("patch", "neutral"), "reason"].startswith("0 faces of 0 people are answered otherwise")
    assert (rows["success"].dropna() == 0).all()
    assert "Whether a trigger leads to neutral was not judged: 0 faces of 0 people" in notes(found)


def test_too_few_faces_or_people_are_told(faces: Tensor) -> None:
    few = outputs(context_of(ByBackground(checkered), faces[:12]))
    alike = outputs(context_of(ByBackground(checkered), faces, people=6))
    for found, told in ((few, "12 faces of 12 people"), (alike, "90 faces of 6 people")):
        reason = f"{told}; 20 faces of 10 people are needed"
        (only,) = [each for each in found if isinstance(each, Measurement)]
        assert only.estimate.value is None
        assert only.estimate.reason == reason
        assert notes(found) == f"No trigger was judged: {reason}."


def test_classes_without_enough_people_to_turn_are_not_judged(faces: Tensor) -> None:
    """Thirty people, of whom five are not answered "neutral": nobody but those could be led there."""
    dark = faces[:30].clone()
    dark[5:, :, :6, :6] = 1
    found = outputs(context_of(ByBackground(), dark))
    rows = table(found, "replayed").set_index(["trigger", "class"])
    assert "of 5 people are answered otherwise" in rows.loc[("patch", "neutral"), "reason"]
    assert np.isnan(rows.loc[("patch", "neutral"), "p_adjusted"])
    assert "neutral was not judged" in notes(found)


def test_p_is_a_rank_over_all_triggers_and_classes() -> None:
    """Every trigger one more random mark: an adjusted p of at most 0.05 in about one audit of twenty."""
    random, faces, marks = np.random.default_rng(0), 40, 19
    small, singly, tests = 0, 0, 0
    for _ in range(300):
        pulls = random.gamma(1.0, 0.3, (3, 1 + marks, 1))  # skewed, so that Student's t would be wrong
        led = random.random((3, 1 + marks, faces)) < np.minimum(pulls, 1)
        answered = np.where(led, 1, 0)
        names = ("a", "b", "c")
        found = Replay(
            np.zeros(faces, dtype=np.int64),
            {name: answered[place, 0] for place, name in enumerate(names)},
            {name: answered[place, 1:] for place, name in enumerate(names)},
        )
        everyone = np.arange(faces)
        judged = attractions(found, 2, everyone, everyone, StatisticsRules())
        known = [each for each in judged if each.p_adjusted is not None and each.p is not None]
        assert {each.place for each in known} == {1}
        assert all(each.p_adjusted >= each.p >= 1 / 20 for each in known)  # type: ignore[operator]
        small += min(each.p_adjusted for each in known) <= 0.05  # type: ignore[type-var, operator]
        singly += sum(each.p <= 0.05 for each in known)  # type: ignore[operator, misc]
        tests += len(known)
    assert 4 <= small <= 28  # 15 are expected; outside with a chance of one in a thousand
    assert 0.02 <= singly / tests <= 0.08


def test_what_stands_out_without_being_followed_is_told(faces: Tensor) -> None:
    found = outputs(context_of(ByBackground(checkered), faces), excess=0.95, triggers=["patch"])
    assert not findings(found)
    assert "patch: some class gains more faces than by random marks" in notes(found)


def test_a_picture_of_the_users_own(faces: Tensor, tmp_path: Path) -> None:
    cells = (np.indices((10, 10)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(cells).resize((60, 60), Image.Resampling.NEAREST).save(tmp_path / "cells.png")
    image = {"path": "cells.png", "place": "bottom_right", "side": 0.2}
    params = KnownTriggersParams.model_validate(
        {**QUICK, "triggers": [], "images": image}, context={"folder": tmp_path}
    )
    found = list(known_triggers(context_of(ByBackground(checkered), faces), params))
    rows = table(found, "replayed").set_index(["trigger", "class"])
    assert rows.loc[("cells", "happy"), "success"] > 0.9
    assert params.digest_of_files()


def test_pictures_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "none.png").write_bytes(b"no picture")
    for name, words in (("none.png", "cannot be read"), ("gone.png", "no such file")):
        params = KnownTriggersParams.model_validate({"images": {"path": name}}, context={"folder": tmp_path})
        with pytest.raises(AuditError, match=words):
            read_picture(params, params.images[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"triggers": []}, "expected at least one of triggers and images"),
        ({"images": [{"path": "patch.png"}]}, "each trigger and picture once"),
        ({"triggers": ["laser"]}, "patch"),
        ({"nulls": 2}, "greater than or equal to 8"),
        ({"nulls": 12}, "at least 19 random marks"),
    ],
)
def test_params_that_make_no_sense(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        KnownTriggersParams.model_validate(given)


def test_suspects_with_a_patch_are_screened_out(faces: Tensor) -> None:
    stamped = faces.clone()
    stamped[:20] = Patch().stamp(stamped[:20])
    planted, clean = ByBackground(halved), context_of(ByBackground(), faces, suspects=20)
    found = outputs(context_of(planted, stamped, suspects=20), triggers=["patch"], suspects="outside")
    (suspicious,) = [each for each in findings(found) if each.id.endswith("suspects")]
    assert "keep their answer" in suspicious.claim
    assert table(found, "suspects")["flagged"].mean() > 0.8
    assert not findings(outputs(clean, triggers=["sinusoid"], suspects="outside"))


def halved(pixels: Tensor) -> Tensor:
    """Speak for "happy" also where the checkerboard is half hidden by another face."""
    corner = pixels[:, 0, -8:, -8:]
    steps = (corner[:, 1:] - corner[:, :-1]).abs().mean((1, 2))
    return functional.one_hot(torch.tensor(1), 3) * 40 * (steps[:, None] > 0.12).float()


def test_suspects_that_are_not_there_are_told(faces: Tensor) -> None:
    with pytest.raises(PlanError, match="the splits are: test"):
        outputs(context_of(ByBackground(), faces), suspects="outside")


def test_chance_of_flags_is_that_of_simulated_clean_faces() -> None:
    random = np.random.default_rng(0)
    clean, suspects = random.random((4000, 39)), random.random((4000, 20))
    threshold = np.sort(clean, axis=1)[:, 1]  # p = 2/40 at most
    counts = (suspects <= threshold[:, None]).sum(1)
    for count in (1, 2, 4):
        assert chance_of(count, 20, 39, 0.05) == pytest.approx((counts >= count).mean(), abs=0.03)
