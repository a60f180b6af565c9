"""Landmarks in a wrong frame: such faces are left out and told, and nothing is said of the model from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from planted import SIDE, Outcome, PaintedFaces, run

from countenance.explain.canonical import canonical_face
from countenance.explain.landmark_fit import FOLDED, MISFITS, OUTSIDE, TOO_SMALL, misfits
from countenance.explain.masks import ekman_masks
from countenance.explain.warp import canonical_warp

MASKS = ekman_masks().masks
Mistake = Callable[[np.ndarray], np.ndarray]
MISTAKES: dict[str, tuple[Mistake, str]] = {
    "shares of the picture": (lambda points: points / SIDE, TOO_SMALL),
    "of another part of the picture": (lambda points: points + 3 * SIDE, OUTSIDE),
    "x and y changed over": (lambda points: points[:, ::-1], FOLDED),
}


@dataclass
class Mistaken(PaintedFaces):
    """Painted faces, the landmarks of the first of which are in a wrong frame."""

    mistake: str = ""
    wrong: int = 0

    def _points(self, row: int) -> np.ndarray:
        points = super()._points(row)
        return np.ascontiguousarray(MISTAKES[self.mistake][0](points) if row < self.wrong else points, dtype=np.float32)


def audit(mistake: str, wrong: int, people: int = 40, landmarks: str = "68") -> Outcome:
    painted = [(1, MASKS["happiness"])] * people
    faces = Mistaken(
        painted, np.arange(people), landmarks_kind=landmarks, mistake=mistake, wrong=wrong
    )  # fmt: skip
    return run(faces)


@pytest.mark.parametrize("landmarks", ["5", "68", "478"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_landmarks_in_a_wrong_frame_are_told_and_nothing_of_the_model(mistake: str, landmarks: str) -> None:
    found = audit(mistake, wrong=40, landmarks=landmarks)
    assert found.measurements["faces_without_map[label=happy]"].estimate.value == 40
    overlap = found.measurements["iou[label=happy]"].estimate
    assert overlap.value is None
    assert overlap.reason == "landmarks do not fit 40 of 40 faces"
    finding = found.findings["landmarks"]
    assert finding.severity == "high"
    assert finding.claim.startswith("The landmarks do not fit the faces: 40 of 40 explained faces are left out")
    assert MISTAKES[mistake][1] in finding.claim
    assert finding.evidence == ["global_heatmaps/faces_without_map[label=happy]"]
    assert set(found.findings) == {"landmarks", "left_out.happy"}
    assert not found.scores


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_twentieth_of_the_faces_is_told_and_the_others_are_measured(mistake: str) -> None:
    some, few = audit(mistake, wrong=2), audit(mistake, wrong=1)
    assert some.findings["landmarks"].severity == "high"
    assert "2 of 40 explained faces" in some.findings["landmarks"].claim
    assert "landmarks" not in few.findings
    for found, count in ((some, 38), (few, 39)):
        overlap = found.measurements["iou[label=happy]"].estimate
        assert overlap.n == count
        assert overlap.value is not None
        assert overlap.value > 0.85


def test_more_faces_left_out_than_used_is_no_measurement() -> None:
    assert audit("x and y changed over", wrong=20).measurements["iou[label=happy]"].estimate.value is not None
    reason = audit("x and y changed over", wrong=21).measurements["iou[label=happy]"].estimate.reason
    assert reason == "landmarks do not fit 21 of 40 faces"


@pytest.mark.parametrize("landmarks", ["5", "68", "478"])
def test_faces_whose_landmarks_fit_are_kept(landmarks: str) -> None:
    found = audit("x and y changed over", wrong=0, landmarks=landmarks)
    assert found.measurements["faces_without_map[label=happy]"].estimate.value == 0
    assert "landmarks" not in found.findings


@pytest.mark.parametrize("count", [5, 68, 478])
@pytest.mark.parametrize("degrees", [-30, 0, 30])
@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_tilted_and_small_faces_fit(count: int, degrees: float, scale: float) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (canonical_face(count).points - (112, 137)) * scale @ turn + (112, 112)
    reasons, folded = misfits(canonical_warp(count), points[None], 224, 224)
    assert reasons == [None]
    assert folded.shape == (1,)
    assert 0 <= folded[0] < 0.2


def test_no_face_at_all() -> None:
    reasons, folded = misfits(canonical_warp(68), np.empty((0, 68, 2)), 64, 64)
    assert reasons == []
    assert folded.shape == (0,)
    assert len(MISFITS) == 3
