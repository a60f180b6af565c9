"""What is in one picture? A person, what the face does, how it is turned and lit, and the background."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .action_units import ActionUnits
from .expression import draw_expression
from .person import Person
from .pose import Pose
from .tones import BACKGROUNDS


@dataclass(frozen=True)
class Light:
    """A far lamp.

    Args:
        right: -1 (from the image left) to 1 (from the right).
        above: -1 (from below) to 1 (from above).
        strength: 0 (flat) to 1 (hard): contrast of light and shadow.
        warmth: -1 (bluish) to 1 (yellowish).
        exposure: factor on brightness.
    """

    right: float = -0.35
    above: float = 0.5
    strength: float = 0.6
    warmth: float = 0.0
    exposure: float = 1.0


@dataclass(frozen=True)
class Face:
    """One drawn picture of a person.

    Args:
        person: who.
        expression: the label, one of `expression.EXPRESSIONS`.
        units: what the face does.
        gaze: (right, down) in parts of the eye's half opening.
        pose: how the head is turned and placed.
        light: the lamp.
        background: index into `tones.BACKGROUNDS`, modulo its length.
        tag: whether a small orange tag is stamped on the lower left corner of the face box (see `tag`).
        noise: standard deviation of the picture's noise, in 0..1.
        noise_seed: its seed.
    """

    person: Person
    expression: str = "neutral"
    units: ActionUnits = field(default_factory=ActionUnits)
    gaze: tuple[float, float] = (0.0, 0.0)
    pose: Pose = field(default_factory=Pose)
    light: Light = field(default_factory=Light)
    background: int = 0
    tag: bool = False
    noise: float = 0.01
    noise_seed: int = 0


def draw_face_parameters(rng: np.random.Generator, person: Person, expression: str, *, tag: bool = False) -> Face:
    """Draw at random how a person is seen showing an expression.

    Args:
        rng: source of chance; the same state gives the same face.
        person: who.
        expression: one of `expression.EXPRESSIONS`.
        tag: whether the tag is stamped on.
    """
    units, gaze = draw_expression(rng, expression, person.expressiveness)
    turn = np.clip(rng.standard_normal(3), -2, 2)
    shift = rng.uniform(-0.015, 0.015, 2)
    return Face(
        person=person,
        expression=expression,
        units=units,
        gaze=gaze,
        pose=Pose(
            yaw=float(0.10 * turn[0]),
            pitch=float(0.05 * turn[1]),
            roll=float(0.05 * turn[2]),
            scale=float(rng.uniform(0.96, 1.03)),
            shift=(float(shift[0]), float(shift[1])),
        ),
        light=Light(
            right=float(rng.uniform(-0.9, 0.9)),
            above=float(rng.uniform(0.15, 0.8)),
            strength=float(rng.uniform(0.4, 0.85)),
            warmth=float(rng.uniform(-0.6, 0.8)),
            exposure=float(rng.uniform(0.93, 1.06)),
        ),
        background=int(rng.integers(len(BACKGROUNDS))),
        tag=tag,
        noise=float(rng.uniform(0.003, 0.010)),
        noise_seed=int(rng.integers(2**31)),
    )
