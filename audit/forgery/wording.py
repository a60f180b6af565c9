"""Words that findings of the forgery probes share: lists of names with their AUROC, and how many forgeries pass."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.results import Estimate


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: ``a``, ``a and b``, ``a, b and c``.

    Args:
        names: one or more.
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def short(estimate: Estimate) -> str:
    """Return a measured value with two digits, and its interval where it has one: ``0.87 [0.83, 0.90]``."""
    text = f"{estimate.value:.2f}"
    return text if estimate.low is None else f"{text} [{estimate.low:.2f}, {estimate.high:.2f}]"


def ranked(names: Sequence[str], aurocs: Sequence[Estimate]) -> str:
    """Return names as in a sentence, each with its AUROC: ``morph (AUROC 0.87 [0.83, 0.90]) and swap (AUROC …)``.

    Args:
        names: one or more.
        aurocs: measured, one for each name.
    """
    return listed([f"{name} (AUROC {short(each)})" for name, each in zip(names, aurocs, strict=True)])


def passing(apcers: Sequence[Estimate], threshold: float) -> str:
    """Return a sentence, after a space, that says how many forgeries pass; empty where that was not measured.

    Args:
        apcers: share of forgeries of each kind that are called genuine, those not measured too.
        threshold: probability of a forgery from which on a face is called forged.
    """
    rates = [each.value for each in apcers if each.value is not None]
    if not rates:
        return ""
    least, most = (f"{100 * rate:.0f} %" for rate in (min(rates), max(rates)))
    share = least if least == most else f"{least} to {most}"
    return f" At the threshold {threshold:g}, {share} of these forgeries pass as genuine."
