"""Measurement keys: ``probe_id/metric[slice]@condition``, on which gates, cards and comparisons join.

Slice and condition are ``name=value`` pairs sorted by name. The characters that carry meaning in a key
(``% [ ] , = @``) and control characters are percent-escaped inside names and values, so that a key can be
split without guessing whatever the data calls its groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import UsageError

_RESERVED = re.compile(r"[%\[\],=@\x00-\x1f\x7f*]")
_KEY = re.compile(
    r"(?P<probe>[^/\[\]@]+)/(?P<metric>[^\[\]@]+)(?:\[(?P<slice>[^\]]*)\])?(?:@(?P<condition>.*))?", re.DOTALL
)
PROBE_ID = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class MeasurementKey:
    """The four parts of a key."""

    probe: str
    metric: str
    slice: dict[str, str]
    condition: dict[str, str]


def escape(text: str) -> str:
    """Percent-escape the characters that carry meaning in a key (a literal ``*`` too: gates use it as a wildcard)."""
    return _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", text)


def format_pairs(pairs: Mapping[str, str]) -> str:
    """Write ``name=value`` pairs, sorted by name and escaped."""
    return ",".join(f"{escape(name)}={escape(pairs[name])}" for name in sorted(pairs))


def parse_pairs(text: str) -> dict[str, str]:
    """Read what :func:`format_pairs` wrote."""
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"expected name=value in a measurement key, but got {part!r}")
        pairs[unquote(name)] = unquote(value)
    return pairs


def format_key(
    probe: str,
    metric: str,
    slice: Mapping[str, str] | None = None,
    condition: Mapping[str, str] | None = None,
) -> str:
    """Write a key, e.g. ``pgd/accuracy[gender=female]@eps=8/255``."""
    key = f"{probe}/{escape(metric)}"
    if slice:
        key += f"[{format_pairs(slice)}]"
    if condition:
        key += f"@{format_pairs(condition)}"
    return key


def parse_key(text: str) -> MeasurementKey:
    """Split a key into its parts; raises :class:`UsageError` for text that is no key."""
    match = _KEY.fullmatch(text)
    if match is None:
        raise UsageError(f"expected a measurement key such as 'performance/accuracy', but got {text!r}")
    return MeasurementKey(
        probe=match["probe"],
        metric=unquote(match["metric"]),
        slice=parse_pairs(match["slice"] or ""),
        condition=parse_pairs(match["condition"] or ""),
    )
