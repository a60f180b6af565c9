"""Sections 7 to 9 of the card: what was measured, what it raises, and what to mind."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.results import SEVERITIES, AuditResults, ProbeResult
from .backdoors import BACKDOOR_BLOCKS
from .conditions import perturbs
from .forgery import FORGERY_BLOCKS
from .gaps import gap_blocks
from .indices import index_blocks, index_meanings
from .losses import losses_of
from .robustness import for_card, robustness_blocks
from .scenarios import SEVERITY, claim_text, gates_item, policy_item
from .sentences import group_sentences, overall_sentences, robustness_sentences
from .slices import Grouped, by_grouping
from .statements import Statements
from .stating import stated
from .tables import definitions, group_blocks, overall_blocks, without_rest
from .tree import Block, BulletList, Heading, Item, Paragraph
from .unfinished import not_run, reason_told
from .wording import plural, probe_title

BARRETT = "Barrett et al. 2019, Psychological Science in the Public Interest 20(1)"
MOST_CELLS = 3000
"""Measurements by group that a card shows; a card with more is read by nobody."""
_OWN_WORDS = {**FORGERY_BLOCKS, **BACKDOOR_BLOCKS}
"""Probes whose tables would be read by nobody, by name, with what is told of them instead."""


def quantitative_analyses(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 7: over all faces, by single factors, by combinations of factors."""
    return (
        _analysis("quantitative_analyses.overall", "Overall results", list(_overall(results)), results),
        _with_comment(
            statements, "unitary", "Unitary results", list(_by_group(results, intersectional=False)), results
        ),
        _with_comment(
            statements,
            "intersectional",
            "Intersectional results",
            list(_by_group(results, intersectional=True)),
            results,
        ),
    )


def _overall(results: AuditResults) -> Iterator[Block]:
    for probe in results.probes:
        for grouped in by_grouping(probe, results.data.attributes):
            if not grouped.attributes:
                yield Heading(probe_title(probe, results))
                yield from _of_probe(probe, grouped, results)
    sentences = (*overall_sentences(results, _OWN_WORDS), *robustness_sentences(results))
    if sentences:
        yield BulletList(sentences)


def _of_probe(probe: ProbeResult, grouped: Grouped, results: AuditResults) -> Iterator[Block]:
    """Yield what a probe found over all faces."""
    own = _OWN_WORDS.get(probe.probe)
    told = list(own(probe)) if own is not None else []
    if told:
        yield from told
    elif perturbs(probe):
        yield from robustness_blocks(probe, results)
    else:
        yield from overall_blocks(grouped)


def _by_group(results: AuditResults, intersectional: bool) -> Iterator[Block]:
    metrics: dict[tuple[str, str], None] = {}
    room = MOST_CELLS
    for probe in results.probes:
        for grouped in by_grouping(probe, results.data.attributes):
            if grouped.attributes and (len(grouped.attributes) > 1) == intersectional:
                yield Heading(f"{probe_title(probe, results)}, by {grouped.title}")
                whole = for_card(grouped, probe, results) if perturbs(probe) else grouped
                kept = whole if len(whole.cells) <= room else without_rest(whole)
                room -= len(kept.cells)
                yield from group_blocks(kept, results.data)
                if len(kept.cells) < len(whole.cells):
                    more = plural(len(whole.cells) - len(kept.cells), "more measurement")
                    yield Paragraph.of(f"{more}, of single classes, stand in results.json.")
                if len(whole.cells) < len(grouped.cells):
                    more = plural(len(grouped.cells) - len(whole.cells), "more measurement")
                    yield Paragraph.of(f"{more}, under other conditions, stand in results.json.")
                metrics |= dict.fromkeys((column.metric, probe.probe) for column in grouped.columns)
        gaps = [] if losses_of(probe, results) else list(gap_blocks(probe, intersectional))
        if gaps:
            yield Heading(f"{probe_title(probe, results)}, gaps between groups")
            yield from gaps
        indices = list(index_blocks(probe, intersectional))
        if indices:
            yield Heading(f"{probe_title(probe, results)}, over all groups")
            yield from indices
            if not intersectional:
                yield index_meanings(probe)
    if metrics:
        yield definitions(metrics)
        yield BulletList(tuple(group_sentences(results, intersectional)))


def _analysis(name: str, title: str, blocks: list[Block], results: AuditResults) -> Item:
    kept = tuple(block for block in blocks if not (isinstance(block, BulletList) and not block.items))
    if kept:
        return Item(name, title, "measured", kept)
    return Item(name, title, "not measured", reason=_why_nothing(name, results))


