"""Where in a plan a gate, a probe or the deployment stands, for annotations and scanners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...core.places import read_yaml
from .cases import Case

Line = int | None


@dataclass(frozen=True)
class PlanPlaces:
    """A file with gates, and where its parts stand.

    Attributes:
        file: relative to the working folder, with ``/``; only its name where it lies elsewhere, since a report names
            no place on somebody's machine.
        lines: line, from 1, of each part of the file by its path.
        alone: the file is a list of gates by itself.
    """

    file: str
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    alone: bool = False

    @classmethod
    def of(cls, candidates: Iterable[Path], gates: int, base: Path | None = None) -> PlanPlaces:
        """Read the first file that has as many gates as were judged.

        Args:
            candidates: plans or files of gates, the likeliest first; the last is named where none fits.
            gates: how many were judged.
            base: paths are told relative to it; the working folder unless given.
        """
        files = list(candidates)
        for file in files:
            try:
                document = read_yaml(file.read_text(encoding="utf-8"))
            except (OSError, ValueError, yaml.YAMLError, RecursionError):
                continue  # lines are a help: what cannot be read was told where it is needed
            content = document.content
            alone = isinstance(content, list)
            written = content if alone else content.get("gates") if isinstance(content, dict) else None
            if len(written or ()) == gates:
                return cls(_relative(file, base), dict(document.lines), alone)
        return cls(_relative(files[-1], base))

    def line(self, case: Case) -> Line:
        """Return the line on which what a case is about begins, ``None`` where it is not known."""
        if case.suite == "policy":
            return self.lines.get(("deployment",)) or self.lines.get(("target",))
        if case.position is None:
            return None
        prefix = () if self.alone else (case.suite,)
        return None if self.alone and case.suite != "gates" else self.lines.get((*prefix, case.position))


def _relative(file: Path, base: Path | None) -> str:
    try:
        return file.resolve().relative_to((base or Path.cwd()).resolve()).as_posix()
    except ValueError:
        return file.name
