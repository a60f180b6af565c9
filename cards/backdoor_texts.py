"""Titles and meanings of what probes of triggers, poisoned data and backdoored weights measure."""

from __future__ import annotations

from collections.abc import Mapping

BACKDOOR_CONDITION_NAMES: Mapping[str, Mapping[str, str]] = {}
"""What is done to faces, by kind and name, where the name with spaces for underscores would not do."""

_DATA_SCAN = {
    "fine_detail": (
        "fine detail in the face",
        "median over the face of how much a pixel differs from its neighbours, over its brightness",
    ),
    "flagged": ("images flagged", "share of the scanned images that the method flags as possibly poisoned"),
    "false_alarms": (
        "false alarms",
        "share of the photos named as clean that the method flags, each against those of other people",
    ),
    "stamped_found": ("stamped images found", "share of images that the audit stamped itself which the method flags"),
    "stamped_auroc": (
        "AUROC of stamped images",
        "chance that the method's score is higher for an image that the audit stamped itself than for a plain one",
    ),
    "flags_right_at_most": (
        "flags right at most",
        "share of flags that would be right at the assumed poisoned share, were every poisoned image flagged",
    ),
    "flags_right": (
        "flags expected to be right",
        "share of flags that would be right at the assumed poisoned share and the power measured on own stamps",
    ),
    "flags_beyond_chance.p": (
        "p-value of so many flags",
        "chance of as many flags, or of clusters as far apart, in clean data; over all methods (Bonferroni)",
    ),
}

BACKDOOR_TEXTS: Mapping[str, tuple[str, str]] = {**_DATA_SCAN}
"""Title and meaning by metric."""