def _why_nothing(name: str, results: AuditResults) -> str:
    missing = [
        f"{probe_title(probe, results)}: {reason_told(probe)}" for probe in results.probes if probe.status != "ok"
    ]
    missing += [f"{name}: the audit broke off before it" for name in not_run(results)]
    if missing:
        return "; ".join(missing)
    if name.endswith("intersectional") and not results.data.intersections:
        return "the plan names no intersection of attributes"
    if not name.endswith("overall") and not results.data.attributes:
        return "no attribute of people or images came with the data"
    return "the plan has no probe that measures it"


def _with_comment(statements: Statements, name: str, title: str, blocks: list[Block], results: AuditResults) -> Item:
    """Join the author's comment with the measured tables; a comment alone does not make a result."""
    place = f"quantitative_analyses.{name}"
    item = _analysis(place, title, blocks, results)
    comment = stated(statements, place, title)
    return Item(place, title, item.status, (*comment.blocks, *item.blocks), item.reason)


def ethics(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 8: policy, gates as bias scenarios, what labels and masks are, and the author's account of risks."""
    place = "ethical_considerations"
    reading = Item(
        f"{place}.reading",
        "What the labels are",
        "measured",
        (BulletList(tuple(Paragraph.of(text) for text in _reading(results))),),
    )
    policy = policy_item(results, f"{place}.policy")
    return (
        *([policy] if policy is not None else []),
        gates_item(results, f"{place}.gates"),
        reading,
        stated(statements, f"{place}.data", "Sensitive data"),
        stated(statements, f"{place}.human_life", "Matters central to human life"),
        stated(statements, f"{place}.mitigations", "Mitigations"),
        stated(statements, f"{place}.risks_and_harms", "Risks and harms"),
        stated(statements, f"{place}.use_cases", "Fraught use cases"),
    )


def _reading(results: AuditResults) -> list[str]:
    texts = []
    if results.target.task in ("expression", "action_units", "valence_arousal"):
        texts.append(
            "The labels name posed or perceived expressions. A prediction reports what annotators would "
            "perceive in a face; "
            f"it is not evidence of what a person feels ({BARRETT})."
        )
    if results.target.task == "forgery":
        texts.append(
            "The label forged says how a picture came about, as the data have it, and nothing of what anybody meant "
            "by it. A face that the model does not call forged is not thereby genuine."
        )
    if any(probe.probe == "global_heatmaps" for probe in results.probes):
        texts.append(
            "The Ekman masks are one contested account of where an expression shows in a face. Agreement "
            "with them is a "
            "description of where the model looks, not a mark of correctness, and disagreement is not an "
            "error."
        )
    for name, attribute in results.data.attributes.items():
        if attribute.assigned_by in ("annotator", "model", "derived"):
            texts.append(
                f"The groups of {name} were not reported by the people themselves "
                f"({attribute.assigned_by}); errors in them blur "
                "differences between groups."
            )
    if results.data.attributes:
        texts.append(
            "Group names are those of the data. They are coarse, and people in one group differ among themselves."
        )
    return texts or ["The labels are those of the data; the audit did not check them."]


def caveats(results: AuditResults, statements: Statements) -> tuple[Item, ...]:
    """Section 9: findings with caveats, what each probe cannot see, the author's recommendations."""
    place = "caveats_and_recommendations"
    measured = [finding for probe in results.probes for finding in probe.findings if finding.severity != "note"]
    found = sorted(measured, key=lambda finding: SEVERITIES.index(finding.severity))
    if found:
        entries = tuple(Paragraph.of(f"{SEVERITY[finding.severity]}: {claim_text(finding)}") for finding in found)
    else:
        entries = (
            Paragraph.of(
                "No probe of this audit yields a finding beyond notes. That is no evidence on what it did not measure."
            ),
        )
    if any(finding.severity != "note" for finding in results.policy):
        entries = (Paragraph.of("Findings of policy stand first under Ethical Considerations."), *entries)
    hidden = dict.fromkeys((probe.title or probe.id, probe.hides) for probe in results.probes if probe.hides)
    hides = tuple(Paragraph.of(f"{title}: {text}") for title, text in hidden)
    items = [Item(f"{place}.findings", "Findings of the audit", "measured", (BulletList(entries),))]
    if hides:
        items.append(Item(f"{place}.hides", "What the measurements do not show", "measured", (BulletList(hides),)))
    items += [
        stated(statements, f"{place}.further_testing", "Further testing"),
        stated(statements, f"{place}.missing_groups", "Groups not represented in the evaluation data"),
        stated(statements, f"{place}.ideal_evaluation_data", "Ideal characteristics of evaluation data"),
        stated(statements, f"{place}.recommendations", "Recommendations"),
    ]
    return tuple(items)
