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
from countenance.audit.forgery.forged_expressions import choosing, made
from countenance.audit.forgery.forged_expressions.choosing import Candidates
from countenance.audit.forgery.forged_expressions.forgeries import RESAVED, Forgery
from countenance.audit.forgery.forged_expressions.made import making_size
from countenance.audit.forgery.forged_expressions.params import ForgedExpressionsParams
from countenance.audit.forgery.forged_expressions.probe import _showing
from countenance.audit.forgery.forged_expressions.ready import ReadyForgeries
from countenance.audit.forgery.forged_expressions.turning import by_exchange
from countenance.audit.forgery.making import ForgeryError
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
            if name == "happy":  # nor are the eyes, or there would be nothing to splice
                low, high = points[36:48].min(0).astype(int), points[36:48].max(0).astype(int)
                picture[low[1] : high[1] : 2, low[0] : high[0]] //= 2
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
    assert value(results, "turned.control@forgery=mouth_splice_of_the_data") == 0
    # everyone was given a happy mouth: to exchange the donors would change nothing
    assert "same expression" in (results[f"{PROBE}/turned.null@forgery=mouth_splice_of_the_data"].estimate.reason or "")
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
    assert "merely saved once more" in told.claim
    assert any("not known" in caveat for caveat in told.caveats)
    made_here = found[f"{PROBE}.rewritten.made_mouth_splice"]
    assert "another mouth with the same expression, by the same steps" in made_here.claim
    assert any("somebody else" in caveat for caveat in made_here.caveats)  # nobody has two happy photos
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
    assert [finding.id for finding in results.probes[0].findings] == [f"{PROBE}.no_more"]


def test_swaps_and_morphs_bring_in_another_expression_where_there_is_one(data: tuple[Path, pd.DataFrame]) -> None:
    results = run(data, mouth, made=["face_swap_feather", "morph"], ready=False, made_faces=20)
    assert value(results, "turned@forgery=made_face_swap_feather") > 0.9
    assert value(results, "turned.control@forgery=made_face_swap_feather") < 0.1
    assert value(results, "changed.null@forgery=made_face_swap_feather") < 0.1
    assert results[f"{PROBE}/turned@forgery=made_face_swap_feather"].estimate.n == 20
    assert not [item for item in results.measurements() if item.condition.get("forgery") == "mouth_splice_of_the_data"]


def _colours(pixels: Tensor) -> Tensor:
    """Above 0 where mouth and corner have different colours, whichever they are."""
    return -10 * mouth(pixels) * corner(pixels)


