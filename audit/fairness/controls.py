"""Groups compared within the levels of control attributes: the same head pose, the same quality of the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...core.faces import Faces
from ...core.statistics.groups import build_groups


def control_levels(faces: Faces) -> Iterator[tuple[dict[str, str], NDArray[np.int64]]]:
    """Yield each level of each control attribute as a slice, with the positions of its faces."""
    for name, spec in faces.attributes.items():
        if spec.role == "control":
            levels = build_groups(faces.frame[[name]], [name])
            for code, level in enumerate(levels.values):
                yield level, np.flatnonzero(levels.codes == code).astype(np.int64)
