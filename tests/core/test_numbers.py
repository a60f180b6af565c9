from __future__ import annotations

import json
import math
import pickle
import random
import re

import pytest
from pydantic import BaseModel, ValidationError

from countenance.core.numbers import Fraction


class Holder(BaseModel):
    eps: Fraction


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [
        ("8/255", 8 / 255, "8/255"),
        (" 8 / 255 ", 8 / 255, "8/255"),
        ("0.5/255", 0.5 / 255, "0.5/255"),
        ("-1/3", -1 / 3, "-1/3"),
        (0.03, 0.03, "0.03"),
        ("0.03", 0.03, "0.03"),
        ("1e-3", 0.001, "0.001"),
        (1, 1.0, "1"),
        (0, 0.0, "0"),
        ("3.0", 3.0, "3"),
    ],
)
def test_numbers_as_people_write_them(written: str | float, value: float, text: str) -> None:
    number = Fraction(written)
    assert float(number) == value
    assert str(number) == text


@pytest.mark.parametrize(
    "written", ["", "x", "1/0", "8/", "/255", "1/2/3", "nan", "inf", "-inf", "1e999", "1/inf", "0x10", "1e999999999"]
)
def test_what_is_no_finite_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"expected a (finite )?number"):
        Fraction(written)


@pytest.mark.parametrize("written", [True, None, [8, 255], {"a": 1}])
def test_a_plan_may_not_hold_another_thing(written: object) -> None:
    with pytest.raises(ValidationError, match=r"expected a number such as 0.03 or 8/255"):
        Holder(eps=written)  # type: ignore[arg-type]


def test_every_number_survives_json_pickle_and_its_own_text() -> None:
    draw = random.Random(2)
    for _ in range(2000):
        if draw.random() < 0.5:
            written: str | float = f"{draw.randrange(-300, 300)}/{draw.randrange(1, 300)}"
        else:
            written = draw.uniform(-1, 1) * 10 ** draw.randrange(-12, 6)
        number = Fraction(written)
        assert math.isfinite(number)
        for again in (
            Fraction(str(number)),
            pickle.loads(pickle.dumps(number)),
            Holder.model_validate(json.loads(json.dumps(Holder(eps=number).model_dump(mode="json")))).eps,
        ):
            assert float(again) == float(number)
            assert str(again) == str(number)


def test_different_numbers_have_different_texts() -> None:
    """A condition is named by the text, so two sizes that differ in the tenth place may not share it."""
    assert str(Fraction(0.12345678901)) != str(Fraction(0.12345678902))


def test_the_schema_takes_what_the_parser_takes() -> None:
    schema = Holder.model_json_schema()["properties"]["eps"]
    (pattern,) = [kind["pattern"] for kind in schema["anyOf"] if kind["type"] == "string"]
    for written in ("8/255", " 8 / 255", "0.5/255", "-1/3", "1e-3", "3.0", ".5"):
        assert re.search(pattern, written)
        Fraction(written)
    for written in ("", "x", "8/", "1/2/3", "nan"):
        assert not re.search(pattern, written)
