"""Titles and meanings of what explains gaps: groups and labels of the data, gaps at one mix, slices nobody named."""

from __future__ import annotations

from collections.abc import Mapping

_DATA = {
    "nsd": (
        "unevenness of groups (NSD)",
        "normalised standard deviation of the groups' shares of the faces: 0 when all are alike, 1 when one is "
        "everyone; above zero by chance",
    ),
    "nsd.null_even": ("NSD of even chances", "the same when each person has any group with the same chance"),
    "nsd_people": ("unevenness of groups, in people", "NSD of the groups' shares of the people"),
    "nsd_people.null_even": (
        "NSD of even chances, in people",
        "the same when each person has any group with the same chance",
    ),
    "nmi": (
        "labels that go with groups (NMI)",
        "normalised mutual information of group and label: 0 when they have nothing to do with each other, 1 when each "
        "tells the other; above zero by chance",
    ),
    "nmi.null_permuted": ("NMI by chance", "the same when groups are dealt out at random over people"),
    "nmi.p": ("p of the NMI", "share of random groupings of people with at least as large an NMI"),
    "nmi.p_adjusted": ("p of the NMI, adjusted", "the same, adjusted over all attributes"),
    "label_excess": (
        "excess of a label",
        "share of the label among the group's faces less its share among all other faces",
    ),
    "label_excess.p_adjusted": (
        "p of the excess, adjusted",
        "permutation test over people, adjusted over all groups and labels",
    ),
}
_SLICES = {
    "error_rate": ("error rate", "share of the slice's faces on which the model is wrong"),
    "error_rate.others": ("error rate of the others", "share of all other faces on which the model is wrong"),
    "error_excess": (
        "excess of errors",
        "how much more often the model is wrong than on the others, beyond what the labels explain",
    ),
    "error_excess.p": ("p of the excess", "permutation test over people, one-sided"),
    "error_excess.p_adjusted": ("p of the excess, adjusted", "adjusted over the slices that were tested (Holm)"),
    "share_of_errors": ("share of errors", "share of all wrong answers that lie in the slice"),
}
_RATES = {"accuracy": "accuracy", "recall": "recall", "fpr": "FPR", "precision": "precision"}
_REWEIGHTED = {
    "observed": ("observed {}", "on the faces that are compared, with each group's own mix of labels and controls"),
    "reweighted": ("reweighted {}", "if every group had the same mix of labels and controls"),
    "explained": (
        "part of the gap in {} that goes away",
        "largest gap as observed less the same gap at the common mix",
    ),
    "faces_kept": ("faces kept for {}", "share of the faces in cells of label and controls that all groups have"),
}

EXPLAINING_TEXTS: Mapping[str, tuple[str, str]] = {
    **_DATA,
    **_SLICES,
    **{
        f"{rate}.{name}": (title.format(word), meaning)
        for rate, word in _RATES.items()
        for name, (title, meaning) in _REWEIGHTED.items()
    },
}
"""Title and meaning by metric."""
