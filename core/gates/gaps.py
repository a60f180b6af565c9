"""What the one-sided bounds of a difference between groups allow to claim."""

from __future__ import annotations

from ..results import Estimate, Verdict


def gap_verdict(estimate: Estimate, limit: float) -> Verdict:
    """Return the verdict on a difference between groups, whose bounds are one-sided.

    The lower one holds over all questions of the probe at once, so it is not widened. "No difference is larger" is a
    claim about every group, and groups too small to take part block it.
    """
    if estimate.value is None:
        return "not measured"
    if estimate.bound_low is None or estimate.bound_high is None:
        return "inconclusive"
    if estimate.bound_low > limit:
        return "fail"
    return "pass" if estimate.bound_high <= limit and not estimate.groups_left_out else "inconclusive"


def told_gap(
    estimate: Estimate,
    limit: float,
    detectable: Estimate | None,
    tolerance: float | None = None,
    needed: Estimate | None = None,
) -> str:
    """Say what the bounds of a difference between groups allow to claim, and what would have been shown.

    Args:
        estimate: the difference.
        limit: largest difference that is accepted.
        detectable: smallest true difference that would be shown to exceed ``tolerance``; at another limit it is taken
            to be as far above, which is approximate.
        tolerance: what ``detectable`` and ``needed`` were worked out for; the limit unless given.
        needed: independent faces in each group with which a model without a difference would pass.
    """
    verdict = gap_verdict(estimate, limit)
    if verdict == "not measured":
        return f"not measured: {estimate.reason}"
    if estimate.bound_low is None or estimate.bound_high is None:
        return "no bound: the data have no variation to judge by"
    low, high, level = estimate.bound_low, estimate.bound_high, f"{100 * (estimate.level or 0.95):g} %"
    if verdict == "fail":
        return f"above {limit:g}: it is at least {low:.3f} ({level}, all questions of the probe at once)"
    if verdict == "pass":
        return f"no gap above {limit:g}: it is at most {high:.3f} ({level}, n = {estimate.n or 0:,})"
    left = estimate.groups_left_out or 0
    if high <= limit:
        return f"at most {high:.3f} between {estimate.groups} groups, but {too_small(left)}"
    told = f"no gap above {limit:g} could be shown"
    if detectable is not None and detectable.value is not None:
        size = detectable.value + limit - (limit if tolerance is None else tolerance)
        told += f"; {'' if tolerance in (None, limit) else 'about '}{size:.2f} would have been"
    elif detectable is not None:
        told += ", and none of any size would have been for every group"
    told += f"; it may be as large as {high:.3f}"
    if needed is not None and needed.value is not None and limit > 0:
        faces = needed.value * ((limit if tolerance is None else tolerance) / limit) ** 2
        told += (
            f"; a model without any gap would pass with about {float(f'{faces:.2g}'):,.0f} independent faces a group"
        )
    return told


def too_small(groups: int) -> str:
    """Say how many groups are too small to be judged."""
    return f"{'1 group is' if groups == 1 else f'{groups} groups are'} too small to be judged"
