"""Tables of numbers over all groups of an attribute: what stands beside them, their order, and what is missing."""

from __future__ import annotations

from countenance.cards.indices import FEW, MOST_ROWS, few, index_blocks, index_meanings, indices_of
from countenance.cards.tree import BulletList, MeasurementRef, TableBlock
from countenance.core.keys import format_key
from countenance.core.results import Estimate, Measurement, ProbeResult


def item(metric: str, value: float | None, attribute: str = "gender", label: str | None = None) -> Measurement:
    where = {"attribute": attribute} | ({"label": label} if label else {})
    estimate = Estimate(value=value, n=100) if value is not None else Estimate(value=None, reason="one group.")
    return Measurement(key=format_key("i", metric, where), metric=metric, slice=where, estimate=estimate)


def probe(*items: Measurement) -> ProbeResult:
    return ProbeResult(id="i", probe="group_indices", version=1, status="ok", measurements=list(items))


def many(attribute: str, count: int, p: float) -> list[Measurement]:
    found = []
    for n in range(count):
        found += [
            item("garbe", 0.2, attribute, f"c{n}"),
            item("garbe.null_permuted", 0.1, attribute, f"c{n}"),
            item("garbe.p", p / 2, attribute, f"c{n}"),
            item("garbe.p_adjusted", p + n / 100, attribute, f"c{n}"),
        ]
    return found


def tables(found: ProbeResult, intersectional: bool | None = None) -> list[TableBlock]:
    return [block for block in index_blocks(found, intersectional) if isinstance(block, TableBlock)]


def test_each_number_stands_beside_what_chance_gives_and_one_p_value():
    (table,) = tables(probe(*many("gender", FEW + 1, 0.02)))
    assert table.columns == ("measure", "value", "by chance", "adjusted p")
    quoted = [cell.key for cell in table.rows[0] if isinstance(cell, MeasurementRef)]
    assert quoted == [f"i/garbe{end}[attribute=gender,label=c0]" for end in ("", ".null_permuted", ".p_adjusted")]
    assert table.rows[0][0] == "GARBE of c0"


def test_the_attribute_least_likely_by_chance_comes_first_and_long_tables_end():
    found = probe(*many("age", MOST_ROWS + 3, 0.4), *many("gender&age", FEW + 1, 0.01))
    first, second = tables(found)
    assert first.caption == "Over all groups of gender × age"
    assert second.caption.startswith(f"Over all groups of age (the {MOST_ROWS} of {MOST_ROWS + 3} that chance explains")
    assert len(second.rows) == MOST_ROWS
    assert [table.caption for table in tables(found, True)] == [first.caption]
    assert [table.caption for table in tables(found, False)] == [second.caption]


def test_a_few_numbers_of_each_attribute_share_a_table():
    found = probe(item("nmi", 0.1), item("nmi.null_permuted", 0.02), item("nmi", 0.2, "age"), item("nmi.p", 0.1, "age"))
    (table,) = tables(found)
    assert [str(row[0]).partition(", by ")[2] for row in table.rows] == ["gender", "age"]
    assert table.rows[0][3] == "–"


def test_what_was_not_measured_says_why_and_gaps_are_no_indices():
    gone = [item("garbe", None, "age", f"c{n}") for n in range(6)]
    found = probe(*gone, item("recall.gap", 0.1), item("recall.gap.p", 0.1))
    assert len(indices_of(found)) == 6
    (told,) = [entry for block in index_blocks(found) if isinstance(block, BulletList) for entry in block.items]
    assert told.parts == (
        "Not measured over the groups of age: GARBE of c0, GARBE of c1, GARBE of c2, GARBE of c3 and 2 more. "
        "Why: one group.",
    )
    assert few(["a", "b"], 2) == "a, b"


def test_each_number_is_explained_once():
    (told,) = index_meanings(probe(*many("age", 3, 0.1), item("nsd", None))).items
    assert str(told.parts[0]).startswith("GARBE: weighted mean of the Gini coefficients")
