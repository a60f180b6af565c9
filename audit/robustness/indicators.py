"""Did the attack itself work? Findings from an attack's own traces.

An attack that fails for a reason of its own looks like a robust model. The signs looked for are those of
Carlini et al. 2019 (arXiv 1902.06705) and Pintor et al. 2022 (arXiv 2106.09947, indicators of attack
failure).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ...core.probes import ProbeContext, Scores
from ...core.results import Finding, Severity
from .black_box import BlackBox
from .ledger import CHECKS, Ledger
from .paired import compare_flips
from .unlimited import Unlimited

TEST_LEVEL = 0.01
"""Chance, over all eps together, of flagging by a test where neither condition is stronger."""
SERIOUS_SHARE = 0.05
"""Share of the attacked faces from which a failed check makes the figures untrustworthy."""
NOT_RISING_SHARE = 0.5
"""Share of the attacked faces that must stand with a loss that never rose before it is told.

One step of FGSM may overshoot on an ordinary model; only a loss that fails to rise for most faces points at
gradients.
"""

_MASKED = "the gradients may be masked (quantised, saturated or cut), and then a low success is no robustness"
_NOT_TRUSTED = "accuracy under this attack is not evidence of robustness"


def check_scores(ledger: Ledger, attack: str, eps: list[str]) -> Iterator[Scores]:
    """Yield the share of attacked faces that each check marks at each eps; overall only."""
    for level, each in enumerate(eps):
        for name in CHECKS:
            marked = ledger.checks[name][level, ledger.attacked]
            condition = {"attack": attack, "eps": each}
            yield _share(f"check.{name}", ledger.rows[ledger.attacked], marked, condition)
    yield _share("check.unstable", ledger.rows, ledger.unstable, {})


def _share(metric: str, rows: NDArray[np.int64], marked: NDArray[np.bool_], condition: dict[str, str]) -> Scores:
    return Scores(
        metric,
        rows,
        marked.astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition=condition,
        by_group=False,
        keep=False,
    )


def find_failures(
    context: ProbeContext,
    ledger: Ledger,
    attack: str,
    eps: list[str],
    unlimited: Unlimited | None,
    black_box: BlackBox | None,
    evidence: Callable[[str, str, str], str],
    *,
    carried: bool,
) -> Iterator[Finding]:
    """Yield a finding for every sign that the attack did not do its work.

    Args:
        context: the probe's context.
        ledger: what happened to every face.
        attack: the attack's name.
        eps: each eps as written, ascending.
        unlimited: the attack without a limit, after the faces; ``None`` where there was none.
        black_box: the search without gradients, after the faces; ``None`` where there was none.
        evidence: makes the measurement key of (metric, attack, eps).
        carried: what a smaller eps flipped counts as flipped by the larger ones.
    """
    subjects = context.faces.subject_codes[ledger.rows]
    yield from _marked(context, ledger, attack, eps, evidence)
    yield from _unstable(context, ledger)
    yield from _weaker_than_noise(context, ledger, subjects, attack, eps, evidence)
    if not carried:
        yield from _not_monotone(context, ledger, subjects, attack, eps, evidence)
    if black_box is not None and black_box.found_more(context.faces.subject_codes):
        yield context.finding(
            "black_box_stronger",
            "high",
            f"Of {len(black_box.tried)} faces that stood up to the search with gradients at eps {eps[-1]}, a search "
            f"that only asks for answers changed {len(black_box.flipped)}: {_MASKED}",
            evidence=[evidence("accuracy", attack, eps[-1])],
            caveats=["Whoever has the gradients can do all that is done without them, and more."],
        )
    if unlimited is not None and unlimited.stood and ledger.classes_answered > 1:
        yield context.finding(
            "withstands_without_limit",
            "high",
            f"{unlimited.stood} of {unlimited.tried} faces that stood up to {attack} were still answered right "
            f"when pgd was allowed any pixel values: {_MASKED}",
            caveats=[
                "Without a limit a face can be turned into any other, and the model answers others otherwise: "
                "there was something to find."
            ],
        )


_CLAIMS: dict[str, tuple[str, str]] = {
    "out_of_bounds": (
        "left the stated bounds (eps, or 0..1)",
        "these faces are counted as standing, since such a perturbation proves nothing",
    ),
    "unchanged": ("gave the face back unchanged", _NOT_TRUSTED),
    "no_answer": (
        "found pixels for which the model gives no answer (NaN or infinite outputs)",
        "these faces are counted as not robust",
    ),
    "no_gradient": ("had no gradient to follow (zero in every pixel, or not finite)", _MASKED),
    "not_rising": ("never raised the loss, and the face stood", _MASKED),
    "unconfirmed": (
        "reported another answer that the returned pixels do not give",
        "these faces are counted as standing; the model may answer at random",
    ),
}


def _marked(
    context: ProbeContext,
    ledger: Ledger,
    attack: str,
    eps: list[str],
    evidence: Callable[[str, str, str], str],
) -> Iterator[Finding]:
    """Yield one finding per failed check, told for the eps where it marks most faces."""
    total = int(ledger.attacked.sum())
    for name, (what, so) in _CLAIMS.items():
        counts = ledger.checks[name].sum(1)
        worst = int(np.argmax(counts))
        count = int(counts[worst])
        if count == 0 or (name == "not_rising" and count < NOT_RISING_SHARE * total):
            continue
        certain = name in ("out_of_bounds", "no_answer")  # one face is a fault, whatever the share
        severity: Severity = "high" if certain or count >= SERIOUS_SHARE * total else "low"
        yield context.finding(
            name,
            severity,
            f"On {count} of {total} attacked faces at eps {eps[worst]}, {attack} {what}: {so}",
            evidence=[
                evidence(f"check.{name}", attack, each) for each, found in zip(eps, counts, strict=True) if found
            ],
        )


def _unstable(context: ProbeContext, ledger: Ledger) -> Iterator[Finding]:
    count = int(ledger.unstable.sum())
    if count:
        yield context.finding(
            "unstable",
            "high",
            f"On {count} of {len(ledger.rows)} faces the model answered differently when asked again, in "
            "another batch: it is random or depends on the batch, and an attack that does not average over "
            "that overstates robustness",
            evidence=[f"{context.probe_id}/check.unstable"],
        )


def _weaker_than_noise(
    context: ProbeContext,
    ledger: Ledger,
    subjects: NDArray[np.int64],
    attack: str,
    eps: list[str],
    evidence: Callable[[str, str, str], str],
) -> Iterator[Finding]:
    found = []
    for level, (known, each) in enumerate(zip(ledger.settled, eps, strict=True)):
        pair = compare_flips(~ledger.right[level, known], ~ledger.under_noise[level, known], subjects[known])
        found.append((pair, each))
    worst, at = min(found, key=lambda item: item[0].p_value)
    adjusted = min(1.0, worst.p_value * len(eps))
    if adjusted <= TEST_LEVEL:
        yield context.finding(
            "weaker_than_noise",
            "high",
            f"At eps {at}, random sign noise changed the answer on {worst.only_second} faces that {attack} "
            f"left standing, {attack} on {worst.only_first} that noise left standing: the attack is weaker "
            f"than noise of the same size, {_NOT_TRUSTED}",
            evidence=[evidence("accuracy", attack, at), evidence("accuracy", "noise", at)],
            p_adjusted=adjusted,
        )


def _not_monotone(
    context: ProbeContext,
    ledger: Ledger,
    subjects: NDArray[np.int64],
    attack: str,
    eps: list[str],
    evidence: Callable[[str, str, str], str],
) -> Iterator[Finding]:
    settled = ledger.settled
    pairs = []
    for level in range(len(eps) - 1):
        known = settled[level] & settled[level + 1]
        pair = compare_flips(~ledger.right[level + 1, known], ~ledger.right[level, known], subjects[known])
        pairs.append((pair, level))
    if not pairs:
        return
    worst, level = min(pairs, key=lambda item: item[0].p_value)
    adjusted = min(1.0, worst.p_value * len(pairs))
    if adjusted <= TEST_LEVEL:
        small, large = eps[level], eps[level + 1]
        yield context.finding(
            "not_monotone",
            "medium",
            f"{attack} changed {worst.only_second} answers at eps {small} that it left standing at eps "
            f"{large}, and {worst.only_first} the other way round: what works at the smaller eps is allowed "
            "at the larger, so the search there is too weak (more steps, smaller steps, more restarts)",
            evidence=[evidence("accuracy", attack, small), evidence("accuracy", attack, large)],
            p_adjusted=adjusted,
        )
