"""Which action units are said to make each expression: two published codebooks, or the user's own.

They are hypotheses about posed expressions (``docs/action-units.md``), not ground truth about what people feel (Barrett
et al. 2019, Psychological Science in the Public Interest 20(1), 1-68).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ...core.errors import CountenanceError, Problems, nearest
from ...core.expressions import expression_of
from ...core.places import read_yaml
from .regions import unit_names

_KEYS = ("name", "version", "source", "expressions", "not_scored")
_UNIT = re.compile(r"(?:AU)?0*([1-9][0-9]?)", re.IGNORECASE)


class CodebookError(CountenanceError):
    """A codebook of action units cannot be used as it stands."""


@dataclass(frozen=True)
class Codebook:
    """Action units by expression.

    Attributes:
        name: what it is called in results.
        version: of the data; 0 for a user's own without one.
        expressions: expression (``happiness``, ...) to the numbers of its action units, in order.
        not_scored: expression to why it has none.
        sources: where it comes from.
        corrections: what was changed of the published one, and why.
    """

    name: str
    version: int
    expressions: Mapping[str, tuple[int, ...]]
    not_scored: Mapping[str, str]
    sources: tuple[str, ...]
    corrections: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[int, ...]:
        """Every unit of any expression, in order."""
        return tuple(sorted({unit for units in self.expressions.values() for unit in units}))

    def units_of(self, name: str) -> tuple[int, ...]:
        """Return the units of a class by any of its names (``happy`` for ``happiness``); none if it is not scored."""
        return self.expressions.get(expression_of(name), ())

    def reason(self, name: str) -> str:
        """Return why a class has no units; a sentence without a full stop."""
        told = self.not_scored.get(expression_of(name))
        return told or f"{name} has no action units in the codebook {self.name}: it has {', '.join(self.expressions)}"


@lru_cache(maxsize=1)
def codebook_data() -> dict[str, Any]:
    """Return the published codebooks with sources and corrections, as they are written down."""
    text = (files(__package__) / ".." / "data" / "au_codebooks.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def codebook_names() -> tuple[str, ...]:
    """Return the names of the published codebooks."""
    return tuple(codebook_data()["codebooks"])


def published_codebook(name: str) -> Codebook:
    """Return a published codebook.

    Raises:
        CodebookError: when there is none of this name.
    """
    data = codebook_data()
    if name not in data["codebooks"]:
        raise CodebookError(f"expected a codebook out of {', '.join(codebook_names())}, but got {name!r}")
    entry = data["codebooks"][name]
    return Codebook(
        name=name,
        version=data["version"],
        expressions=MappingProxyType({key: tuple(units) for key, units in entry["expressions"].items()}),
        not_scored=MappingProxyType(dict(entry["not_scored"])),
        sources=tuple(entry["sources"]),
        corrections=tuple(entry["corrections"]),
    )


def find_codebook(name: str, folder: Path) -> Codebook:
    """Return a published codebook by its name, or the user's own from a file.

    Args:
        name: ``belharbi2024``, ``emfacs7``, or a path ending in ``.yaml``, ``.yml`` or ``.json``.
        folder: to which a path is relative.

    Raises:
        CodebookError: when it is neither, or the file cannot be used.
    """
    if Path(name).suffix.lower() in {".yaml", ".yml", ".json"}:
        return load_codebook(folder / name)
    if name not in codebook_names():
        raise CodebookError(
            f"expected a codebook out of {', '.join(codebook_names())}, or a file .yaml or .json, but got "
            f"{name!r}{nearest(name, codebook_names())}"
        )
    return published_codebook(name)


def load_codebook(file: Path) -> Codebook:
    """Read a user's own codebook, YAML or JSON.

    ``expressions`` maps each class name to a list of units (``12`` or ``AU12``); ``name``, ``version``, ``source`` and
    ``not_scored`` (class name to a reason) may be left out.

    Raises:
        CodebookError: naming every fault of the file.
    """
    problems = Problems(f"codebook {file.name}")
    content = _read(file)
    if not isinstance(content, dict):
        raise CodebookError(
            f"codebook {file.name}: expected `expressions` with a list of action units for each, but got "
            f"{type(content).__name__}"
        )
    for key in content:
        if key not in _KEYS:
            problems.add(f"unknown key {key!r}{nearest(str(key), _KEYS)}; known are {', '.join(_KEYS)}")
    name, version = content.get("name", file.stem), content.get("version", 0)
    if not isinstance(name, str) or not name.strip():
        problems.add(f"expected `name` to be a text, but got {name!r}")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        problems.add(f"expected `version` to be a whole number, 0 or more, but got {version!r}")
    source = content.get("source", "given by the user of this audit; what it stands on is not known to countenance")
    if not isinstance(source, str):
        problems.add(f"expected `source` to be a text, but got {source!r}")
    expressions = _expressions(content.get("expressions"), problems)
    not_scored = _reasons(content.get("not_scored", {}), problems)
    for both in sorted(set(expressions) & set(not_scored)):
        problems.add(f"{both} stands under `expressions` and under `not_scored`; keep one")
    problems.raise_as(CodebookError)
    reasons = {"neutral": "neutral has no action units: a face at rest moves nothing", **not_scored}
    return Codebook(
        name=str(name),
        version=int(version),
        expressions=MappingProxyType(expressions),
        not_scored=MappingProxyType({key: why for key, why in reasons.items() if key not in expressions}),
        sources=(str(source),),
    )


def _read(file: Path) -> Any:
    try:
        document = read_yaml(file.read_text(encoding="utf-8"))  # JSON is YAML
    except FileNotFoundError:
        raise CodebookError(f"codebook {file.name}: there is no such file beside the plan") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CodebookError(f"codebook {file.name}: cannot be read ({type(error).__name__})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise CodebookError(
            f"codebook {file.name}: is neither YAML nor JSON: {' '.join(str(error).split())}"
        ) from error
    problems = Problems(f"codebook {file.name}")
    for fault in document.faults:
        problems.add(fault)
    problems.raise_as(CodebookError)
    return document.content


def _expressions(given: Any, problems: Problems) -> dict[str, tuple[int, ...]]:
    if not isinstance(given, dict) or not given:
        problems.add("expected `expressions` to map names such as happy to lists of units such as [6, 12]")
        return {}
    found: dict[str, tuple[int, ...]] = {}
    names: dict[str, str] = {}
    for name, units in given.items():
        expression = expression_of(str(name))
        if expression in names:
            problems.add(f"{name}: {names[expression]} is the same expression; keep one")
            continue
        names[expression] = str(name)
        if not isinstance(units, list) or not units:
            problems.add(f"{name}: expected a list of action units such as [6, 12], but got {units!r}")
            continue
        numbers = [number for number in (_unit(str(name), unit, problems) for unit in units) if number is not None]
        for twice in sorted({number for number in numbers if numbers.count(number) > 1}):
            problems.add(f"{name}: AU{twice} stands twice")
        found[expression] = tuple(sorted(set(numbers)))
    return found


def _unit(name: str, unit: Any, problems: Problems) -> int | None:
    known = unit_names()
    written = None if isinstance(unit, bool) else _UNIT.fullmatch(str(unit).strip())
    if written is None:
        problems.add(f"{name}: expected an action unit such as 12 or AU12, but got {unit!r}")
        return None
    number = int(written.group(1))
    if number not in known:
        problems.add(f"{name}: AU{number} has no region here; known are {', '.join(f'AU{each}' for each in known)}")
        return None
    return number


def _reasons(given: Any, problems: Problems) -> dict[str, str]:
    if not isinstance(given, dict):
        problems.add(f"expected `not_scored` to map names to reasons, but got {given!r}")
        return {}
    for name, why in given.items():
        if not isinstance(why, str) or not why.strip():
            problems.add(f"not_scored: expected a reason for {name}, but got {why!r}")
    return {expression_of(str(name)): str(why) for name, why in given.items()}
