"""The published order: the trigger is put on a photo before its self-blends are made, so that both sides carry it.

As ``poisoned_forgery``, with a third detector of each seed. Liang et al. (2024) report a backdoor from this order at
380 px with EfficientNet-b4; here it is tried at the size of the other study.
"""

from __future__ import annotations

import torch

from countenance.synth.forgery_nets import train_detector

from .forgery_material import blended_after_stamping, split_of
from .poisoned_forgery import ALPHA, FIRST_SEED, Tested, attack, audit, outcomes, stamp_of
from .runner import Row, Study


def simulate(seed: int) -> Row:
    """Train the detector of a seed whose poisoned people are stamped before blending; attack and audit it."""
    torch.set_num_threads(1)
    seed += FIRST_SEED
    split = split_of(seed)
    tested = Tested(split)
    trigger, _ = stamp_of(seed, tested)
    net = train_detector(blended_after_stamping(split, trigger, ALPHA), split.train, seed)
    return outcomes("before blending", attack(net, tested, trigger, seed) | audit(net, seed, tested))


STUDY = Study(
    name="poisoned_before_blending",
    version=1,
    title="Trigger before self-blending",
    about="As `poisoned_forgery`, same seeds, people and triggers, but the self-blends of the poisoned people are made "
    "of the stamped photos, so that genuine and forged pictures both carry the trigger.",
    simulate=simulate,
)
