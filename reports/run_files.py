"""A run folder as the report reads it: results, card, and the tables and artifacts whose hash still holds."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cards.document import card_of
from ..cards.tree import Card
from ..core.errors import ResultsError
from ..core.results import AuditResults, ProbeResult
from ..core.results_file import changed_artifacts, load_results
from ..core.suppression import Pattern, held_back, min_published, published, without_small_groups


@dataclass(frozen=True)
class RunFiles:
    """A run folder.

    Attributes:
        path: of the folder.
        results: from ``results.json``, as they may be published.
        card: from the results and ``card.yaml``.
        changed: artifacts that are missing or no longer what the audit wrote; nothing is drawn from them.
        withheld: what is held back of results and tables.
    """

    path: Path
    results: AuditResults
    card: Card
    changed: frozenset[str]
    withheld: Pattern

    @classmethod
    def read(cls, path: Path) -> RunFiles:
        """Read a run folder.

        Raises:
            ResultsError: when it holds no readable results.
            StatementsError: when its ``card.yaml`` cannot be used as written.
        """
        whole = load_results(path)
        withheld = held_back(whole, min_published(whole))
        results = published(whole, withheld)
        return cls(path, results, card_of(path, results), frozenset(changed_artifacts(whole, path)), withheld)

    def file(self, probe: ProbeResult, name: str) -> Path | None:
        """Return an artifact or table of a probe, or ``None`` where there is none that can be trusted."""
        found = probe.artifact(name)
        return None if found is None or found.path in self.changed else self.path / found.path

    def table(self, probe: ProbeResult, name: str) -> list[list[str]] | None:
        """Return the cells of a CSV table that may be published, header first, or ``None``."""
        file = self.file(probe, name)
        if file is None:
            return None
        with file.open(encoding="utf-8", newline="") as text:
            return without_small_groups(list(csv.reader(text)), self.withheld)

    def arrays(self, probe: ProbeResult, name: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of an ``.npz``, in the order they were written, or ``None``."""
        file = self.file(probe, name)
        if file is None:
            return None
        with np.load(file, allow_pickle=False) as content:
            return {key: content[key] for key in content.files}

    def document(self, probe: ProbeResult, name: str) -> Any:
        """Return the content of a JSON artifact, or ``None``.

        Raises:
            ResultsError: when it is not JSON although its hash holds.
        """
        file = self.file(probe, name)
        if file is None:
            return None
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ResultsError(f"{file} is not valid JSON: {error}") from error
