from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from countenance.core.errors import UsageError
from countenance.synth.counterfactuals import CHANGES, CONTROL, draw_pairs, main, pair_sheet, pairs_of
from countenance.synth.draw import draw_face


def test_pairs_differ_in_what_they_say_and_in_nothing_else():
    moved = {
        "skin_tone": {"monk_tone"},
        "presentation": {"presentation", "hair", "beard", "rouge"},
        "hair": {"hair"},
        "glasses": {"glasses"},
        "beard": {"beard"},
        "background": set(),
        CONTROL: set(),
    }
    seen = set()
    for pair in pairs_of(6, 1, expressions=("happy",)):
        seen.add(pair.changed)
        first, second = vars(pair.a.person.look), vars(pair.b.person.look)
        assert {name for name in first if first[name] != second[name]} <= moved[pair.changed]
        assert pair.a.person.geometry == pair.b.person.geometry
        others = {"person": pair.a.person}
        if pair.changed == "background":
            assert pair.a.background != pair.b.background
            others["background"] = pair.a.background
        if pair.changed == CONTROL:
            assert pair.a.noise_seed != pair.b.noise_seed
            others["noise_seed"] = pair.a.noise_seed
        assert replace(pair.b, **others) == pair.a
    assert seen == set(CHANGES)


def test_a_change_is_seen_where_it_is_and_a_control_hardly():
    sizes = {}
    for pair in pairs_of(4, 2, expressions=("neutral",)):
        a, b = (draw_face(face, 48).image.astype(float) for face in (pair.a, pair.b))
        sizes.setdefault(pair.changed, []).append(np.quantile(np.abs(a - b), 0.99))
    assert min(np.mean(sizes[name]) for name in CHANGES if name != CONTROL) > 3 * np.mean(sizes[CONTROL])


def test_skin_goes_from_light_to_dark():
    for pair in pairs_of(5, 3, ["skin_tone"], ["neutral"]):
        assert pair.a.person.look.skin_tone == pair.first == "light"
        assert pair.b.person.look.skin_tone == pair.second == "dark"


def test_a_table_is_written_and_the_same_arguments_write_the_same(tmp_path):
    made = [draw_pairs(tmp_path / name, 2, 4, expressions=["happy"], size=40) for name in ("x", "y")]
    assert made[0].pairs.read_bytes() == made[1].pairs.read_bytes()
    with made[0].pairs.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == made[0].count == 2 * (len(CHANGES) - 1)  # the two are of feminine presentation: no beard
    assert len({row["pair_id"] for row in rows}) == len(rows)
    for row in rows:
        for side in "ab":
            with Image.open(tmp_path / "x" / row[f"path_{side}"]) as picture:
                assert picture.size == (40, 40)
        assert row["changed"] in CHANGES
        assert "expression" in row["kept"]
    with pytest.raises(UsageError, match="Name another folder"):
        draw_pairs(tmp_path / "x", 1)


def test_unknown_changes_and_expressions_are_refused():
    with pytest.raises(UsageError, match="did you mean 'glasses'"):
        list(pairs_of(1, 0, ["glases"]))
    with pytest.raises(UsageError, match="did you mean 'happy'"):
        list(pairs_of(1, 0, expressions=["hapy"]))


def test_the_command_writes_pairs_and_a_sheet(tmp_path, capsys):
    main([str(tmp_path / "p"), "--subjects", "1", "--changes", "noise", "--expressions", "happy", "--size", "40"])
    assert "1 pairs" in capsys.readouterr().out
    main([str(tmp_path / "sheet.png"), "--subjects", "1", "--size", "32"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 2 * 32 * len(CHANGES)
    assert pair_sheet(1, 0, 32).height == 32 + 16
