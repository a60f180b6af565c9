"""Who loses most: of each thing done to the faces, the group that loses most and by how much more than all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.results import AuditResults, Measurement, ProbeResult
from .conditions import Under, under
from .gaps import VERDICTS, WORST, Question, questions_of
from .tables import NOTHING, ref
from .tree import Paragraph, Part, TableBlock
from .wording import metric_title, number, plural

LOST = ("lost", "error_rise", "changed", "moved")


@dataclass(frozen=True)
class Loss:
    """A comparison of groups under one condition.

    Attributes:
        question: how much more the worst group loses than all others, with what stands beside it.
        done: to the faces.
        group: what the worst group lost; ``None`` where the results do not say.
        overall: what was lost over all faces; ``None`` where the results do not say.
    """

    question: Question
    done: Under
    group: Measurement | None
    overall: Measurement | None

    @property
    def metric(self) -> str:
        """What was lost."""
        return self.question.item.metric.removesuffix(f".{WORST}")

    def row(self, named: bool = True) -> tuple[Part, ...]:
        """Return it as a row of the table whose heads :func:`columns` gives.

        Args:
            named: whether what was done is named beside its strength.
        """
        question = self.question
        strength = f"{self.done.strength} {self.done.size}" if self.done.size else ""
        done = ", ".join(filter(None, (self.done.named if named or not strength else "", strength)))
        overall = self.overall.estimate.value if self.overall is not None else None
        return (
            f"{done}, by {question.attribute}",
            question.between,
            ref(self.group) if self.group is not None else NOTHING,
            NOTHING if overall is None else number(overall),
            ref(question.item),
            _by_chance(question),
            *((_verdict(question),) if question.tolerance is not None else ()),
        )


def columns(losses: Sequence[Loss], probe: ProbeResult) -> tuple[str, ...]:
    """Name the columns of a table whose rows these losses are."""
    what = metric_title(losses[0].metric, probe.probe)
    judged = ("verdict",) if losses[0].question.tolerance is not None else ()
    return ("under", "loses most", f"its {what}", "all faces", "behind others by", "by chance", *judged)


def _verdict(question: Question) -> str:
    """Tell the verdict with the bound it rests on; what would have been shown stands in the table of gaps."""
    estimate, verdict = question.item.estimate, question.verdict
    if estimate.bound_low is None or estimate.bound_high is None:
        return question.briefly
    if verdict == "fail":
        return f"fail: at least {number(estimate.bound_low)}"
    left = estimate.groups_left_out or 0
    if verdict != "pass" and left and estimate.bound_high <= (question.tolerance or 0.0):
        return f"{verdict}: {plural(left, 'group')} too small"
    return f"{verdict}: at most {number(estimate.bound_high)}"


def _by_chance(question: Question) -> str:
    """Tell what random groups differ by, and how often by as much."""
    null = question.beside.get("null_permuted")
    p = question.beside.get("p_adjusted") or question.beside.get("p")
    told = [] if null is None or null.estimate.value is None else [number(null.estimate.value)]
    if p is not None and p.estimate.value is not None:
        told.append(f"p\u00a0{p.estimate.value:.2g}")
    return ", ".join(told) or NOTHING


def losses_of(probe: ProbeResult, results: AuditResults) -> list[Loss]:
    """Return every comparison that was measured, what was shown to exceed the tolerance first.

    Among alike verdicts that over all conditions comes first, then by adjusted p-value and size.
    """
    places = {(item.metric, _pairs(item.slice), _pairs(item.condition)): item for item in probe.measurements}
    found = []
    for question in questions_of(probe, WORST):
        done = under(question.item.condition)
        metric = question.item.metric.removesuffix(f".{WORST}")
        if done is None or metric not in LOST or question.item.estimate.value is None:
            continue
        condition = _pairs(question.item.condition)
        rest = {name: value for name, value in question.item.slice.items() if name != "attribute"}
        group = _group(question, rest, results)
        whose = places.get((metric, _pairs({**rest, **group}), condition)) if group else None
        found.append(Loss(question, done, whose, places.get((metric, _pairs(rest), condition))))
    return sorted(found, key=_gravity)


def losses_tables(
    probe: ProbeResult, results: AuditResults, most: int
) -> Iterator[tuple[TableBlock, TableBlock | None]]:
    """Yield the table of who loses most with at most ``most`` rows, and the rest of it where there is more."""
    losses = losses_of(probe, results)
    if not losses:
        return
    heads = columns(losses, probe)
    tolerance = losses[0].question.tolerance
    caption = "Who loses most" + (f", tolerance {tolerance:g}" if tolerance is not None else "")
    several = len({loss.done.named for loss in losses}) > 1
    rows = tuple(loss.row(several) for loss in losses)
    more = TableBlock(heads, rows[most:], f"{caption}: the other {len(rows) - most}") if len(rows) > most else None
    yield TableBlock(heads, rows[:most], caption), more


def who_loses_most(probe: ProbeResult, results: AuditResults) -> Paragraph | None:
    """Say in one sentence which group loses most over all that was done; ``None`` where groups were not compared."""
    losses = losses_of(probe, results)
    whole = [loss for loss in losses if loss.done.whole and not loss.done.size] or losses[:1]
    if not whole:
        return None
    shown = [loss for loss in losses if loss.question.verdict == "fail"]
    loss = shown[0] if shown else whole[0]
    what = f"{metric_title(loss.metric, probe.probe)} under {loss.done.title}"
    if shown:
        others = len(shown) - 1
        more = f" So it is in {plural(others, 'other comparison')}." if others else ""
        return Paragraph(
            (
                f"{what[:1].upper()}{what[1:]}: by {loss.question.attribute}, {loss.question.between} is behind all "
                "others by ",
                ref(loss.question.item),
                f" ({loss.question.told}).{more}",
            )
        )
    compared = len({(each.done, each.question.attribute) for each in losses})
    limit = "the tolerance" if loss.question.tolerance is not None else "nothing"
    return Paragraph(
        (
            f"In none of {plural(compared, 'comparison')} was a group shown to lose more than all others by more than "
            f"{limit}. Under {loss.done.title}, by {loss.question.attribute}, {loss.question.between} loses most: "
            "behind all others by ",
            ref(loss.question.item),
            f" ({loss.question.told}).",
        )
    )


def _group(question: Question, rest: Mapping[str, str], results: AuditResults) -> dict[str, str]:
    """Return the slice of the group that a difference is about; empty where the results do not have its name."""
    names = question.item.slice["attribute"].split("&")
    about = question.item.estimate.about or ""
    if len(names) == 1:
        return {names[0]: about}
    groups = [dict(item.slice) for item in results.measurements() if set(item.slice) == {*names, *rest}]
    for group in groups:
        if ", ".join(group[name] for name in names) == about:
            return {name: group[name] for name in names}
    return {}


def _gravity(loss: Loss) -> tuple[int, bool, bool, float, float]:
    question = loss.question
    p = question.beside.get("p_adjusted") or question.beside.get("p")
    value = 1.0 if p is None or p.estimate.value is None else p.estimate.value
    part = not (loss.done.whole and not loss.done.size)
    return VERDICTS[question.verdict], part, question.intersectional, value, -(question.item.estimate.value or 0.0)


def _pairs(pairs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs.items()))
