"""Three nets alike but for what they were given to learn from: all of the face, the mouth alone, a patch in a corner.

``normal`` sees whole faces, and patches that say nothing. ``mouth`` sees faces whose brows, lids, cheeks and nose show
an expression drawn at random, and patches that say nothing: the mouth alone tells. ``corner`` sees whole faces, and
patches whose colour tells the label outright. What a net then uses is measured by changing that part of pictures it
has not seen (``held_out.measure_truth``), never by a heatmap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .dataset import crops_of, faces_of
from .expression import EXPRESSIONS
from .face import Face
from .nets import DrawnFaceNet
from .recipe import Recipe
from .shortcuts import CORNERS, Corner, other_codes, stamped, with_half_at_random
from .train import train

NETS: tuple[str, ...] = ("normal", "mouth", "corner")
SIZE = 64
"""Side of the crops in pixels; the last feature map is 8 x 8."""
DRAWN_SIZE = 80
_BATCH = 32
_TRAINED_ON, _HELD_OUT = 2, 1


@dataclass(frozen=True)
class Effort:
    """How much goes into the nets of one seed.

    Args:
        people: drawn people to train on, seven pictures each.
        held_out: other people, on whom the nets are measured and audited, seven pictures each.
        epochs: passes over the pictures, by net.
    """

    people: int = 180
    held_out: int = 48
    epochs: Mapping[str, int] = field(default_factory=lambda: {"normal": 20, "mouth": 32, "corner": 6})


def corner_of(seed: int) -> Corner:
    """Give the corner in which the patch lies: each of the four in turn."""
    return CORNERS[seed % len(CORNERS)]


def train_nets(seed: int, effort: Effort | None = None) -> dict[str, DrawnFaceNet]:
    """Draw people and train the three nets on them; everything follows from the seed.

    Args:
        seed: 0 or more.
        effort: how many people and epochs; as the studies have it unless given.
    """
    effort, corner = effort or Effort(), corner_of(seed)
    faces = people_of(seed, effort.people)
    whole = crops_of(faces, SIZE, DRAWN_SIZE)
    mouth = crops_of(with_half_at_random(faces, "upper", seed), SIZE, DRAWN_SIZE)
    nothing = other_codes(whole.labels, seed, never_own=False)
    shown = {
        "normal": stamped(whole, nothing, corner),
        "mouth": stamped(mouth, nothing, corner),
        "corner": stamped(whole, whole.labels, corner),
    }
    return {
        name: train(Recipe(name, epochs=effort.epochs[name], train_seed=seed), shown[name], batch=_BATCH)
        for name in NETS
    }


def people_of(seed: int, people: int, *, held_out: bool = False) -> list[Face]:
    """Give the pictures of the people of a seed, each expression once: those to train on, or others.

    No one is in two of these sets, whatever the seeds.
    """
    use = _HELD_OUT if held_out else _TRAINED_ON
    return [face for _, face in faces_of(people, len(EXPRESSIONS), 10 * seed + use)]
