from __future__ import annotations

import random
import string

import pytest

from countenance.core.errors import UsageError
from countenance.core.keys import PROBE_ID, escape, format_key, format_pairs, parse_key, parse_pairs

HOSTILE = [
    "",
    "a",
    "female",
    "a=b",
    "a,b",
    "[x]",
    "@",
    "%",
    "%2C",
    "%25",
    "*",
    "/",
    "a/b",
    " ",
    "\n",
    "\t\x00\x7f",
    "é",
    "日本",
    "😀",
    "\u2028",
    "8/255",
    "(missing)",
    "25 to 30",
    "<script>",
    "+",
    "&",
    "a&b",
]


def test_the_examples_of_the_documentation() -> None:
    assert format_key("performance", "accuracy") == "performance/accuracy"
    written = format_key("group_metrics", "recall", {"label": "happy", "gender": "female"})
    assert written == "group_metrics/recall[gender=female,label=happy]"
    assert format_key("pgd", "accuracy", {"gender": "female"}, {"eps": "8/255"}) == (
        "pgd/accuracy[gender=female]@eps=8/255"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_key_comes_back_whole_whatever_the_groups_are_called(name: str) -> None:
    for value in HOSTILE:
        pairs = {name: value, "z": name}
        key = parse_key(format_key("probe", "metric", pairs, {value: name}))
        assert (key.probe, key.metric) == ("probe", "metric")
        assert key.slice == pairs
        assert key.condition == {value: name}


@pytest.mark.parametrize("metric", [name for name in HOSTILE if name])
def test_a_metric_comes_back_whole(metric: str) -> None:
    assert parse_key(format_key("p", metric, {"a": "b"})).metric == metric


def test_different_places_have_different_keys() -> None:
    """Drawn from an alphabet of nothing but the characters that carry meaning."""
    draw = random.Random(1)
    places: set[tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]] = set()
    for _ in range(4000):
        halves = []
        for _ in range(2):
            names = ["".join(draw.choices("%=,@[]*a2C", k=draw.randrange(3))) for _ in range(draw.randrange(3))]
            values = ["".join(draw.choices("%=,@[]*a2C", k=draw.randrange(3))) for _ in names]
            halves.append(tuple(sorted(dict(zip(names, values, strict=True)).items())))
        places.add((halves[0], halves[1]))
    keys = {format_key("p", "m", dict(cut), dict(condition)) for cut, condition in places}
    assert len(keys) == len(places) > 1000


def test_the_order_of_the_pairs_does_not_matter() -> None:
    assert format_pairs({"b": "1", "a": "2"}) == format_pairs({"a": "2", "b": "1"}) == "a=2,b=1"


def test_plain_text_stays_readable() -> None:
    plain = string.ascii_letters + string.digits + " ._-+()/&:;éß"
    assert escape(plain) == plain


@pytest.mark.parametrize(
    "text", ["", "performance", "/accuracy", "p/", "p/a[b=c", "p/a]b", "p/a[b=c]x", "p/a[b]", "p/a@b"]
)
def test_text_that_is_no_key_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"performance/accuracy|name=value"):
        parse_key(text)


def test_pairs_without_an_equals_sign_are_refused() -> None:
    assert parse_pairs("") == {}
    with pytest.raises(UsageError, match="name=value"):
        parse_pairs("gender")


@pytest.mark.parametrize(
    ("text", "good"), [("pgd", True), ("pgd-2_b", True), ("2pgd", False), ("a/b", False), ("é", False)]
)
def test_a_probe_id_is_plain(text: str, good: bool) -> None:
    assert bool(PROBE_ID.fullmatch(text)) is good
