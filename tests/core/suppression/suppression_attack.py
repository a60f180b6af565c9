"""Random audits, and somebody who tries to work out what was held back of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from countenance.core.results import (
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    GroupCount,
    Measurement,
    ProbeResult,
    TargetSummary,
)

LABELS = ("happy", "sad", "angry")
GROUPS = {"tone": ("dark", "tan", "light"), "age": ("young", "middle", "old", "(missing)")}
NAMES = {"label": LABELS, **GROUPS}
Pairs = frozenset[tuple[str, str]]


class People:
    """People with a face each, in uneven groups; of each is known whether the model was right.

    Attributes:
        codes: of each person the place of label, tone and age in ``NAMES``, shape ``(people, 3)``.
        right: of each person 1 where the model was right, else 0.
    """

    def __init__(self, seed: int, people: int = 140) -> None:
        random = np.random.default_rng(seed)
        columns = [
            random.choice(len(values), people, p=random.dirichlet([0.7] * len(values))) for values in NAMES.values()
        ]
        self.codes = np.stack(columns, axis=1)
        self.right = (random.random(people) < 0.7).astype(int)

    def of(self, cell: Pairs) -> NDArray[np.bool_]:
        """Return who is in a cell."""
        inside = np.ones(len(self.codes), dtype=bool)
        for column, (name, values) in enumerate(NAMES.items()):
            for pair in cell:
                if pair[0] == name:
                    inside &= self.codes[:, column] == values.index(pair[1])
        return inside

    def audit(self) -> AuditResults:
        """Return the audit of these people: every group by itself, crossed, and by label."""
        items = [self._measured("performance", "accuracy", frozenset())]
        items += [self._measured("performance", "recall", cell) for cell in cells(("label",))]
        grouped = []
        for names in (("tone",), ("age",), ("tone", "age")):
            grouped += [self._measured("group_metrics", "accuracy", cell) for cell in cells(names)]
            grouped += [self._measured("group_metrics", "recall", cell) for cell in cells((*names, "label"))]
        count = {name: {v: int(self.of(frozenset({(name, v)})).sum()) for v in NAMES[name]} for name in NAMES}
        attributes = {
            name: AttributeSummary(
                assigned_by="annotator",
                groups={v: GroupCount(faces=n, subjects=n) for v, n in count[name].items() if n},
            )
            for name in GROUPS
        }
        return AuditResults(
            name="random",
            tool={"countenance": "0"},
            started="2026-01-01T00:00:00Z",
            seconds=1.0,
            target=TargetSummary(name="net", task="expression", classes=list(LABELS)),
            data=DataSummary(
                faces=len(self.codes),
                subjects=len(self.codes),
                labels={v: n for v, n in count["label"].items() if n},
                attributes=attributes,
                intersections=[["tone", "age"]],
            ),
            plan={"data": {"min_subjects": 1}},
            probes=[
                ProbeResult(
                    id=name, probe=name, version=1, status="ok", measurements=[m for m in found if m is not None]
                )
                for name, found in (("performance", items), ("group_metrics", grouped))
            ],
        )

    def _measured(self, probe: str, metric: str, cell: Pairs) -> Measurement | None:
        inside = self.of(cell)
        n, count = int(inside.sum()), int(self.right[inside].sum())
        if not n:
            return None
        estimate = Estimate(value=count / n, n=n, subjects=n, count=float(count))
        return Measurement.of(probe, metric, estimate, slice=dict(cell))


def cells(names: tuple[str, ...]) -> list[Pairs]:
    """Return every cell by these names."""
    found: list[Pairs] = [frozenset()]
    for name in names:
        found = [cell | {(name, value)} for cell in found for value in NAMES[name]]
    return found


class Attack:
    """Everything a reader of published results can set up: finest cells, and the sums that are told of them."""

    def __init__(self, results: AuditResults) -> None:
        self.finest = cells(("label", "tone", "age"))
        told: dict[Pairs, tuple[float, float | None]] = {frozenset(): (float(results.data.faces), None)}
        for name, attribute in results.data.attributes.items():
            told |= {frozenset({(name, v)}): (float(size.faces), None) for v, size in attribute.groups.items()}
        told |= {frozenset({("label", v)}): (float(n), None) for v, n in results.data.labels.items()}
        self.hidden: list[Pairs] = []
        listed: set[Pairs] = set()
        for item in results.measurements():
            cell = frozenset(item.slice.items())
            listed.add(cell)
            estimate = item.estimate
            if estimate.n is not None and estimate.count is not None:
                told[cell] = (float(estimate.n), estimate.count)
            elif estimate.value is None:
                self.hidden.append(cell)
        for size in (1, 2, 3):  # what is not even listed has nobody in it
            for names in combinations(NAMES, size):
                told |= {cell: (0.0, 0.0) for cell in cells(names) if cell not in listed}
        self.people = self._system({cell: n for cell, (n, _) in told.items()})
        self.right = self._system({cell: count for cell, (_, count) in told.items() if count is not None})

    def _system(self, told: dict[Pairs, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sums over finest cells and what they come to, each sum once."""
        sums = np.array([[*self.row(cell), value] for cell, value in told.items()])
        sums = np.unique(sums, axis=0)
        return sums[:, :-1], sums[:, -1]

    def row(self, cell: Pairs) -> NDArray[np.float64]:
        """Return which of the finest cells make up a cell."""
        return np.array([float(cell <= fine) for fine in self.finest])

    def people_range(self, cell: Pairs) -> tuple[float, float]:
        """Return the fewest and the most people the cell may have, as far as sums tell."""
        return self._range(cell, self.people)

    def right_range(self, cell: Pairs) -> tuple[float, float]:
        """Return the fewest and the most right answers the cell may have, as far as sums of right answers tell."""
        return self._range(cell, self.right)

    def _range(self, cell: Pairs, told: tuple[NDArray[np.float64], NDArray[np.float64]]) -> tuple[float, float]:
        matrix, values = told
        aim = self.row(cell)
        ends = []
        for sign in (1, -1):
            found = linprog(sign * aim, A_eq=matrix, b_eq=values, bounds=(0, None), method="highs")
            assert found.status == 0, found.message
            ends.append(sign * found.fun)
        return ends[0], ends[1]
