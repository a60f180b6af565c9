"""One sentence on what the attack did, worded as what it is: an upper bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.probes import ProbeContext, Scores
from ...core.results import Estimate, Finding, Severity
from ...core.statistics.slicing import slice_scores
from .brief import brief
from .ledger import Ledger
from .tiers import TIERS


def in_words(attack: str) -> str:
    """Return an attack's name as a sentence has it."""
    return f"attacks of the {attack} tier" if attack in TIERS else attack


def headline(
    context: ProbeContext,
    ledger: Ledger,
    attack: str,
    eps: list[str],
    failures: Sequence[Finding],
    evidence: Callable[[str, str, str], str],
) -> Finding:
    """Return the finding on accuracy, told at the smallest eps where it is surely below half the clean one.

    It is ``medium`` then; where there is no such eps it is a ``note`` on the largest, since an attack that
    fails proves little.
    """
    clean = _estimate(context, ledger, ledger.clean)
    found = [_estimate(context, ledger, right) for right in ledger.right]
    limit = (clean.value or 0.0) / 2
    halved = [level for level, each in enumerate(found) if each.high is not None and each.high < limit]
    level = halved[0] if halved else len(eps) - 1
    severity: Severity = "medium" if halved else "note"
    noise = _estimate(context, ledger, ledger.under_noise[level])
    caveats = ["Any attack gives an upper bound on robust accuracy; a stronger one may find more."]
    serious = [failure.id.rpartition(".")[2] for failure in failures if failure.severity == "high"]
    if ledger.stopped[level]:
        left = int((ledger.attacked & ~ledger.settled[level]).sum())
        caveats.append(f"The search stopped early, as a gate was decided: {left:,} faces not tried count as standing.")
    if serious:
        caveats.append(f"Signs that the attack itself failed: {', '.join(serious)}.")
    return context.finding(
        "accuracy",
        severity,
        f"At eps {eps[level]} accuracy under {in_words(attack)} was {brief(found[level])} on {len(ledger.rows):,} "
        f"faces, against {brief(clean)} without perturbation and {brief(noise)} under random noise of the same size",
        evidence=[
            evidence("accuracy", attack, eps[level]),
            evidence("accuracy", "none", "0"),
            evidence("accuracy", "noise", eps[level]),
        ],
        caveats=caveats,
    )


def _estimate(context: ProbeContext, ledger: Ledger, right: NDArray[np.bool_]) -> Estimate:
    scores = Scores("accuracy", ledger.rows, right.astype(np.float64), kind="rate", bounds=(0.0, 1.0))
    measured = slice_scores(scores, context.faces.subject_codes, (), context.rules, context.probe_id)
    return measured[0].estimate