def test_a_model_that_sees_the_seams_is_not_said_to_read_the_expression(
    data: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    """Any mouth of somebody else, with whatever expression, changes the answer: the control must show it.

    Mouth and corner of a photo have one colour where it is labelled neutral, and two where it is labelled happy. People
    of the same pair have the opposite colours, and share the one group that decides whose mouth the control takes.
    """
    folder, _ = data
    kept = dict(np.load(folder / "landmarks.npz"))
    lines, landmarks = [], {}
    for person in range(40):
        source = folder / f"{2 * (person // 2)}_neutral.png"  # both of a pair look alike
        points = kept[source.stem]
        first, second = (RED, BLUE) if person % 2 else (BLUE, RED)
        for label, lips in (("neutral", first), ("happy", second)):
            picture = paint(np.asarray(Image.open(source)), points, lips)
            picture[:14, :14] = first
            name = f"{person}_{label}"
            Image.fromarray(picture).save(tmp_path / f"{name}.png")
            landmarks[name] = points
            lines.append([f"{name}.png", label, f"p{person}", f"pair{person // 2}"])
    np.savez(tmp_path / "landmarks.npz", **landmarks)
    seen = pd.DataFrame(lines, columns=["path", "label", "subject", "kind"])
    results = run((tmp_path, seen), _colours, described={"forgeries": None}, made="mouth_splice")
    assert value(results, "changed@forgery=made_mouth_splice") > 0.9
    assert value(results, "changed@forgery=own_mouth_splice") > 0.9
    assert value(results, "turned.control@forgery=made_mouth_splice") > 0.9
    assert [finding.id for finding in results.probes[0].findings] == [f"{PROBE}.no_more"]


def _candidates(labels: list[int], answers: list[int], people: list[int]) -> Candidates:
    count = len(labels)
    return Candidates(
        rows=10 * np.arange(count),
        people=np.array(people),
        groups=np.zeros((count, 0), dtype=np.int64),
        looks=np.arange(count, dtype=np.float64)[:, None],
        landmarks=np.zeros((count, 68, 2), dtype=np.float32),
        labels=np.array(labels),
        answers=np.array(answers),
        unusable={},
    )


def test_whose_photo_a_control_takes() -> None:
    #                     face, donor, donor's other, stranger's, own second photo
    pool = _candidates([0, 1, 0, 0, 0], [0, 1, 0, 0, 0], people=[0, 1, 1, 2, 0])
    assert pool.controls("morph", {0: 10}) == {0: 20}  # of the same donor
    assert pool.controls("mouth_splice", {0: 40}) == {0: 20}  # not what the forgery brings in, but who is alike
    own = _candidates([0, 1, 0, 0, 0], [0, 1, 0, 0, 0], people=[0, 0, 1, 2, 0])
    assert own.controls("mouth_splice", {0: 10}) == {0: 40}  # of the same person
    answered = _candidates([0, 1, 0, 0], [0, 1, 1, 0], people=[0, 1, 1, 2])
    assert answered.controls("morph", {0: 10}) == {0: 30}  # labelled alike is not enough: the answer decides, too
    assert _candidates([0, 1, 0], [0, 1, 0], people=[0, 1, 0]).controls("morph", {0: 10}) == {}  # nobody else


def test_without_photos_of_the_same_expression_the_control_is_said_to_hold_the_saving(
    data: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Candidates, "controls", lambda *_: {})
    results = run(data, mouth, made="mouth_splice", made_faces=24, ready=False)
    told = {finding.id: finding for finding in results.findings()}[f"{PROBE}.rewritten.made_mouth_splice"]
    assert "when the genuine photo is merely saved once more" in told.claim
    assert any("holds the saving alone" in caveat for caveat in told.caveats)
    conditions = {item.condition.get("forgery") for item in results.measurements()}
    assert "resaved" in conditions
    assert "own_mouth_splice" not in conditions


def test_donors_are_exchanged_among_faces_of_the_same_answer() -> None:
    random = np.random.default_rng(0)
    before = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    stated, after = random.integers(2, 4, 9), random.integers(0, 4, 9)
    chance, known = by_exchange(before, stated, after)
    total, count = np.zeros(9), 20_000
    for _ in range(count):
        dealt = np.concatenate([random.permutation(stated[:5]), random.permutation(stated[5:])])
        total += dealt == after
    assert known.tolist() == 5 * [len(set(stated[:5])) > 1] + 4 * [len(set(stated[5:])) > 1]
    assert chance == pytest.approx(total / count, abs=0.02)
    _, told = by_exchange(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 2]), np.zeros(4, dtype=np.int64))
    assert told.tolist() == [False, False, True, True]


