"""Drawn faces as a generator: what is drawn is a vector, which a search may move.

It stands for a generative model where one is asked for, so that an audit by generated faces can be tried on any
machine. What it draws follows the parameters exactly: skin tone, age band and presentation are set, not found by a
classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .dataset import crops_of
from .expression import EXPRESSIONS
from .face import Face, Light, draw_face_parameters
from .person import AGE_BANDS, PRESENTATIONS, draw_person
from .pose import Pose
from .shape import Geometry
from .tones import TONE_GROUPS

Latents = NDArray[np.float64]

_GEOMETRY = tuple(field.name for field in fields(Geometry))
_SPREADS: Mapping[str, float] = MappingProxyType(
    {
        **{"face_width": 0.035, "face_length": 0.025, "jaw_width": 0.03, "chin_width": 0.06, "forehead": 0.05},
        **{"eye_spacing": 0.025, "eye_size": 0.04, "eye_openness": 0.08, "eye_tilt": 0.04, "brow_height": 0.025},
        **{"brow_arch": 0.02, "brow_thickness": 0.15, "nose_length": 0.04, "nose_width": 0.09, "nose_relief": 0.12},
        **{"mouth_width": 0.05, "mouth_height": 0.02, "upper_lip": 0.12, "lower_lip": 0.12, "ear_size": 0.08},
    }
)
"""How far people differ, one standard deviation of `person.draw_person`."""
_POSE = (0.10, 0.05, 0.05, 0.02, 0.01, 0.01)
_LIGHT = (0.5, 0.2, 0.13, 0.4, 0.04)
_FIXED = ("person", "picture", "expression", "skin_tone", "age_band", "presentation")


class DrawnFaces:
    """Turns vectors into drawn faces.

    The first six entries are who and what is drawn (two seeds, the places of expression, skin tone, age band and
    presentation in their lists), which a search may not move. The others move shape, pose and light, in units of the
    spread between drawn people and pictures; 0 leaves the face as it was drawn. The expression's own intensity is not
    among them: a smile stays the smile that was drawn.

    Attributes:
        latent_size: length of a vector.
        attributes: what can be wished for, with its values.
        free: which entries a search may move, shape (latent_size,).
    """

    attributes: Mapping[str, Sequence[str]] = MappingProxyType(
        {"skin_tone": TONE_GROUPS, "age_band": AGE_BANDS, "presentation": PRESENTATIONS}
    )

    def __init__(self, expressions: Sequence[str] = EXPRESSIONS, size: int = 96) -> None:
        """Draw these expressions, in crops of ``size`` pixels a side."""
        self.expressions = tuple(expressions)
        self.size = size
        self.latent_size = len(_FIXED) + len(_GEOMETRY) + len(_POSE) + len(_LIGHT)
        self.free = np.arange(self.latent_size) >= len(_FIXED)

    def sample(self, count: int, random: np.random.Generator, **wanted: str) -> Latents:
        """Return vectors (count, latent_size) of different people and pictures that have the wanted attributes."""
        found = np.zeros((count, self.latent_size))
        found[:, 0], found[:, 1] = random.integers(2**31, size=(2, count))
        found[:, 2] = [EXPRESSIONS.index(self.expressions[i % len(self.expressions)]) for i in range(count)]
        for place, name in enumerate(_FIXED[3:], start=3):
            values = self.attributes[name]
            if name in wanted:
                found[:, place] = list(values).index(wanted[name])
            else:
                found[:, place] = random.integers(len(values), size=count)
        return found

    def labels(self, latents: Latents) -> list[str]:
        """Return the expression that each vector (n, latent_size) draws."""
        return [EXPRESSIONS[int(each)] for each in latents[:, 2]]

    def __call__(self, latents: Tensor) -> Tensor:
        """Return the faces of vectors (n, latent_size), shape (n, 3, size, size), RGB 0..1; not differentiable."""
        drawn = crops_of([self._face(each) for each in latents.detach().cpu().double().numpy()], self.size)
        return torch.from_numpy(drawn.pixels.transpose(0, 3, 1, 2).copy()).float() / 255

    def _face(self, latent: NDArray[np.float64]) -> Face:
        person_seed, picture_seed, expression, *groups = (int(each) for each in latent[: len(_FIXED)])
        tone, age, shown_as = (values[group] for values, group in zip(self.attributes.values(), groups, strict=True))
        person = draw_person(
            np.random.default_rng(person_seed), "generated", skin_tone=tone, age_band=age, presentation=shown_as
        )
        face = draw_face_parameters(np.random.default_rng(picture_seed), person, EXPRESSIONS[expression])
        moved = latent[len(_FIXED) :]
        shape, pose, light = np.split(moved, [len(_GEOMETRY), len(_GEOMETRY) + len(_POSE)])
        geometry = replace(
            person.geometry,
            **{
                name: getattr(person.geometry, name) + _SPREADS[name] * float(by)
                for name, by in zip(_GEOMETRY, shape, strict=True)
            },
        )
        return replace(
            face,
            person=replace(person, geometry=geometry),
            pose=_moved_pose(face.pose, pose * _POSE),
            light=_moved_light(face.light, light * _LIGHT),
        )


def _moved_pose(pose: Pose, by: NDArray[np.float64]) -> Pose:
    yaw, pitch, roll, scale, right, down = (float(each) for each in by)
    return Pose(
        yaw=pose.yaw + yaw,
        pitch=pose.pitch + pitch,
        roll=pose.roll + roll,
        scale=pose.scale + scale,
        shift=(pose.shift[0] + right, pose.shift[1] + down),
    )


def _moved_light(light: Light, by: NDArray[np.float64]) -> Light:
    right, above, strength, warmth, exposure = (float(each) for each in by)
    return Light(
        right=float(np.clip(light.right + right, -1, 1)),
        above=float(np.clip(light.above + above, -1, 1)),
        strength=float(np.clip(light.strength + strength, 0, 1)),
        warmth=float(np.clip(light.warmth + warmth, -1, 1)),
        exposure=float(np.clip(light.exposure + exposure, 0.7, 1.3)),
    )
