"""The demonstration's folder holds all that its plans name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from countenance.core.errors import UsageError
from countenance.core.plan_file import load_plan
from countenance.synth.demo import NETS, prepare_demo, shipped
from countenance.synth.expression import EXPRESSIONS


def test_plans_name_files_that_are_there(tmp_path: Path) -> None:
    demo = prepare_demo(tmp_path / "demo", faces=10)
    assert demo.faces.subjects == 2
    assert demo.faces.faces == 14
    for name, plan_file in zip(NETS, (demo.flawed, demo.twin), strict=True):
        plan = load_plan(plan_file).plan
        assert plan.target.classes == list(EXPRESSIONS)
        assert plan.target.factory == "countenance.synth.nets:DrawnFaceNet"
        for path in (plan.target.checkpoint, plan.data.manifest, plan.data.landmarks, plan.card):
            assert isinstance(path, str)
            assert (plan_file.parent / path).is_file()
            assert not Path(path).is_absolute()
        assert (plan_file.parent / f"{name}.safetensors").read_bytes() == shipped(f"{name}.safetensors")
    assert json.loads(demo.truth.read_text(encoding="utf-8"))["flawed"]["recipe"]["name"] == "flawed"


def test_both_plans_differ_only_in_the_net(tmp_path: Path) -> None:
    demo = prepare_demo(tmp_path, faces=7)
    flawed, twin = (file.read_text(encoding="utf-8") for file in (demo.flawed, demo.twin))
    assert flawed.replace("flawed", "twin") == twin
    assert flawed != twin


def test_a_demonstration_is_not_written_over_and_needs_a_face(tmp_path: Path) -> None:
    prepare_demo(tmp_path, faces=7)
    with pytest.raises(UsageError, match="no manifest yet"):
        prepare_demo(tmp_path, faces=7)
    with pytest.raises(UsageError, match="Expected `faces`"):
        prepare_demo(tmp_path / "other", faces=3)


def test_cards_state_what_the_schema_asks(tmp_path: Path) -> None:
    statements = pytest.importorskip("countenance.cards.statements")
    prepare_demo(tmp_path, faces=7)
    for name in NETS:
        stated = statements.load_statements(tmp_path / f"{name}.card.yaml")
        assert stated.model_details.license == "Apache-2.0"
        assert "planted" in stated.intended_use.primary_uses[0]
