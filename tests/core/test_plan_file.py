from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countenance.core.errors import PlanError
from countenance.core.plan_file import load_gates, load_plan

COMPLETE = """\
version: 1
name: tiny
target:
  checkpoint: net.safetensors
  factory: nets.py:Brightness
  task: expression
  classes: [dark, bright]
  input: {size: 16}
  output: logits
data:
  manifest: manifest.csv
  attributes:
    gender: {assigned_by: self-reported}
probes:
  - performance
  - {probe: adversarial, id: pgd, attack: pgd, eps: [8/255]}
gates:
  - {measure: performance/accuracy, at_least: 0.8}
"""


@pytest.fixture
def fault(study: Any) -> Any:
    """Changes the complete plan's text and returns what is said of it, the folder written as F."""

    def told(*changes: tuple[str, str], text: str = COMPLETE) -> str:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        study.plan_file.write_text(text, encoding="utf-8")
        with pytest.raises(PlanError) as raised:
            load_plan(study.plan_file)
        assert raised.value.exit_code == 2
        return str(raised.value).replace(str(study.folder), "F")

    return told


def test_the_plan_these_tests_change_is_good(study: Any) -> None:
    study.plan_file.write_text("\ufeff" + COMPLETE, encoding="utf-8")
    loaded = load_plan(str(study.plan_file))
    assert loaded.plan.data.label == "label"
    assert [str(eps) for eps in loaded.params["pgd"].eps] == ["8/255"]  # type: ignore[attr-defined]
    assert loaded.folder == study.folder
    assert loaded.path("a.csv") == study.folder / "a.csv"
    assert loaded.text.endswith(COMPLETE)


def test_every_problem_is_told_at_once_with_its_line_and_the_nearest_name(fault: Any) -> None:
    told = fault(
        ("task: expression", "task: expresion"),
        ("  input: {size: 16}", "  inptu: {size: 16}"),
        ("manifest: manifest.csv", "manifest: manifest.csv\n  lable: x"),
        ("assigned_by: self-reported", "assigned_by: me"),
        ("attack: pgd", "atack: pgd"),
        ("at_least: 0.8", "at_leest: 0.8"),
        ("  - performance", "  - performence"),
    )
    lines = told.splitlines()
    assert lines[0] == "F/audit.yaml: 7 problems" or lines[0] == "F/audit.yaml: 8 problems"
    for expected in (
        "line 6 (target.task): Input should be 'expression', 'action_units'",
        "line 8 (target.inptu): unknown key 'inptu'; did you mean 'input'?",
        "line 12 (data.lable): unknown key 'lable'; did you mean 'label'?",
        "line 14 (data.attributes.gender.assigned_by): Input should be 'self-reported'",
        "line 17 (probes.1.atack): unknown key 'atack'; did you mean 'attack'?",
        "line 19 (gates.0.at_leest): unknown key 'at_leest'; did you mean 'at_least'?",
        "line 16 (probes.0): there is no probe 'performence'; did you mean 'performance'?",
    ):
        assert sum(expected in line for line in lines) == 1, expected


def test_a_value_of_the_wrong_kind_is_shown(fault: Any) -> None:
    assert "line 8 (target.input.size)" in fault(("size: 16", "size: big"))
    assert "'big'" in fault(("size: 16", "size: big"))
    assert "line 7 (target.classes.1): Input should be a valid string, but got False" in fault(("bright]", "no]"))
    assert "line 10 (data): expected a mapping of keys to values, but got None" in fault(
        ("data:\n  manifest: manifest.csv\n  attributes:\n    gender: {assigned_by: self-reported}", "data:")
    )


def test_the_branches_of_a_choice_are_one_problem(fault: Any) -> None:
    told = fault(("probes:", "run: {batch_size: many}\nprobes:"))
    assert told.startswith("F/audit.yaml: 1 problem\n")
    assert "line 14 (run.batch_size)" in told
    assert "'auto'" in told
    deeper = fault(("  attributes:", "  landmarks: {x: a, y: 'y_{}', points: 7}\n  attributes:"))
    assert deeper.startswith("F/audit.yaml: 2 problems\n")
    assert "(data.landmarks.x): expected a pattern" in deeper
    assert "(data.landmarks.points): Input should be 5, 68 or 478, but got 7" in deeper


