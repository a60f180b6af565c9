"""The picture of the regions for the docs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from countenance.explain.units.codebook import published_codebook
from countenance.explain.units.unit_picture import units_svg


def test_every_expression_is_drawn_with_all_its_units() -> None:
    book = published_codebook("emfacs7")
    root = ElementTree.fromstring(units_svg(book))
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text[0].isalpha()] == list(book.expressions)
    numbers = [int(number) for text in texts if text[0].isdigit() for number in text.split()]
    assert sorted(numbers) == sorted(unit for units in book.expressions.values() for unit in units)


def test_the_picture_of_the_docs_is_that_of_the_data(root: Path) -> None:
    assert (root / "docs" / "images" / "action-units.svg").read_text(encoding="utf-8") == units_svg()
