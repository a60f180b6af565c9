from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from countenance.explain.canonical import canonical_face
from countenance.explain.face_drawing import face_lines, face_region
from countenance.explain.landmarks import NAMES
from countenance.explain.mask_picture import masks_svg


def test_lines_go_through_the_landmarks() -> None:
    drawn = np.concatenate(face_lines())
    for point in canonical_face(68).points:
        assert np.linalg.norm(drawn - point, axis=1).min() < 1e-6


def test_region_holds_the_face() -> None:
    region, face = face_region(), canonical_face(68)
    for name, (x, y) in zip(NAMES, face.points, strict=True):
        if not name.startswith("jaw"):
            assert region[round(y), round(x)], name
    assert region[0, 112]
    assert not region[0, 0]
    assert not region[270, 5]
    assert 0.6 < region.mean() < 0.8


def test_picture_in_the_docs_is_the_drawing(root: Path) -> None:
    svg = (root / "docs" / "images" / "ekman-masks.svg").read_text(encoding="utf-8")
    assert svg == masks_svg()
    assert len(ElementTree.fromstring(svg).findall(".//{*}g/{*}text")) == 6