def test_a_missing_key_is_placed_at_the_record_it_is_missing_from(fault: Any) -> None:
    assert "line 13 (data.attributes.gender): the key 'assigned_by' is missing" in fault(
        ("{assigned_by: self-reported}", "{of: image}")
    )
    assert "line 1 (the whole file): the key 'name' is missing" in fault(("name: tiny\n", ""))


def test_a_key_that_stands_twice_is_a_problem(fault: Any) -> None:
    assert "line 7: the key 'task' stands twice" in fault(("  task: expression\n", "  task: expression\n" * 2))


def test_probes_are_checked_although_the_plan_has_faults_elsewhere_and_at_their_own_place(fault: Any) -> None:
    told = fault(("name: tiny\n", ""), ("  - performance\n", "  - 3\n  - {probe: adversaral}\n"), ("8/255", "8/0"))
    assert "(probes.0): expected a mapping of keys to values, but got 3" in told
    assert "(probes.1): there is no probe 'adversaral'; did you mean 'adversarial'?" in told
    assert "(probes.2.eps.0): expected a number such as 0.03 or 8/255, but got '8/0'" in told


def test_a_gate_is_checked_before_anything_is_measured(fault: Any) -> None:
    assert "the plan has no probe with the id 'performence'; did you mean 'performance'?" in fault(
        ("performance/accuracy", "performence/accuracy")
    )
    assert "expected a measurement key" in fault(("performance/accuracy", "accuracy"))
    assert "name=value" in fault(("performance/accuracy", "'performance/accuracy[gender]'"))
    assert "the plan has no probe with the id 'adversarial'" in fault(("performance/accuracy", "adversarial/accuracy"))


def test_a_fault_of_the_plan_hides_neither_missing_files_nor_gates_on_unknown_probes(fault: Any) -> None:
    told = fault(
        ("task: expression", "task: expresion"),
        ("net.safetensors", "net.safetensor"),
        ("performance/accuracy", "performence/accuracy"),
        ("id: pgd", "id: PGD"),
        ("at_least: 0.8}", "at_least: 0.8}\n  - {measure: PGD/accuracy, at_most: 1}\n  - {measure: 3}\n  - 4"),
    )
    for expected in (
        "line 6 (target.task): Input should be",
        "line 4 (target.checkpoint): there is no file F/net.safetensor; did you mean 'net.safetensors'?",
        "line 18 (gates.0.measure): the plan has no probe with the id 'performence'; did you mean 'performance'?",
        "(probes.1",
    ):
        assert expected in told, told
    assert "no probe with the id 'PGD'" not in told


def test_a_text_that_yaml_takes_for_a_boolean_needs_quotes(fault: Any) -> None:
    told = fault(("at_least: 0.8", "where: {glasses: no}, at_least: 0.8"))
    assert "(gates.0.where.glasses)" in told
    assert "put quotes around it" in told


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_that_multiply_are_refused(study: Any, fault: Any) -> None:
    assert "stands for more than 200,000 values" in fault(text=BOMB)
    small = BOMB.partition("e: &e")[0] + "data: *d\nname: [*d]\n"
    assert len(fault(text=small)) < 3000
    study.plan_file.write_text(BOMB)
    with pytest.raises(PlanError, match="200,000 values"):
        load_gates(study.plan_file)


def test_gates_are_read_from_a_plan_or_a_list_and_checked_like_a_plan(study: Any) -> None:
    study.plan_file.write_text(COMPLETE)
    assert [gate.measure for gate in load_gates(study.plan_file)] == ["performance/accuracy"]
    study.plan_file.write_text("- {measure: other/x, at_most: 1/3}\n")
    assert load_gates(study.plan_file)[0].at_most == 1 / 3
    faults = "{measure: p/x, at_leest: 1}\n  - {measure: x, at_most: 1}\n  - {measure: p/x, at_most: 1, at_most: 2}\n"
    for text, first in (("name: x\ngates:\n  - " + faults, 3), ("\n  - " + faults, 2)):
        study.plan_file.write_text(text)
        with pytest.raises(PlanError) as raised:
            load_gates(study.plan_file)
        told = str(raised.value)
        assert f"line {first} (" in told
        assert "unknown key 'at_leest'; did you mean 'at_least'?" in told
        assert f"line {first + 1} (" in told
        assert "expected a measurement key" in told
        assert f"line {first + 2}: the key 'at_most' stands twice" in told
    unread = {"[" * 1200: "nested too deeply", "a: [": "not YAML", "a: 1": "no gates", "3": "a valid list"}
    for text, said in unread.items():
        study.plan_file.write_text(text)
        with pytest.raises(PlanError, match=said):
            load_gates(study.plan_file)