def test_forgeries_that_cannot_be_made_are_counted(
    data: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd_look(photo: Any, look: Any = choosing.look_of) -> Any:
        looked_at.append(photo)
        if len(looked_at) <= 2:
            raise ForgeryError("an odd face")
        return look(photo)

    def odd_forge(name: str, photo: Any, partner: Any, random: Any, *, must_change: bool) -> Any:
        forged.append(photo)
        if len(forged) == 1:
            raise ForgeryError("an odd outline")
        return forge(name, photo, partner, random, must_change=must_change)

    forge = made.forge
    looked_at: list[Any] = []
    forged: list[Any] = []
    monkeypatch.setattr(choosing, "look_of", odd_look)
    monkeypatch.setattr(made, "forge", odd_forge)
    folder, frame = data
    results = run((folder, frame.head(75)), mouth, made="face_swap_feather", ready=False)
    notes = " ".join(results.probes[0].notes)
    assert "No forgery could be made of 2 genuine faces, nor with them: an odd face" in notes
    assert "1 forgeries could not be made: an odd outline" in notes
    assert results[f"{PROBE}/changed@forgery=made_face_swap_feather"].estimate.n == 50 - 2 - 1


def test_a_column_that_makes_groups_tells_nothing_of_forgeries(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    genuine = frame[frame["method"] == "none"].assign(method=["a", "b"] * PEOPLE).reset_index(drop=True)
    described = {"forgeries": None, "attributes": {"method": {"assigned_by": "annotator", "of": "image"}}}
    results = run((folder, genuine), mouth, made="mouth_splice", made_faces=24, described=described)
    assert results[f"{PROBE}/changed@forgery=made_mouth_splice"].estimate.n == 24
    assert not [item for item in results.measurements() if "of_the_data" in item.condition.get("forgery", "")]


def test_what_a_donor_with_several_expressions_brought_in_is_not_guessed(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    spliced = frame["method"] == "mouth_splice"
    other = "p" + ((frame["subject"].str[1:].astype(int) + 1) % PEOPLE).astype(str)
    swapped = frame.assign(donor=np.where(spliced, other, ""), method=np.where(spliced, "faceswap", "none"))
    results = run((folder, swapped), mouth, made=[])
    assert "several expressions" in (results[f"{PROBE}/turned@forgery=faceswap_of_the_data"].estimate.reason or "")


def test_donors_need_not_be_among_the_faces_asked_about(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    unlabelled = frame.assign(label=np.where(frame["label"] == "happy", "", frame["label"]))  # and so not asked about
    results = run((folder, unlabelled), mouth, made=[])
    assert results[f"{PROBE}/turned@forgery=mouth_splice_of_the_data"].estimate.n == PEOPLE


def test_files_that_are_saved_otherwise_are_told_of(data: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    folder, frame = data
    few = frame.head(3 * 30).copy()
    for at, path in few["path"].items():
        picture = Image.open(folder / path)
        worse = few.loc[at, "method"] != "none" and few.loc[at, "kind"] == "odd"
        few.loc[at, "path"] = path.replace(".png", ".jpg")
        picture.save(tmp_path / few.loc[at, "path"], quality=60 if worse else 90)
    results = run((tmp_path, few), mouth, made=[], described={"landmarks": None})
    told = {finding.id: finding for finding in results.findings()}[f"{PROBE}.rewritten.mouth_splice_of_the_data"]
    assert any("The files of 15 of these 30 forgeries have another" in caveat for caveat in told.caveats)


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
    turned = results[f"{PROBE}/turned@forgery=mouth_splice_of_the_data"].estimate
    assert turned.value is None
    assert "the donor is not named" in (turned.reason or "")


def test_faces_without_landmarks_are_counted(data: tuple[Path, pd.DataFrame]) -> None:
    folder, frame = data
    few = 20
    kept = dict(np.load(folder / "landmarks.npz"))
    for person in range(4):
        del kept[f"{person}_neutral"]
    np.savez(folder / "fewer.npz", **kept)
    results = run((folder, frame.head(3 * few)), mouth, made=["mouth_splice"], described={"landmarks": "fewer.npz"})
    notes = " ".join(results.probes[0].notes)
    assert "No forgery could be made of 4 genuine faces, nor with them: expected landmarks that are numbers" in notes
    assert "The mouth of another photo of the same person: 8 of 40 faces have no photo to be forged with" in notes
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
    made = Forgery(Condition("forgery", "made_morph"), RESAVED, "a morph", "saved", {0: 1, 2: 3}, made_here=True)
    ready = ReadyForgeries(context.faces, forged, {}, 0, 0)
    assert _showing(context, genuine, None, []).may_show.tolist() == [True, True, True] + 4 * [False]
    assert _showing(context, genuine, ready, []).may_show.tolist() == [True, False, True] + 4 * [False]
    of_donors = replace(ready, donors={4: [2, 3]})  # a photo of whom it shows may not be published
    assert not _showing(context, genuine, of_donors, []).may_show[0]
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
