"""The probe ``group_indices``: one number for how unequal groups are, and how much of it chance alone gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field, WithJsonSchema

from ...core.errors import AuditError, nearest
from ...core.keys import format_key
from ...core.probes import Note, Output, ProbeContext, ProbeParams, TableOutput, probe
from ...core.results import Estimate, Finding, Measurement
from ...core.statistics.deals import Deals
from ...core.statistics.index_bounds import DIFFERENCES, Index
from ...core.statistics.index_guard import guarded
from ...core.statistics.joint import adjusted
from .index_catalogue import INDICES, IndexOf
from .index_material import ACCURACY, RECALL, Answered, Asked, GroupRates

ATTRIBUTE = "attribute"
SIGNIFICANT = 0.05
NULL_METHOD, TEST_METHOD, JOINT_METHOD = "permuted_groups", "permutation_of_people", "joint_step_down"
FOLDS_METHOD, WITHOUT_CHANCE = "cross_fitted_5_folds", "squares_less_chance"
NAMED = 8
FEWEST = 199


def _is_known(name: str) -> str:
    if name not in INDICES:
        raise ValueError(f"there is no index {name!r}{nearest(name, INDICES)}")
    return name


IndexName = Annotated[str, AfterValidator(_is_known), WithJsonSchema({"enum": list(INDICES)})]


class GroupIndicesParams(ProbeParams):
    """Which indices, of which classes, and how often groups are dealt out anew."""

    indices: tuple[IndexName, ...] = Field(
        default=tuple(INDICES), min_length=1, description="indices to measure for each attribute and intersection"
    )
    labels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="classes or action units; all unless given, the last of two classes"
    )
    alpha: float = Field(
        default=0.5, ge=0, le=1, description="weight of false alarms against misses in indices of both error rates"
    )
    permutations: int = Field(default=1000, ge=FEWEST, description="how often groups are dealt out anew over people")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="least probability of an active action unit")


@dataclass(frozen=True)
class _Answer:
    """One index of one grouping, and for one class where it is of one: the index, or why there is none."""

    grouping: str
    name: str
    label: str | None
    index: Index | None
    guard: Index | None
    reason: str
    faces: int
    people: int
    groups: int
    left_out: tuple[str, ...]
    blocking: int

    @property
    def slice(self) -> dict[str, str]:
        return {ATTRIBUTE: self.grouping} | ({} if self.label is None else {"label": self.label})

    @property
    def title(self) -> str:
        return INDICES[self.name].title + ("" if self.label is None else f" of {self.label}")


@probe(
    "group_indices",
    version=1,
    title="Indices of inequality over groups",
    pillar="fairness",
    params=GroupIndicesParams,
    needs={"labels"},
    tasks={"expression", "forgery", "action_units"},
    shows="One number for how unequal the groups of an attribute are, by a dozen definitions in use, each with its "
    "bounds, with what the same number is when groups of these sizes are dealt out at random over people, and with an "
    "estimate that takes the share of chance out.",
    hides="Which group is worse off and by how much: one number says neither. Groups too small to measure, gaps inside "
    "a group, whether the attributes were assigned rightly. Demographic parity and false positive rates also differ "
    "where groups have different labels.",
    citation="Hardt et al. 2016, arXiv 1610.02413; Howard et al. 2022, arXiv 2203.05051; de Freitas Pereira and Marcel "
    "2021, arXiv 2011.02395; Elobaid et al. 2024, arXiv 2404.15385; Lum et al. 2022, arXiv 2205.05770",
)
def group_indices(context: ProbeContext, params: GroupIndicesParams) -> Iterator[Output]:
    """Indices over the groups of every attribute and intersection, beside what chance gives."""
    groupings = context.faces.groupings
    if not groupings:
        yield Note("No index was measured: the plan names no attribute to group the faces by.")
        return
    answered = Answered(context.predictions, params.threshold)
    for name in params.labels or ():
        if name not in answered.labels:
            raise AuditError(
                f"{context.probe_id}: labels names {name!r}, which is none of {list(answered.labels)}"
                f"{nearest(name, answered.labels)}"
            )
    labels = answered.tested(params.labels)
    people = int(context.faces.subject_codes.max(initial=-1)) + 1
    deals = Deals(people, params.permutations, context.seed)
    maker = _Maker(context, params, answered, labels)
    answers: list[_Answer] = []
    with context.progress("indices", len(groupings) * len(params.indices)) as advance:
        for groups in groupings:
            rates = GroupRates(context, answered, groups, params.permutations, deals if deals.affordable else None)
            for name in params.indices:
                answers += [maker.answer(rates, name, label) for label in maker.labels_of(name)]
                advance()
    measured = [answer for answer in answers if answer.index is not None]
    joint = _adjusted({id(answer): answer.index for answer in answers if answer.index is not None})
    guards = _adjusted({id(answer): answer.guard for answer in answers if answer.guard is not None})
    joint |= {key: max(p, joint[key]) for key, p in guards.items()}
    for answer in answers:
        yield from _measurements(context, answer, joint.get(id(answer), 1.0))
    absent = [label for label in labels if not answered.has_faces(Asked(RECALL, label))]
    if absent:
        told = "no index that asks for misses was made of such a class"
        yield Note(f"No face is labelled {', '.join(absent)}: {told}.")
    yield TableOutput("indices", _table(answers, joint), "Indices over groups, beside what chance gives")
    for groups in groupings:
        of = [answer for answer in answers if answer.grouping == groups.name]
        yield from _notes(groups.name, of)
        yield from _findings(context, groups.name, of, joint, len(measured))


def _adjusted(indices: dict[int, Index]) -> dict[int, float]:
    """Return p-values adjusted over these indices."""
    found = indices.values()
    p_values = adjusted([each.log_scale for each in found], [each.log_scale_dealt for each in found])
    return dict(zip(indices, map(float, p_values), strict=True))


def _more_cautious(index: Index, guard: Index | None) -> Index:
    """Return the index with the wider bounds and the larger p-value of both."""
    if guard is None:
        return index
    return replace(index, low=min(index.low, guard.low), high=max(index.high, guard.high), p=max(index.p, guard.p))


@dataclass(frozen=True)
class _Maker:
    """Makes the indices of one use of the probe."""

    context: ProbeContext
    params: GroupIndicesParams
    answered: Answered
    labels: tuple[str, ...]

    def labels_of(self, name: str) -> Sequence[str | None]:
        """Return the classes that an index is made for: those with a face for each of its rates."""
        if not INDICES[name].per_label:
            return (None,)
        return [label for label in self.labels if self._all_have_faces(INDICES[name], label)]

    def _all_have_faces(self, what: IndexOf, label: str) -> bool:
        return all(self.answered.has_faces(each) for each in _asked(what, (label,)))

    def answer(self, rates: GroupRates, name: str, label: str | None) -> _Answer:
        """Measure one index, or say why it is not measured."""
        what, total = INDICES[name], len(rates.groups)
        asked = _asked(what, self.labels if label is None else (label,))
        asked = [each for each in asked if self.answered.has_faces(each)]
        chosen = {each: rates.taking_part(*(asked if what.together else (each,))) for each in asked}
        used = {each: groups for each, groups in chosen.items() if len(groups) > 1}
        small = {code for groups in chosen.values() for code in range(total) if code not in groups}
        parts = [rates.rate(each, groups) for each, groups in used.items()]
        index = guard = None
        reason = f"fewer than two of {total} groups are large enough"
        if parts:
            context = self.context
            random = context.random("folds", rates.groups.name, name, label or "")
            try:
                index, reason = what.make(parts, (1 - context.rules.level) / 2, self.params.alpha, random), ""
                if any(part.data.people_in_several for part in parts):
                    again = [guarded(part, random) for part in parts]
                    guard = what.make(again, (1 - context.rules.level) / 2, self.params.alpha, random)
            except ZeroDivisionError as error:
                reason = str(error)
        return _Answer(
            grouping=rates.groups.name,
            name=name,
            label=label,
            index=None if index is None else _more_cautious(index, guard),
            guard=guard,
            reason=reason,
            faces=max((part.data.faces for part in parts), default=0),
            people=max((part.data.people for part in parts), default=0),
            groups=max(map(len, used.values()), default=0),
            left_out=tuple(rates.names[code] for code in sorted(small)),
            blocking=len(small - rates.groups.out_of_scope) if total > 1 else 0,
        )


def _asked(what: IndexOf, labels: Sequence[str]) -> list[Asked]:
    if what.rates == (ACCURACY,):
        return [Asked(ACCURACY)]
    return [Asked(rate, label) for label in labels for rate in what.rates]


def _measurements(context: ProbeContext, answer: _Answer, p_adjusted: float) -> Iterator[Measurement]:
    def one(suffix: str, estimate: Estimate, direction: str = "none") -> Measurement:
        better = INDICES[answer.name].direction if direction == "own" else "none"
        return context.measurement(f"{answer.name}{suffix}", estimate, slice=answer.slice, direction=better)

    def number(value: float, method: str, low: float | None = None, high: float | None = None) -> Estimate:
        level = None if low is None else context.rules.level
        return Estimate(
            value=value, low=low, high=high, level=level, method=method, n=answer.faces, subjects=answer.people
        )

    found = answer.index
    if found is None:
        none = Estimate.not_measured(answer.reason)
        if answer.blocking:
            none = none.model_copy(update={"groups_left_out": answer.blocking})
        yield one("", none, "own")
        return
    seen = number(found.value, found.method, found.low, found.high)
    yield one("", seen.model_copy(update={"groups": answer.groups, "groups_left_out": answer.blocking}), "own")
    yield one(".null_permuted", number(found.null_mean, NULL_METHOD, found.null_low, found.null_high))
    yield one(".p", number(found.p, TEST_METHOD))
    yield one(".p_adjusted", number(p_adjusted, JOINT_METHOD))
    if found.corrected is not None:
        how = FOLDS_METHOD if found.method == DIFFERENCES else WITHOUT_CHANCE
        yield one(".corrected", number(found.corrected, how))


def _table(answers: Sequence[_Answer], joint: dict[int, float]) -> pd.DataFrame:
    lines = []
    for answer in answers:
        found = answer.index
        line: dict[str, object] = {
            "attributes": answer.grouping,
            "index": answer.name,
            "label": answer.label or "",
            "groups": answer.groups,
            "left_out": "; ".join(answer.left_out),
            "not_measured": answer.reason,
        }
        if found is not None:
            line |= {
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "null_mean": found.null_mean,
                "null_low": found.null_low,
                "null_high": found.null_high,
                "excess": found.excess,
                "corrected": found.corrected,
                "p": found.p,
                "p_adjusted": joint[id(answer)],
            }
        lines.append(line)
    return pd.DataFrame(lines)


def _notes(grouping: str, answers: Sequence[_Answer]) -> Iterator[Note]:
    """Name the groups that indices leave out."""
    names = sorted({name for answer in answers for name in answer.left_out})
    if names:
        named = "; ".join(names[:NAMED]) + (f"; and {len(names) - NAMED} more" if len(names) > NAMED else "")
        yield Note(f"Indices by {grouping} leave out, all or some of them, groups too small: {named}.")


def _findings(
    context: ProbeContext, grouping: str, answers: Sequence[_Answer], joint: dict[int, float], asked: int
) -> Iterator[Finding]:
    """Tell in one finding which indices of a grouping are beyond chance."""
    beyond = [answer for answer in answers if joint.get(id(answer), 1.0) <= SIGNIFICANT]
    if not beyond:
        return
    order = list(INDICES)
    beyond.sort(key=lambda answer: (joint[id(answer)], order.index(answer.name)))
    first, found = beyond[0], beyond[0].index
    assert found is not None
    measured = sum(answer.index is not None for answer in answers)
    others = (
        ""
        if len(beyond) == 1
        else f" {len(beyond) - 1} of the other {measured - 1} indices by this attribute are beyond chance too."
    )
    caveats = [
        "One number says neither which group is worse off nor why: see the rates of the groups.",
        "The groups may differ in more than this attribute: their pictures, their labels, their other attributes.",
    ]
    if first.left_out:
        caveats.append(f"Too small to take part: {'; '.join(first.left_out[:NAMED])}.")
    yield context.finding(
        f"beyond_chance.{grouping}",
        "low",  # which group is worse off, and in what, is told by the metrics by group
        f"Grouped by {' and '.join(grouping.split('&'))}, the {first.title} is {found.value:.3f} "
        f"[{found.low:.3f}, {found.high:.3f}]. Groups of these sizes dealt out at random over people give "
        f"{found.null_mean:.3f} on average; p = {joint[id(first)]:.2g} after adjustment for {asked} indices.{others}",
        evidence=[format_key(context.probe_id, answer.name, answer.slice, {}) for answer in beyond[:NAMED]],
        caveats=caveats,
        p_adjusted=joint[id(first)],
    )