def test_missing_files_are_named_with_the_nearest(fault: Any) -> None:
    told = fault(
        ("net.safetensors", "net.safetensor"),
        ("nets.py:", "net.py:"),
        ("manifest: manifest.csv", "manifest: data/manifest.csv\n  landmarks: points.npz"),
        ("probes:", "card: images\nprobes:"),
    )
    assert "line 4 (target.checkpoint): there is no file F/net.safetensor; did you mean 'net.safetensors'?" in told
    assert "line 5 (target.factory): there is no file F/net.py; did you mean 'nets.py'?" in told
    assert "line 11 (data.manifest): there is no file F/data/manifest.csv (nor the folder F/data)" in told
    assert "line 12 (data.landmarks): there is no file F/points.npz" in told
    assert "(card): expected a file at F/images, but there is a folder" in told


@pytest.mark.parametrize("name", ["x" * 5000, '"a\\0b"', "'~'", "''"])
def test_a_name_that_can_be_no_file_is_a_problem_and_no_crash(fault: Any, name: str) -> None:
    assert "line 11 (data.manifest)" in fault(("manifest.csv", name))


def test_what_json_cannot_hold_is_refused_before_hours_are_spent(fault: Any) -> None:
    assert "finite" in fault(("0.8", ".nan"))
    assert "finite" in fault(("{assigned_by: self-reported}", "{assigned_by: self-reported, bins: [0, .inf]}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a mapping with target, data and probes, but got NoneType"),
        ("- a\n", "but got list"),
        ("hello", "but got str"),
        ("a: [1\nb: {", "is not YAML: line 2"),
        ("a:\n\t- b", "is not YAML: line 2, column 1"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML: line 1, column 4"),
        ("[" * 1200, "nested too deeply"),
        ("a: &a [*a]", "unknown key 'a'"),
        ("1: 2", "Keys should be strings"),
        ("name: \x01", "is not YAML"),
    ],
)
def test_what_is_no_plan_at_all(fault: Any, text: str, said: str) -> None:
    assert said in fault(text=text)


def test_a_plan_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such file"):
        load_plan(tmp_path / "none.yaml")
    with pytest.raises(PlanError, match="cannot be read as a text file"):
        load_plan(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="cannot be read as a text file"):
        load_plan(tmp_path / "a.yaml")


def test_a_plan_cannot_trust_its_checkpoint(fault: Any) -> None:
    assert "unknown key 'trust_checkpoint'" in fault(("  output: logits", "  output: logits\n  trust_checkpoint: true"))
    assert "unknown key 'trust'" in fault(("probes:", "run: {trust: true}\nprobes:"))


def test_aligned_landmarks_need_no_file(study: Any) -> None:
    loaded = study.load(study.changed(data={"landmarks": "aligned"}))
    assert loaded.landmarks_file == "aligned"
    assert study.load(study.changed(data={"landmarks": "manifest.csv"})).landmarks_file == study.folder / "manifest.csv"
    assert study.load().landmarks_file is None


def test_a_gate_on_a_contested_account_asks_for_an_acknowledgement(study: Any) -> None:
    """Agreement with the Ekman masks is agreement with one account that many researchers dispute."""
    study.plan["probes"] = ["global_heatmaps"]
    study.plan["gates"] = [{"measure": "global_heatmaps/iou[label=happy]", "at_least": 0.2}]
    with pytest.raises(PlanError, match=r"gates\.0.*contested account.*acknowledge: contested account"):
        load_plan(study.write_plan())
    study.plan["gates"][0]["acknowledge"] = "contested account"
    assert load_plan(study.write_plan()).plan.gates[0].acknowledge == "contested account"
    study.plan["gates"] = [{"measure": "global_heatmaps/energy_outside_face[label=happy]", "at_most": 0.5}]
    load_plan(study.write_plan())
