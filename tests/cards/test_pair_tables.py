"""Pairs that differ in one thing: a row for each change, and a table of classes for each."""

from __future__ import annotations

from countenance.cards.slices import by_grouping
from countenance.cards.tables import overall_blocks
from countenance.cards.tree import MeasurementRef, TableBlock
from countenance.core.keys import format_key
from countenance.core.results import Estimate, Measurement, ProbeResult

CHANGES, CLASSES = ("skin", "hair"), ("happy", "sad")


def item(metric: str, **where: str) -> Measurement:
    key = format_key("pairs", metric, where)
    return Measurement(key=key, metric=metric, slice=where, estimate=Estimate(value=0.2, n=9))


def test_changes_are_rows_and_each_has_a_table_of_its_classes():
    items = [item(metric, changed=change) for change in CHANGES for metric in ("flip_rate", "drift")]
    items += [
        item(metric, changed=change, label=label)
        for change in CHANGES
        for label in CLASSES
        for metric in ("score_change", "selection_change")
    ]
    probe = ProbeResult(id="pairs", probe="counterfactual_pairs", version=1, status="ok", measurements=items)
    (whole,) = by_grouping(probe, ["gender"])
    tables = [block for block in overall_blocks(whole) if isinstance(block, TableBlock)]
    first, *others = {table.caption: table for table in tables}.items()
    assert first[0] == "Over all pairs, by what was changed"
    assert (first[1].columns[0], [row[0] for row in first[1].rows]) == ("changed", list(CHANGES))
    assert [caption for caption, _ in others] == [f"Over all pairs, changed: {change}" for change in CHANGES]
    for change, (_, table) in zip(CHANGES, others, strict=True):
        assert [row[0] for row in table.rows] == list(CLASSES)
        assert not any("changed" in column for column in table.columns)
        quoted = [cell.key for row in table.rows for cell in row if isinstance(cell, MeasurementRef)]
        assert len(quoted) == 4
        assert all(f"changed={change}" in key for key in quoted)
