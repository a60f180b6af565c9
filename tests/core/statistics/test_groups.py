from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from countenance.core.errors import UsageError
from countenance.core.statistics.groups import MISSING, build_groups, plan_groups

FRAME = pd.DataFrame(
    {
        "gender": ["male", "female", "female", None, "male", "female"],
        "age": ["30 to 45", "5 to 30", "5 to 30", "100 to 200", "5 to 30", "30 to 45"],
    }
)


def test_one_attribute():
    groups = build_groups(FRAME, ["gender"])
    assert groups.name == "gender"
    assert groups.attributes == ("gender",)
    assert groups.values == [{"gender": "female"}, {"gender": "male"}, {"gender": MISSING}]
    assert groups.codes.tolist() == [1, 0, 0, 2, 1, 0]


def test_bins_stand_in_the_order_of_their_numbers():
    assert [value["age"] for value in build_groups(FRAME, ["age"]).values] == ["5 to 30", "30 to 45", "100 to 200"]


def test_intersections_list_only_what_occurs_and_sort_the_names():
    groups = build_groups(FRAME, ["gender", "age"])
    assert groups.name == "age&gender"
    assert groups.values == [
        {"age": "5 to 30", "gender": "female"},
        {"age": "5 to 30", "gender": "male"},
        {"age": "30 to 45", "gender": "female"},
        {"age": "30 to 45", "gender": "male"},
        {"age": "100 to 200", "gender": MISSING},
    ]
    for face, code in enumerate(groups.codes):
        stated = FRAME.loc[face].fillna(MISSING)
        assert groups.values[code] == {"age": stated["age"], "gender": stated["gender"]}


def test_categories_keep_their_order_and_missing_comes_last():
    column = pd.Categorical(["dark", None, "light"], categories=["light", "medium", "dark"], ordered=True)
    groups = build_groups({"tone": pd.Series(column)}, ["tone"])
    assert groups.values == [{"tone": "light"}, {"tone": "dark"}, {"tone": MISSING}]
    assert groups.codes.tolist() == [1, 2, 0]


def test_a_missing_value_written_out_is_the_same_group():
    groups = build_groups({"tone": ["light", MISSING, None, "dark"]}, ["tone"])
    assert groups.values == [{"tone": "dark"}, {"tone": "light"}, {"tone": MISSING}]
    assert groups.codes.tolist() == [1, 2, 2, 0]


def test_numbers_and_text_may_stand_in_one_column():
    assert [value["a"] for value in build_groups({"a": ["10", 9, "x", ""]}, ["a"]).values] == ["", "9", "10", "x"]


def test_no_faces_make_no_groups():
    groups = build_groups({"a": [], "b": []}, ["a", "b"])
    assert len(groups) == 0
    assert groups.codes.shape == (0,)


def test_planned_groups_come_once_each():
    planned = plan_groups(FRAME, ["gender", "age"], [["gender", "age"], ["age", "gender"]])
    assert [groups.name for groups in planned] == ["gender", "age", "age&gender"]


def test_unknown_and_repeated_attributes_are_refused():
    with pytest.raises(UsageError, match="'gendr'; did you mean 'gender'"):
        build_groups(FRAME, ["gendr"])
    with pytest.raises(UsageError, match="one or more different attributes"):
        build_groups(FRAME, ["age", "age"])
    with pytest.raises(UsageError, match="one or more different attributes"):
        build_groups(FRAME, [])


def test_codes_divide_the_faces():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 4, 200).astype(str) for name in "abc"})
    groups = build_groups(frame, ["c", "a", "b"])
    expected = frame.groupby(["a", "b", "c"]).ngroup().to_numpy()
    assert (groups.codes == expected).all()
