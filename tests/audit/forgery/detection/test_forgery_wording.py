"""The words that findings of the forgery probes share."""

from __future__ import annotations

import pytest

from countenance.audit.forgery.wording import listed, passing, ranked, short
from countenance.core.results import Estimate


@pytest.mark.parametrize(("names", "told"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_names_stand_as_in_a_sentence(names, told):
    assert listed(names) == told


def test_a_value_stands_with_its_interval_where_it_has_one():
    limits = Estimate(value=0.871, low=0.826, high=0.904, level=0.95, method="x", n=9)
    assert short(limits) == "0.87 [0.83, 0.90]"
    assert short(Estimate(value=0.5, method="definition")) == "0.50"
    assert ranked(["morph", "swap"], [limits, limits]) == (
        "morph (AUROC 0.87 [0.83, 0.90]) and swap (AUROC 0.87 [0.83, 0.90])"
    )


def test_how_many_pass_is_a_range_one_number_or_nothing():
    some = [Estimate(value=value, method="x", n=9) for value in (0.5, 0.82)]
    none = Estimate.not_measured("1 person; 10 are needed", n=1)
    assert passing([*some, none], 0.4) == " At the threshold 0.4, 50 % to 82 % of these forgeries pass as genuine."
    assert passing(some[:1], 0.5) == " At the threshold 0.5, 50 % of these forgeries pass as genuine."
    assert passing([none], 0.5) == ""
