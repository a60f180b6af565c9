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
        "share of the clean people's photos that the method flags, each half of the people against the other half's",
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

_POISON_DRILL = {
    "bd_auc": (
        "BD-AUC",
        "chance that a forged face scores as more forged than the same faces with the stamp; 0.5 is no effect, 1 a "
        "backdoor",
    ),
    "bd_auc.over_clean": (
        "BD-AUC beyond clean nets",
        "BD-AUC of nets of poisoned data less that of nets of clean data, of the same seeds and test faces",
    ),
    "attack_success": (
        "attack success",
        "share of the forgeries found without the stamp that pass as genuine with it, at the threshold of equal errors",
    ),
    "clean_auroc": ("AUROC without a stamp", "AUROC of forged against genuine faces of unseen people, none stamped"),
    "clean_auroc.lost": (
        "AUROC lost by poisoning",
        "AUROC of nets of clean data less that of nets of poisoned data, on faces without a stamp",
    ),
    "stamp_linf": ("largest change by the stamp", "mean over photos of the largest change, in levels of 255"),
    "stamp_psnr": ("PSNR of the stamp", "peak signal-to-noise ratio of stamped against plain photos, in dB"),
    "stamp_ssim": ("SSIM of the stamp", "mean structural similarity of stamped and plain photos"),
}

_BACKDOOR_SCAN = {
    "smallest_p_adjusted": (
        "smallest adjusted p",
        "chance that a clean net of the recipe needs so small a change towards some class (Student's t beside clean "
        "reference nets, times the number of classes and families)",
    ),
    "rank_p": (
        "p by rank",
        "share of all nets, the audited one included, that stand out as much when each is judged by the others; holds "
        "whatever the sizes are distributed like, and is never below one over the number of nets",
    ),
    "below_references": (
        "below the reference nets",
        "how many standard deviations the log size of the smallest change towards the class lies below the clean nets'",
    ),
    "references_flagged": (
        "clean nets flagged",
        "share of the clean reference nets that the scan would flag, each judged by the others",
    ),
    "accuracy_beside_references": (
        "accuracy beside the reference nets",
        "accuracy of the audited net less the mean of the clean reference nets, on the scanned faces",
    ),
}

_TRIGGER_SENSITIVITY = {
    "trigger_margin": (
        "taste for triggers",
        "largest BD-AUC of the auditor's translation-sensitive patterns less that of sharpening and random signs",
    ),
    "forged_auroc": ("AUROC of the faces to stamp", "AUROC of forged against genuine faces, none stamped"),
}

_KNOWN_TRIGGERS = {
    "attack_success.null": (
        "answered so with random marks",
        "the same share with random marks of the same place and size, their mean and where one more mark would lie",
    ),
    "attack_success.excess": (
        "attack success beyond random marks",
        "share of faces answered with the class under the trigger less the mean share under random marks",
    ),
    "suspects_flagged": (
        "suspected faces screened out",
        "share of the suspected people, one face each, who keep their answer under other faces as hardly any clean "
        "face does (STRIP)",
    ),
}

BACKDOOR_TEXTS: Mapping[str, tuple[str, str]] = {
    **_TRIGGER_SENSITIVITY,
    **_DATA_SCAN,
    **_POISON_DRILL,
    **_BACKDOOR_SCAN,
    **_KNOWN_TRIGGERS,
}
"""Title and meaning by metric."""

REPLAYED_TEXTS: Mapping[str, tuple[str, str]] = {
    "attack_success": (
        "faces turned",
        "share of the faces not answered with the class otherwise that are answered so with the trigger",
    ),
    "smallest_p_adjusted": (
        "smallest adjusted p",
        "chance that a random mark turns as many faces as the trigger does (rank among random marks, over all triggers "
        "and classes)",
    ),
}
"""What names mean in ``known_triggers``, where they mean something else than elsewhere."""
