"""What is told of gaps between groups: findings where a gap is more than chance, and what the others could have shown.

Who asks about many scores and attributes finds a small p-value by chance. A finding is raised only where the p-value
holds after adjustment over all questions that one probe asked together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..keys import format_key
from ..results import SEVERITIES, Finding, Severity
from .gap_questions import GAP, WORST, GroupQuestion
from .gaps import Difference, Gap

SIGNIFICANT = 0.05
NAMED = 3
ACRONYMS = ("fpr", "fnr", "fdr", "for", "fmr", "fnmr", "auroc", "ece", "ccc", "pcc", "rmse", "sagr")


def _in_words(metric: str) -> str:
    """Write the name of a metric as readers know it: ``FPR``, ``flip rate``."""
    return metric.upper() if metric in ACRONYMS else metric.replace("_", " ")


@dataclass(frozen=True)
class _Held:
    """A question whose gap is more than chance."""

    question: GroupQuestion
    gap: Gap

    @property
    def p(self) -> float:
        """The adjusted p-value, that as such where nothing was adjusted."""
        found = self.gap.largest
        return found.p if found.p_adjusted is None else found.p_adjusted

    @property
    def beyond(self) -> Difference | None:
        """The difference that exceeds the tolerance, or ``None``."""
        tolerance = self.gap.tolerance
        if tolerance is None:
            return None
        both = (self.gap.worst_vs_rest, self.gap.largest)
        return next((found for found in both if found is not None and (found.bound_low or 0.0) > tolerance), None)

    @property
    def order(self) -> tuple[bool, float, float]:
        """Sort key: beyond the tolerance first, then by p-value, of equal ones the largest beside its null."""
        found = self.gap.largest
        return self.beyond is None, self.p, -found.value / max(found.null_mean, 1e-12)

    @property
    def name(self) -> str:
        """The score in words."""
        title = self.question.title or _in_words(self.question.metric)
        return f"{title}{self.question.place}"

    def keys(self) -> list[str]:
        """Return the key of the gap, and of the worst group against the others."""
        of = self.question
        names = [GAP] if self.gap.worst_vs_rest is None else [GAP, WORST]
        return [format_key(of.probe_id, f"{of.metric}.{name}", of.full_slice, of.condition) for name in names]


def gap_findings(
    questions: Sequence[GroupQuestion], *, drawn: bool = False, gravest: Severity = "high"
) -> list[Finding]:
    """Return a finding for every attribute with a gap that holds after adjustment over all the questions.

    The finding tells the gap that is beyond the tolerance, or has the smallest p-value, and names the others. A
    combination of attributes is told only where none of its attributes alone shows the same score to differ.

    Args:
        questions: everything that was asked of one probe's scores, answered or not.
        drawn: what chance gives was drawn from the errors of the values, and no group was dealt out.
        gravest: how grave a finding may be; lower where it repeats what another probe tells.
    """
    answered = [(question, question.gap) for question in questions if isinstance(question.gap, Gap)]
    held = [each for each in (_Held(*pair) for pair in answered) if each.p <= SIGNIFICANT]
    alone = {(each.question.attribute, _score(each.question)) for each in held}
    told = [
        each
        for each in held
        if "&" not in each.question.attribute
        or not any((part, _score(each.question)) in alone for part in each.question.attribute.split("&"))
    ]
    found = []
    for attribute in dict.fromkeys(each.question.attribute for each in told):
        for neutral in (False, True):
            alike = [
                each
                for each in told
                if each.question.attribute == attribute and (each.question.direction == "none") == neutral
            ]
            if alike:
                alike.sort(key=lambda each: each.order)
                combined = [
                    each
                    for each in held
                    if each not in told
                    and attribute in each.question.attribute.split("&")
                    and _score(each.question) in {_score(one.question) for one in alike}
                ]
                found.append(_finding(alike[0], alike[1:], combined, len(answered), drawn, gravest))
    return found


def _score(question: GroupQuestion) -> tuple[object, ...]:
    return question.metric, tuple(sorted(question.slice.items())), tuple(sorted(question.condition.items()))


def _finding(
    first: _Held, others: Sequence[_Held], combined: Sequence[_Held], asked: int, drawn: bool, gravest: Severity
) -> Finding:
    gap, found, question = first.gap, first.gap.largest, first.question
    bounds = "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    several = f" after adjustment for {asked} questions asked together" if asked > 1 else ""
    low, high = f"{gap.lowest} ({gap.lowest_value:.3f})", f"{gap.highest} ({gap.highest_value:.3f})"
    compared = (
        f"higher for {high} than for {low}" if question.direction == "lower" else f"lower for {low} than for {high}"
    )
    chance = "Equal groups with these errors" if drawn else "Groups of these sizes dealt out at random over people"
    claim = (
        f"Grouped by {' and '.join(question.attribute.split('&'))}, the {first.name} is {compared}: a difference of "
        f"{found.value:.3f}{bounds}. {chance} differ by {found.null_mean:.3f} on average; p = {first.p:.2g}{several}."
    )
    beyond = first.beyond
    if beyond is not None and gap.tolerance is not None:
        what = f"How far {gap.worst} is behind all others" if beyond is gap.worst_vs_rest else "The true difference"
        claim += f" {what} exceeds the tolerance of {gap.tolerance:g}: it is at least {beyond.bound_low:.3f}."
    if others:
        named = ", ".join(f"{each.name} ({each.gap.largest.value:.3f})" for each in others[:NAMED])
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        scores = "another score" if len(others) == 1 else f"{len(others)} other scores"
        claim += f" Groups of this attribute differ in {scores} too: {named}{more}."
    caveats = [
        "The groups may differ in more than this attribute: their pictures, their labels, their other attributes."
    ]
    if len(gap.groups) > 2:
        caveats.append(
            f"The p-value says that the {len(gap.groups)} groups are not all alike; which of them stand at the ends "
            "is less certain."
        )
    if gap.left_out:
        caveats.append(f"Too small to take part: {'; '.join(gap.left_out)}.")
    severity: Severity = "medium"
    if question.direction == "none":
        severity = "low"  # without a better side no one is worse off
    elif beyond is not None:
        severity = "high"
    key = first.keys()[0]
    further = [each.keys()[0] for each in (*others, *combined)]
    return Finding(
        id=key.replace("/", ".", 1),
        severity=max(severity, gravest, key=SEVERITIES.index),
        claim=claim,
        evidence=[*first.keys(), *further],
        p_adjusted=first.p,
        caveats=caveats,
    )


def gap_notes(questions: Sequence[GroupQuestion]) -> list[str]:
    """Return remarks on what the gaps of one probe leave out, and what the placebo showed."""
    notes = []
    for attribute in dict.fromkeys(question.attribute for question in questions):
        gaps = [question.gap for question in questions if question.attribute == attribute]
        names = sorted({name for gap in gaps if isinstance(gap, Gap) for name in gap.left_out})
        if names:
            notes.append(f"gaps by {attribute} leave out, in all or some scores, groups too small: {'; '.join(names)}")
    answered = [question.gap for question in questions if isinstance(question.gap, Gap)]
    placebo = [gap.largest.placebo_p_adjusted for gap in answered if gap.largest.placebo_p_adjusted is not None]
    if placebo:
        reached = sum(p <= SIGNIFICANT for p in placebo)
        notes.append(
            f"placebo: with random groups of people of the same sizes, {reached or 'none'} of {len(placebo)} questions "
            f"would have given a finding (smallest adjusted p {min(placebo):.2g}); that happens in 5 of 100 reports"
        )
    return notes
