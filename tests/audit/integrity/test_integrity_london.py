"""Real nets on real faces: clean targets raise nothing, planted faults are named."""

from __future__ import annotations

import copy

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from countenance.audit.integrity.class_order import class_order
from countenance.audit.integrity.fit import labelled
from countenance.audit.integrity.formats import formats
from countenance.audit.integrity.material import Material
from countenance.audit.integrity.modes import modes_of
from countenance.audit.integrity.preprocessing import preprocessing
from countenance.audit.integrity.repetition import alone_or_in_batch
from countenance.core.api import run_plan
from countenance.core.errors import PlanError, Problems
from countenance.core.places import YamlDocument
from countenance.core.plan_file import check_plan


def found_by_labels(faced, net=None, **block):
    context = faced.context(net, **block)
    material = Material.read(context, 300, lambda count=1: None)
    given = labelled(material)
    check, order = class_order(material, given)
    checks = [check, *preprocessing(material, given, order)]
    return {each.name: each for each in checks}


def plan_of(root, **probe):
    folder = root / "tests" / "plans"
    content = yaml.safe_load((folder / "london_integrity.yaml").read_text(encoding="utf-8"))
    content["probes"][0].update(probe)
    return YamlDocument(content), folder


def test_one_checkpoint_in_four_formats_gives_the_same_answers(root, shared):
    document, folder = plan_of(root, faces=24)
    results = run_plan(check_plan(document, folder, Problems("plan")))
    (probe,) = results.probes
    assert probe.status == "ok", probe.reason
    assert results.gates[0].verdict == ("fail" if probe.findings else "pass")
    assert [found.severity for found in probe.findings if found.severity != "low"] == []
    measured = {item.key.partition("/")[2]: item.estimate for item in probe.measurements}
    assert measured["checks_that_differ"].n >= 12
    for suffix in ("pt", "pt2", "onnx"):
        share = measured[f"answers_changed[check=same_as_face_expression.{suffix}]"]
        assert share.value == 0, share.reason
        assert measured[f"largest_change[check=same_as_face_expression.{suffix}]"].value < 1e-4


def test_another_checkpoint_is_told_from_the_same_one(real, shared, tmp_path):
    faced = real("face_expression")
    state = load_file(shared / "models" / "face_expression.safetensors")
    state["fc.bias"] = state["fc.bias"].flip(0)
    save_file(state, tmp_path / "other.safetensors")
    material = Material.read(faced.context(), 16, lambda count=1: None)
    (check,) = formats(material, ("other.safetensors",), tmp_path, random=False)
    assert check.verdict == "differs"
    assert "do not hold the same model" in check.do
    (again,) = formats(material, ("face_expression.safetensors",), shared / "models", random=False)
    assert again.verdict == "holds"


def test_a_file_that_could_run_code_is_not_loaded(real, tmp_path):
    faced = real("mini_xception")
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pt")
    material = Material.read(faced.context(), 8, lambda count=1: None)
    (check,) = formats(material, ("whole.pt",), tmp_path, random=False)
    assert check.verdict == "not checked"
    assert "could run code" in check.seen
    assert str(tmp_path) not in check.seen


def test_a_file_that_is_not_there_is_a_mistake_of_the_plan(root, shared):
    document, folder = plan_of(root, same_as="nowhere.onnx")
    with pytest.raises(PlanError, match=r"expected same_as to name files relative to the plan, but got nowhere\.onnx"):
        check_plan(document, folder, Problems("plan"))


def test_exchanged_channels_of_face_expression_are_named_as_far_as_they_matter(real):
    faced = real("face_expression")
    wrong = found_by_labels(faced, channels="bgr")
    assert wrong["channel_order"].verdict == "differs"
    assert wrong["channel_order"].severity == "low"  # 5 of 204 answers depend on it
    assert "channels: rgb" in wrong["channel_order"].do
    assert wrong["normalisation"].verdict == "holds"


@pytest.mark.slow
def test_face_expression_as_declared_holds(real):
    assert {check.verdict for check in found_by_labels(real("face_expression")).values()} == {"holds"}


def test_pixels_of_another_range_and_batch_statistics_of_mini_xception_are_named(real):
    faced = real("mini_xception")
    clean = found_by_labels(faced)
    assert not [check for check in clean.values() if check.verdict == "differs"]
    assert clean["channel_order"].verdict == "not checked"
    assert found_by_labels(faced, std=[0.5 / 255])["normalisation"].verdict == "differs"
    net = copy.deepcopy(faced.net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.training = True
    material = Material.read(faced.context(net), 32, lambda count=1: None)
    check = alone_or_in_batch(material, modes_of(material.target), random=False)
    assert check.verdict == "differs"
    assert "stem.1" in check.do
