"""How far groups differ: each gap with its verdict in words, beside what chance gives and its adjusted p-value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.gates import gap_verdict, told_gap
from ..core.results import Measurement, ProbeResult, Verdict
from .absent import short_reason
from .indices import few
from .slices import Pairs
from .tables import NOTHING, ref
from .tree import Block, BulletList, Paragraph, Part, TableBlock
from .wording import ROUNDING, place_title, shown_attribute

GAP, WORST = "gap", "worst_vs_rest"
OBSERVED, REWEIGHTED = ".observed.", ".reweighted."
MOST_ROWS = 16
MEANING = (
    "A difference between groups that is chosen as the largest of many is above zero by chance alone; beside it stands "
    "what groups of the same sizes, dealt out at random over people, differ by. The p-values and the lower bounds hold "
    "over all the questions of this probe at once."
)
VERDICTS: dict[Verdict, int] = {"fail": 0, "inconclusive": 1, "pass": 2, "not measured": 3}


@dataclass(frozen=True)
class Question:
    """A difference between groups with what stands beside it.

    Attributes:
        item: the difference.
        beside: what belongs to it, by the end of its name, e.g. ``p_adjusted``.
        score: what differs, in words.
        attribute: between the groups of what, in words.
        tolerance: largest difference the plan accepts; ``None`` when it does not say.
        within: the level of a control whose faces alone it is measured on; empty for all faces.
    """

    item: Measurement
    beside: dict[str, Measurement]
    score: str
    attribute: str
    tolerance: float | None
    within: Pairs = ()

    @property
    def between(self) -> str:
        """Which groups differ; those of a difference of 0 are any."""
        if abs(self.item.estimate.value or 0.0) < ROUNDING:
            return "none: all alike"
        return self.item.estimate.about or NOTHING

    @property
    def name(self) -> str:
        """What differs between which groups."""
        return f"{self.score}, by {self.attribute}"

    @property
    def verdict(self) -> Verdict:
        """What the bounds say at the tolerance; at 0 where the plan names none."""
        return gap_verdict(self.item.estimate, self.tolerance or 0.0)

    @property
    def told(self) -> str:
        """The verdict in words."""
        found = {name: self.beside[name].estimate for name in ("detectable", "faces_to_pass") if name in self.beside}
        limit = self.tolerance or 0.0
        return told_gap(self.item.estimate, limit, found.get("detectable"), limit, found.get("faces_to_pass"))

    @property
    def briefly(self) -> str:
        """The verdict in a few words, for a table whose caption names the tolerance."""
        estimate, verdict = self.item.estimate, self.verdict
        if estimate.bound_low is None or estimate.bound_high is None:
            return f"{verdict}: no variation to judge by"
        if verdict == "fail":
            return f"fail: at least {estimate.bound_low:.3f}"
        told = f"at most {estimate.bound_high:.3f}"
        if verdict == "pass":
            return f"pass: {told}"
        left, limit = estimate.groups_left_out or 0, self.tolerance or 0.0
        if estimate.bound_high <= limit and left:
            return f"{verdict}: {told}, but {left} too small"
        detectable = self.beside.get("detectable")
        value = detectable.estimate.value if detectable is not None else None
        shown = "no size would have been shown" if value is None else f"{value:.2f} would have been shown"
        return f"{verdict}: {told}; {shown}"

    @property
    def intersectional(self) -> bool:
        """Whether the groups are those of several attributes at once."""
        return "&" in self.item.slice["attribute"]

    def cell(self, name: str) -> Part:
        """Quote what stands beside the difference."""
        return ref(self.beside[name]) if name in self.beside else NOTHING


def questions_of(probe: ProbeResult, kind: str) -> list[Question]:
    """Return the differences of one kind (``gap`` or ``worst_vs_rest``) that a probe measured or could not."""
    by_place: dict[tuple[object, ...], dict[str, Measurement]] = {}
    for item in probe.measurements:
        if "attribute" in item.slice:
            by_place.setdefault(_place(item), {})[item.metric] = item
    tolerance = probe.params.get("tolerance")
    found = []
    for item in probe.measurements:
        if item.metric.endswith(f".{kind}") and "attribute" in item.slice:
            here = by_place[_place(item)]
            if item.metric.replace(OBSERVED, REWEIGHTED) in here.keys() - {item.metric}:
                continue  # it stands in the row of the same gap at one mix
            start = f"{item.metric}."
            beside = {name.removeprefix(start): other for name, other in here.items() if name.startswith(start)}
            if REWEIGHTED in item.metric:
                other = {"observed": item.metric.replace(REWEIGHTED, OBSERVED)}
                other["explained"] = item.metric.partition(REWEIGHTED)[0] + ".explained"
                beside |= {name: here[metric] for name, metric in other.items() if metric in here}
            rest = {name: value for name, value in item.slice.items() if name != "attribute"}
            score = place_title(item.metric.removesuffix(f".{kind}"), rest, item.condition, probe.probe)
            attribute = shown_attribute(item.slice["attribute"])
            limit = float(tolerance) if isinstance(tolerance, (int, float)) else None
            within = tuple(sorted(pair for pair in rest.items() if _is_control(pair[0], item, by_place)))
            found.append(Question(item, beside, score, attribute, limit, within))
    return found


def _is_control(name: str, item: Measurement, by_place: Mapping[tuple[object, ...], Mapping[str, object]]) -> bool:
    """Whether a part of the slice is a level of a control: the same stands without it, on all faces."""
    if name in ("label", "dimension", "attribute"):
        return False
    rest = {other: value for other, value in item.slice.items() if other != name}
    return item.metric in by_place.get(_place(item.model_copy(update={"slice": rest})), {})


def gap_blocks(probe: ProbeResult, intersectional: bool | None = None) -> Iterator[Block]:
    """Yield tables of the gaps between the groups of each attribute, and what was not measured and why.

    Args:
        probe: whose scores they are gaps of.
        intersectional: whether only attributes (False), only intersections (True), or all are told.
    """
    kinds = {kind: questions_of(probe, kind) for kind in (WORST, GAP)}
    if intersectional is not None:
        kinds = {kind: [one for one in found if one.intersectional == intersectional] for kind, found in kinds.items()}
    measured = {kind: [one for one in found if one.item.estimate.value is not None] for kind, found in kinds.items()}
    if any(measured.values()):
        yield Paragraph.of(MEANING)
    tables = [_table(measured[WORST], "The group that does worst against all others", "worst group", "behind by")]
    tables.append(_table(measured[GAP], "Largest gap between two groups", "between", "gap"))
    if any("observed" in one.beside for one in measured[GAP]):
        tables.reverse()  # what a common mix of labels takes away stands there
    for table in tables:
        yield from table
    yield from _placebo(measured[GAP])
    yield from _silent(kinds[GAP])


def _table(questions: Sequence[Question], title: str, between: str, value: str) -> Iterator[Block]:
    ordered = sorted(questions, key=_gravity)
    if not ordered:
        return
    judged = any(question.tolerance is not None for question in ordered)
    mixed = any("observed" in question.beside for question in ordered)
    rows: list[tuple[Part, ...]] = []
    for one in ordered[:MOST_ROWS]:
        p = one.cell("p_adjusted" if "p_adjusted" in one.beside else "p")
        verdict = (one.briefly,) if judged else ()
        if mixed:
            name = one.name.removeprefix("reweighted ")
            rows.append((name, one.between, one.cell("observed"), ref(one.item), p, one.cell("explained"), *verdict))
        else:
            rows.append((one.name, one.between, ref(one.item), one.cell("null_permuted"), p, *verdict))
    columns: tuple[str, ...] = ("difference in", between, value, "by chance", "adjusted p")
    if mixed:
        columns = ("difference in", between, "as observed", "at one mix", "adjusted p", "part that goes away")
        title += ", as observed and at one mix of labels and controls"
    caption = title
    if judged:
        caption += f", tolerance {ordered[0].tolerance:g}"
    if len(ordered) > MOST_ROWS:
        caption += f" (the gravest {MOST_ROWS} of {len(ordered)}; all stand in results.json)"
    yield TableBlock((*columns, "verdict") if judged else columns, tuple(rows), caption)


def _gravity(question: Question) -> tuple[int, bool, bool, float]:
    p = question.beside.get("p_adjusted") or question.beside.get("p")
    value = p.estimate.value if p is not None else None
    return VERDICTS[question.verdict], bool(question.within), question.intersectional, 1.0 if value is None else value


def _placebo(questions: Sequence[Question]) -> Iterator[Block]:
    """Tell what an attribute that means nothing showed, beside the real ones."""
    found = [one for one in questions if "placebo" in one.beside and "placebo.p_adjusted" in one.beside]
    if not found:
        return
    yield Paragraph.of(
        "Placebo: people were put into random groups of the same sizes, and the same questions asked. Such groups mean "
        "nothing; in 5 of 100 reports one of their gaps passes as more than chance. The largest differences:"
    )

    def size(one: Question) -> float:
        return -(one.beside["placebo"].estimate.value or 0.0)

    largest = {one.attribute: one for one in sorted(found, key=size, reverse=True)}
    rows = tuple(
        (one.name, ref(one.item), one.cell("placebo"), one.cell("placebo.p_adjusted"))
        for _, one in sorted(largest.items())
    )
    yield TableBlock(("difference in", "real gap", "placebo gap", "adjusted p of the placebo"), rows, "Placebo")


def _silent(questions: Sequence[Question]) -> Iterator[Block]:
    silent: dict[tuple[str, str], list[Question]] = {}
    for one in questions:
        if one.item.estimate.value is None:
            silent.setdefault((one.attribute, short_reason(one.item.estimate.reason or "")), []).append(one)
    if silent:
        told = (f"No gap by {name} of {_scores(found)}: {reason}." for (name, reason), found in silent.items())
        yield BulletList(tuple(Paragraph.of(line) for line in told))


def _scores(found: Sequence[Question]) -> str:
    """Name the scores; those on the faces of one level of a control are only counted."""
    whole = [one.score for one in found if not one.within]
    parts = [few(whole, 8)] if whole else []
    within = [one for one in found if one.within]
    if len(within) == 1:
        parts.append(within[0].score)
    elif within:
        controls = " and ".join(dict.fromkeys(name for one in within for name, _ in one.within))
        parts.append(f"{len(within)} scores within levels of {controls}")
    return " and of ".join(parts)


def _place(item: Measurement) -> tuple[object, ...]:
    return tuple(sorted(item.slice.items())), tuple(sorted(item.condition.items()))
