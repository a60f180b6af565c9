"""Attacks: each looks, within a stated ball around a face, for pixels that change the answer.

An attack is a frozen record of its settings, called with the model's logits as a function, the pixels, the
true classes, the rows (which seed the noise) and eps; see :class:`~.outcome.Attack`.
"""

from .apgd import APGD
from .ball import Ball, L2Ball, LinfBall, Norm, ball
from .fab import FAB
from .fgsm import FGSM
from .objective import answers_right, log_odds
from .outcome import Attack, Attacked, Scorer, TooFewClassesError
from .pgd import PGD, default_step_size
from .square import Square

__all__ = [
    "APGD",
    "FAB",
    "FGSM",
    "PGD",
    "Attack",
    "Attacked",
    "Ball",
    "L2Ball",
    "LinfBall",
    "Norm",
    "Scorer",
    "Square",
    "TooFewClassesError",
    "answers_right",
    "ball",
    "default_step_size",
    "log_odds",
]
