"""White-box attacks: each looks, within a stated ball around a face, for pixels that change the answer.

An attack is a frozen record of its settings, called with the model's logits as a function, the pixels, the
true classes, the rows (which seed the noise) and eps; see :class:`~.outcome.Attack`.
"""

from .ball import LinfBall
from .fgsm import FGSM
from .objective import answers_right, log_odds
from .outcome import Attack, Attacked, Scorer
from .pgd import PGD, default_step_size

__all__ = [
    "FGSM",
    "PGD",
    "Attack",
    "Attacked",
    "LinfBall",
    "Scorer",
    "answers_right",
    "default_step_size",
    "log_odds",
]
