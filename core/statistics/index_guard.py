"""Indices of rates whose people stand in several groups: the error that these people make.

Dealing out the pictures of a person anew takes it that a difference between groups is the same for everyone. Where it
is larger in some people than in others, indices of groups that are alike on average vary more than the labellings. So
the same rate is asked again with draws that have the covariance of the groups' values over people, and the more
cautious of the two answers stands, as with gaps (:mod:`.slicing`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .correlated_gaps import normal_draws
from .correlated_values import CorrelatedLimits, correlated_values, influence_on_groups, people_covariance
from .group_tests import GroupValues
from .index_rates import Rate
from .sums import total_at


def guarded(rate: Rate, random: np.random.Generator) -> Rate:
    """Return the rate with the errors that its people make, and draws of groups that are alike on average.

    Where groups vary against each other by more than if they were independent, every error is widened by that.

    Args:
        rate: of people in several groups.
        random: source of the draws, as many as there are labellings.
    """
    x, n, group, person = rate.data.lines()
    value, influence = influence_on_groups(x, n, group, person, rate.groups)
    total = total_at(group, n, rate.groups)
    known = correlated_values(
        value,
        people_covariance(influence),
        total,
        people=rate.data.people,
        faces=rate.data.faces,
        group_people=np.bincount(group, minlength=rate.groups).astype(np.int64),
        people_in_several=rate.data.people_in_several,
        bounds=rate.data.bounds,
        kind="rate",
    )
    limits = CorrelatedLimits(known)
    n_effective = known.n_effective[None, :] / max(1.0, limits.error_ratio) ** 2
    times = len(rate.dealt.value)
    drawn = np.clip(known.common + normal_draws(known.if_equal, times, random), 0, 1)
    drawn[~drawn.any(axis=1)] = known.common  # no error anywhere: an index of it would be 0 over 0
    dealt = GroupValues(
        drawn,
        np.broadcast_to(total, drawn.shape),
        np.broadcast_to(n_effective, drawn.shape),
        np.full((times, 1), known.common * (1 - known.common)),
    )
    return Rate(rate.data, replace(known.observed(), n_effective=n_effective), dealt, limits)
