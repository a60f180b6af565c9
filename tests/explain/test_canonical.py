from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from countenance.explain.canonical import canonical_face, mesh_indices, top_indices, with_border
from countenance.explain.landmarks import FACE_OVAL, INDEX, MIRROR, NAMES, to_5, to_68


def test_names_are_68_and_mirror_is_an_involution() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(MIRROR) == 68
    assert [MIRROR[MIRROR[index]] for index in range(68)] == list(range(68))
    assert NAMES[MIRROR[INDEX["right_eye_1"]]] == "left_eye_4"
    assert NAMES[MIRROR[INDEX["outer_lip_1"]]] == "outer_lip_7"


def test_canonical_face_is_its_own_mirror_image() -> None:
    face = canonical_face(68)
    reflected = face.shape[list(MIRROR)] * (-1, 1)
    np.testing.assert_allclose(reflected, face.shape, atol=2e-5)


def test_placement_of_the_eyes() -> None:
    face = canonical_face(68)
    eyes = to_5(face.points)[:2]
    np.testing.assert_allclose(eyes[1] - eyes[0], (81.0, 0.0), atol=1e-2)
    np.testing.assert_allclose(eyes.mean(axis=0), (111.5, 85.3), atol=1e-2)


def test_named_points_are_where_a_face_has_them() -> None:
    face = canonical_face(68)
    right, left = face.point("right_eye_1"), face.point("left_eye_4")
    assert right[0] < left[0], "the right eye is on the left of the picture"
    assert face.point("right_brow_3")[1] < right[1] < face.point("nose_base_3")[1] < face.point("jaw_9")[1]
    with pytest.raises(KeyError, match="jaw_18"):
        face.point("jaw_18")
    with pytest.raises(KeyError, match="478"):
        canonical_face(478).point("jaw_1")


def test_478_points_stand_for_the_68() -> None:
    """Both shapes come from the same faces, so corresponding points lie close together on the canvas."""
    distance = np.linalg.norm(to_68(canonical_face(478).points) - canonical_face(68).points, axis=1)
    assert np.median(distance) < 4
    inner = [INDEX[name] for name in ("right_eye_1", "left_eye_4", "nose_base_3", "outer_lip_1", "outer_lip_7")]
    assert distance[inner].max() < 3.5


def test_face_oval_is_the_boundary_of_the_tessellation(shared: Path) -> None:
    file = shared / "fixtures" / "au_regions" / "canonical_face_tessellation.json"
    edges: dict[tuple[int, int], int] = {}
    for a, b, c in json.loads(file.read_text())["triangles"]:
        for first, second in ((a, b), (b, c), (c, a)):
            edge = (min(first, second), max(first, second))
            edges[edge] = edges.get(edge, 0) + 1
    boundary = {edge for edge, count in edges.items() if count == 1}
    following = FACE_OVAL[1:] + FACE_OVAL[:1]
    assert boundary == {(min(a, b), max(a, b)) for a, b in zip(FACE_OVAL, following, strict=True)}


@pytest.mark.parametrize("count", [68, 478])
def test_border_lies_one_pixel_outside(count: int) -> None:
    points = with_border(canonical_face(count).points, 224, 275)
    top = points[len(mesh_indices(count)) : -4]
    assert len(top) == len(top_indices(count))
    assert (top[:, 1] == -1).all()
    assert sorted(map(tuple, points[-4:])) == [(-1, -1), (-1, 275), (224, -1), (224, 275)]
    assert len(np.unique(np.round(top[:, 0], 6))) == len(top), "two top points coincide"


def test_unknown_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="98"):
        canonical_face(98)
    with pytest.raises(ValueError, match="98"):
        to_68(np.zeros((98, 2)))
    with pytest.raises(ValueError, match="5"):
        top_indices(5)
