"""Which action units make an expression?

The prototypes are those of EMFACS as several public repositories quote them, and the code book of Belharbi et
al. (FG 2024, arXiv 2402.00281), after Martinez et al. (2019). They are hypotheses about how posed expressions
look, not ground truth about what anybody feels (Barrett et al. 2019, doi:10.1177/1529100619832930).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..core.errors import UsageError
from .action_units import ActionUnits

EXPRESSIONS: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")


@dataclass(frozen=True)
class Prototype:
    """One way of showing an expression: (low, high) intensity per action unit, and how often it is chosen."""

    weight: float
    units: Mapping[int, tuple[float, float]]
    gaze: tuple[float, float] = (0.0, 0.0)


PROTOTYPES: Mapping[str, tuple[Prototype, ...]] = MappingProxyType(
    {
        "neutral": (Prototype(1.0, {}),),
        "happy": (
            Prototype(0.70, {6: (0.5, 1.0), 12: (0.7, 1.0), 25: (0.7, 1.0)}),
            Prototype(0.15, {6: (0.6, 1.0), 12: (0.8, 1.0), 25: (0.8, 1.0), 26: (0.2, 0.6)}),
            Prototype(0.15, {6: (0.5, 1.0), 12: (0.75, 1.0)}),
        ),
        "sad": (
            Prototype(0.6, {1: (0.75, 1.0), 4: (0.6, 1.0), 15: (0.7, 1.0), 17: (0.3, 0.8)}, (0.0, 0.3)),
            Prototype(
                0.4,
                {1: (0.75, 1.0), 4: (0.6, 1.0), 6: (0.2, 0.5), 15: (0.7, 1.0), 17: (0.4, 0.9)},
                (0.0, 0.4),
            ),
        ),
        "angry": (
            Prototype(
                0.6,
                {4: (0.8, 1.0), 5: (0.4, 0.8), 7: (0.5, 1.0), 17: (0.2, 0.5), 23: (0.6, 1.0), 24: (0.3, 0.9)},
            ),
            Prototype(
                0.4,
                {
                    **{4: (0.8, 1.0), 5: (0.4, 0.8), 7: (0.4, 0.9), 10: (0.3, 0.6)},
                    **{16: (0.3, 0.7), 23: (0.3, 0.6), 25: (0.7, 1.0)},
                },
            ),
        ),
        "fearful": (
            Prototype(
                1.0,
                {
                    **{1: (0.8, 1.0), 2: (0.3, 0.6), 4: (0.5, 0.9), 5: (0.7, 1.0), 7: (0.0, 0.2)},
                    **{20: (0.6, 1.0), 25: (0.5, 1.0), 26: (0.2, 0.5)},
                },
            ),
        ),
        "disgusted": (
            Prototype(
                0.5,
                {
                    4: (0.3, 0.6),
                    7: (0.5, 0.9),
                    9: (0.75, 1.0),
                    10: (0.6, 1.0),
                    15: (0.4, 0.8),
                    17: (0.5, 1.0),
                },
            ),
            Prototype(
                0.5,
                {
                    4: (0.3, 0.6),
                    7: (0.5, 0.9),
                    9: (0.75, 1.0),
                    10: (0.7, 1.0),
                    16: (0.4, 0.8),
                    25: (0.5, 0.9),
                },
            ),
        ),
        "surprised": (
            Prototype(0.4, {1: (0.8, 1.0), 2: (0.8, 1.0), 5: (0.6, 1.0), 25: (0.5, 0.8), 26: (0.8, 1.0)}),
            Prototype(0.6, {1: (0.8, 1.0), 2: (0.8, 1.0), 5: (0.6, 1.0), 25: (0.2, 0.5), 27: (0.6, 1.0)}),
        ),
    }
)


def draw_expression(
    rng: np.random.Generator, expression: str, strength: float = 1.0
) -> tuple[ActionUnits, tuple[float, float]]:
    """Draw intensities for an expression, with the variation between one showing and the next.

    Args:
        rng: source of chance.
        expression: one of `EXPRESSIONS`.
        strength: factor on every intensity of the prototype, 0 and up; results are kept within 0 to 1.

    Returns:
        The action units (small stray movements included, so that neutral is not one single face) and the gaze
        (right, down) in parts of the eye's half opening.
    """
    if expression not in PROTOTYPES:
        raise UsageError(f"Expected an expression of {', '.join(EXPRESSIONS)}, but got {expression!r}.")
    choices = PROTOTYPES[expression]
    weights = np.array([choice.weight for choice in choices])
    prototype = choices[int(rng.choice(len(choices), p=weights / weights.sum()))]
    units = {
        unit: float(np.clip(strength * rng.uniform(low, high), 0, 1)) for unit, (low, high) in prototype.units.items()
    }
    for unit in (1, 2, 4, 7, 12, 15, 17, 24):  # nobody's face rests quite still
        if unit not in units:
            units[unit] = float(max(0.0, rng.normal(0.0, 0.05)))
    asymmetry = float(np.clip(rng.normal(0.0, 0.06), -0.2, 0.2))
    gaze = np.array(prototype.gaze) + rng.normal(0.0, 0.06, 2)
    return ActionUnits(units, asymmetry), (float(gaze[0]), float(gaze[1]))
