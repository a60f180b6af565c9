from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import countenance
from countenance.audit.forgery.forged_expressions.forgeries import RESAVED, Forgery
from countenance.audit.forgery.forged_expressions.made import making_size
from countenance.audit.forgery.forged_expressions.params import ForgedExpressionsParams
from countenance.audit.forgery.forged_expressions.probe import _showing
from countenance.audit.forgery.forged_expressions.ready import ReadyForgeries
from countenance.audit.robustness.conditions import Condition
from countenance.audit.robustness.strip import stand_ins
from countenance.core.api import run_plan
from countenance.core.faces import Faces
from countenance.core.plan_file import load_plan
from countenance.core.probes import ProbeContext
from countenance.core.results import AuditResults

PROBE = "forged_expressions"
SIDE, WHOLE, PEOPLE = 64, 128, 52
BLUE, RED = (20, 30, 235), (190, 40, 40)


class Reads(nn.Module):
    """Says happy where a reading of the picture, (n, 3, h, w) to (n,), is above 0."""

    def __init__(self, reading: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.reading = reading

    def forward(self, pixels: Tensor) -> Tensor:
        found = 20 * self.reading(pixels)
        return torch.stack([-found, found], dim=1)


def mouth(pixels: Tensor) -> Tensor:
    """How blue the bluest place is where mouths are."""
    lower = pixels[:, :, SIDE * 5 // 8 : SIDE * 7 // 8, SIDE * 3 // 8 : SIDE * 5 // 8]
    return nn.functional.avg_pool2d(lower[:, 2] - lower[:, 0], 3, 1).amax((1, 2)) - 0.15


def corner(pixels: Tensor) -> Tensor:
    """How blue the upper left corner is, where no face is."""
    return (pixels[:, 2, :6, :6] - pixels[:, 0, :6, :6]).mean((1, 2))


def paint(picture: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Paint a mouth."""
    low, high = points[48:68].min(0).astype(int), points[48:68].max(0).astype(int)
    middle = (low + high) // 2
    painted = picture.copy()
    painted[middle[1] - 5 : middle[1] + 5, low[0] + 2 : high[0] - 2] = colour
    return painted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A red and a blue mouth of each of 52 people; and a forgery, the red one with the blue mouth.

    The upper left corner is red for a red mouth and blue for a blue one, which no forgery of the face changes.
    """
    folder = tmp_path_factory.mktemp("forged")
    batch, _ = stand_ins((WHOLE, WHOLE), "68")
    assert batch.landmarks is not None
    drawn = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    random = np.random.default_rng(0)
    lines, landmarks = [], {}
    for person in range(PEOPLE):
        which = person % len(drawn)
        own = np.clip(drawn[which] * random.uniform(0.8, 1.0, 3), 0, 255).astype(np.uint8)
        points = batch.landmarks[which]
        for name, label, method, colour in (
            ("neutral", "neutral", "none", RED),
            ("happy", "happy", "none", BLUE),
            ("spliced", "", "mouth_splice", BLUE),
        ):
            light = 8 if name == "happy" else 0  # two photos of one person are never quite the same
            picture = paint(np.clip(own.astype(np.int64) + light, 0, 255).astype(np.uint8), points, colour)
            picture[:14, :14] = BLUE if name == "happy" else RED
            Image.fromarray(picture).save(folder / f"{person}_{name}.png")
            landmarks[f"{person}_{name}"] = points
            donor = f"p{person}" if method != "none" else ""
            lines.append([f"{person}_{name}.png", label, f"p{person}", method, donor, ("odd", "even")[person % 2]])
    np.savez(folder / "landmarks.npz", **landmarks)
    columns = ["path", "label", "subject", "method", "donor", "kind"]
    return folder, pd.DataFrame(lines, columns=columns)


def run(
    data: tuple[Path, pd.DataFrame], reading: Callable[[Tensor], Tensor], out: Path | None = None, **params: Any
) -> AuditResults:
    folder, frame = data
    described: dict[str, Any] = {
        "subject": "subject",
        "attributes": {"kind": {"assigned_by": "annotator"}},
        "forgeries": {"method": "method", "donor": "donor"},
        "landmarks": "landmarks.npz",
    }
    described |= params.pop("described", {})
    results = countenance.run(
        model=Reads(reading),
        faces=frame,
        folder=folder,
        out=out,
        classes=["neutral", "happy"],
        input={"size": SIDE, "mean": [0.0] * 3, "std": [1.0] * 3},
        data={key: value for key, value in described.items() if value is not None},
        probes=[{"probe": PROBE, **params}],
    )
    assert results.probes[0].status == "ok", results.probes[0].reason
    return results


def value(results: AuditResults, key: str) -> float:
    found = results[f"{PROBE}/{key}"].estimate.value
    assert found is not None
    return found


def test_a_model_that_reads_the_mouth_is_rewritten_by_another_mouth(
    data: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    results = run(data, mouth, tmp_path / "run", made=["mouth_splice", "eyes_splice"], made_faces=24)
    assert value(results, "changed@forgery=mouth_splice_of_the_data") == 1
    assert value(results, "changed.null@forgery=mouth_splice_of_the_data") == 0
    assert value(results, "turned@forgery=mouth_splice_of_the_data") == 1
    assert value(results, "turned.null@forgery=mouth_splice_of_the_data") == 0
    assert value(results, "answered[answer=happy]@forgery=mouth_splice_of_the_data") == 1
    assert value(results, "answered.null[answer=happy]@forgery=mouth_splice_of_the_data") == 0
    assert value(results, "changed@forgery=made_mouth_splice") > 0.9
    assert value(results, "changed@forgery=own_mouth_splice") < 0.1
    assert value(results, "turned@forgery=made_mouth_splice") > 0.9
    assert value(results, "changed@forgery=made_eyes_splice") < 0.1
    assert results[f"{PROBE}/changed@forgery=mouth_splice_of_the_data"].estimate.n == PEOPLE
    assert results[f"{PROBE}/changed@forgery=made_mouth_splice"].estimate.n == 24
    found = {finding.id: finding for finding in results.findings()}
    told = found[f"{PROBE}.rewritten.mouth_splice_of_the_data"]
    assert told.severity == "high"
    assert "neutral becomes happy (52 faces)" in told.claim
    assert set(told.evidence) <= {item.key for item in results.measurements()}
    assert f"{PROBE}.rewritten.made_mouth_splice" in found
    assert f"{PROBE}.rewritten.made_eyes_splice" not in found
    assert "eyes of another photo" in found[f"{PROBE}.no_more"].claim
    table = pd.read_csv(tmp_path / "run" / "tables" / f"{PROBE}.turned.csv")
    spliced = table[table["forgery"] == "mouth splice, of the data"]
    assert spliced[["before", "after", "faces"]].to_numpy().tolist() == [["neutral", "happy", PEOPLE]]
    strip = json.loads((tmp_path / "run" / "artifacts" / f"{PROBE}.strip.json").read_text())
    assert strip["drawn"]
    assert all("made here" in condition["title"] for condition in strip["conditions"][1:])


def test_a_model_that_reads_what_no_forgery_touches_stays_as_it_is(data: tuple[Path, pd.DataFrame]) -> None:
    results = run(data, corner, made=["face_swap_feather", "mouth_splice"], made_faces=20)
    changed = [item for item in results.measurements() if item.metric == "changed" and not item.slice]
    assert len(changed) == 6
    assert all(item.estimate.value == 0 for item in changed)
    assert [finding.id for finding in results.findings()] == [f"{PROBE}.no_more"]


def test_swaps_and_morphs_bring_in_another_expression_where_there_is_one(data: tuple[Path, pd.DataFrame]) -> None:
    results = run(data, mouth, made=["face_swap_feather", "morph"], ready=False, made_faces=20)
    assert value(results, "turned@forgery=made_face_swap_feather") > 0.9
    assert value(results, "turned.null@forgery=made_face_swap_feather") < 0.1
    assert results[f"{PROBE}/turned@forgery=made_face_swap_feather"].estimate.n == 20
    assert not [item for item in results.measurements() if item.condition.get("forgery") == "mouth_splice_of_the_data"]


def test_groups_are_compared(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    even = frame["kind"] == "even"
    spliced = frame["method"] == "mouth_splice"
    unlike = frame[~(even & spliced)]
    same = frame[even & spliced].copy()  # of these people the "forgery" is the photo itself
    same["path"] = same["path"].str.replace("spliced", "neutral")
    same["id"] = same["path"] + " again"
    frame = pd.concat([unlike.assign(id=unlike["path"]), same], ignore_index=True)
    results = run((folder, frame), mouth, made=[], described={"id": "id", "landmarks": None})
    assert value(results, "changed@forgery=mouth_splice_of_the_data") == 0.5
    of = {"forgery": "mouth_splice_of_the_data"}
    compared = {item.metric for item in results.measurements() if item.slice.get("attribute") == "kind"}
    assert {metric.partition(".")[0] for metric in compared} == {"changed", "turned"}
    sliced = [item for item in results.measurements() if item.metric == "changed" and item.condition == of]
    assert {item.slice.get("kind", "all"): item.estimate.n for item in sliced if "attribute" not in item.slice} == {
        "all": PEOPLE,
        "odd": PEOPLE // 2,
        "even": PEOPLE // 2,
    }


def test_what_cannot_be_measured_is_told(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    genuine = frame[frame["method"] == "none"].reset_index(drop=True)
    nothing = {"forgeries": None, "landmarks": None}
    results = run((folder, genuine.drop(columns=["method", "donor"])), mouth, described=nothing)
    reason = results[f"{PROBE}/changed"].estimate.reason or ""
    assert "data.forgeries.method" in reason
    assert "landmarks" in reason
    results = run(data, lambda pixels: pixels.mean((1, 2, 3)) - 2)
    assert "one and the same answer" in (results[f"{PROBE}/changed"].estimate.reason or "")
    results = run(data, mouth, described={"landmarks": None})
    assert any("68 or 478 landmarks, and the faces have none" in note for note in results.probes[0].notes)
    assert value(results, "changed@forgery=mouth_splice_of_the_data") == 1


def test_forgeries_without_their_photo_or_donor(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    strangers = frame["method"].eq("mouth_splice") & frame["kind"].eq("even")
    odd = frame.assign(subject=np.where(strangers, "nobody " + frame["subject"], frame["subject"]), donor="")
    results = run((folder, odd), mouth, made=[])
    assert results[f"{PROBE}/changed@forgery=mouth_splice_of_the_data"].estimate.n == PEOPLE // 2
    assert any("26 were not used: their person has no genuine photo" in note for note in results.probes[0].notes)
    assert not [item for item in results.measurements() if item.metric == "turned"]


def test_faces_without_landmarks_are_counted(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    few = 20
    kept = dict(np.load(folder / "landmarks.npz"))
    for person in range(4):
        del kept[f"{person}_neutral"]
    np.savez(folder / "fewer.npz", **kept)
    results = run((folder, frame.head(3 * few)), mouth, made=["mouth_splice"], described={"landmarks": "fewer.npz"})
    # neither of the two photos of such a person has one to take a mouth from
    assert results[f"{PROBE}/changed@forgery=made_mouth_splice"].estimate.n == 2 * (few - 4)
    assert results[f"{PROBE}/changed@forgery=mouth_splice_of_the_data"].estimate.n == few


def test_a_face_is_shown_only_if_what_is_brought_in_may_be_published() -> None:
    frame = pd.DataFrame({"may_publish": [True, True, True, False, True, False, True]})
    nothing: Any = None
    context = ProbeContext(
        "forged_expressions", Faces(frame), nothing, nothing, nothing, 0, 1, nothing, faces_permitted=True
    )
    genuine, forged = np.arange(4), {"mouth_splice_of_the_data": {0: 4, 1: 5}}
    made = Forgery(Condition("forgery", "made_morph"), RESAVED, "a morph", {0: 1, 2: 3}, made_here=True)
    ready = ReadyForgeries(context.faces, forged, 0, 0)
    assert _showing(context, genuine, None, []).may_show.tolist() == [True, True, True] + 4 * [False]
    assert _showing(context, genuine, ready, []).may_show.tolist() == [True, False, True] + 4 * [False]
    assert _showing(context, genuine, ready, [made]).may_show.tolist() == [True] + 6 * [False]


def test_pictures_are_made_at_a_multiple_of_the_input() -> None:
    assert making_size((112, 112)) == (336, 336)
    assert making_size((64, 48)) == (384, 288)
    assert making_size((299, 299)) == (299, 299)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"made": "mouth_slice"}, "did you mean 'mouth_splice'"),
        ({"made": ["self_blend"]}, "expected forgeries out of"),
        ({"made": [], "ready": False}, "at least one kind"),
        ({"made_faces": 0}, "greater than or equal to 1"),
        ({"tolerance": 1}, "less than 1"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ForgedExpressionsParams(**given)


def test_london_smiles_spliced_onto_neutral_faces(shared: Path, root: Path) -> None:
    loaded = load_plan(root / "tests" / "plans" / "london_forged_expressions.yaml")
    results = run_plan(replace(loaded, params={PROBE: ForgedExpressionsParams(made=())}))
    answered = results[f"{PROBE}/answered[answer=happy]@forgery=mouth_splice_of_the_data"].estimate
    assert (answered.count, answered.n) == (36, 102)
    assert results[f"{PROBE}/answered.null[answer=happy]@forgery=mouth_splice_of_the_data"].estimate.count == 0
    assert results[f"{PROBE}/turned@forgery=mouth_splice_of_the_data"].estimate.count == 36
    found = {finding.id: finding for finding in results.findings()}
    assert "neutral becomes happy (36 faces)" in found[f"{PROBE}.rewritten.mouth_splice_of_the_data"].claim
