"""Numbers as people write them in plans: ``0.03``, ``8/255``; the text is kept for keys and conditions."""

from __future__ import annotations

import math
import reprlib
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

_PART = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
JSON_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{_PART}(\s*/\s*{_PART})?\s*$"}]
}
"""What an editor is told: a number, or a text such as ``8/255``."""


class Fraction(float):
    """A number that remembers how it was written: ``Fraction("8/255")`` is 0.0313… and ``str`` of it is ``8/255``."""

    text: str

    def __new__(cls, written: str | float) -> Fraction:
        """Parse a number or a text such as ``8/255``, which is kept without spaces.

        Raises:
            ValueError: for text that is no number, a division by zero, NaN or infinity.
        """
        text = "".join(str(written).split())
        try:
            parts = [float(part) for part in text.split("/")]
            value = parts[0] / parts[1] if len(parts) == 2 else float(text)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"expected a number such as 0.03 or 8/255, but got {text[:40]!r}") from None
        if not all(map(math.isfinite, (value, *parts))):
            raise ValueError(f"expected a finite number, but got {text[:40]!r}")
        number = super().__new__(cls, value)
        number.text = text if "/" in text else repr(value).removesuffix(".0")
        return number

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Fraction({self.text!r})"

    def __reduce__(self) -> tuple[type[Fraction], tuple[str]]:
        return (Fraction, (self.text,))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate numbers and texts; write the text back."""
        return core_schema.no_info_before_validator_function(
            _as_fraction,
            core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the type to an editor: a number, or a text such as ``8/255``."""
        return JSON_SCHEMA


def _as_fraction(value: Any) -> Any:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected a number such as 0.03 or 8/255, but got {reprlib.repr(value)}")
    return Fraction(value)


def _as_float(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"expected a number such as 0.03 or 8/255, but got {value!r}")
    return float(Fraction(value)) if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_as_float), WithJsonSchema(JSON_SCHEMA)]
"""A plain number of a plan that may be written as ``8/255``; results hold the number."""
