from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import countenance
from countenance.core.errors import CountenanceError, ManifestError, PlanError, TargetError, UsageError
from countenance.core.live import LiveModel, hash_of_weights
from countenance.core.plan import TargetSpec
from countenance.core.probes import Note, Output, ProbeContext, ProbeParams


class Odd(nn.Module):
    """In training mode, with a frozen layer and a part in evaluation mode: a state that must come back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 2)
        self.train()
        self.norm.eval()
        self.conv.weight.requires_grad_(False)
        self.seen_training: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen_training.append(any(part.training for part in self.modules()))
        outputs: Tensor = self.head(self.drop(torch.relu(self.norm(self.conv(x))).mean((2, 3))))
        return outputs


def state_of(net: nn.Module) -> dict[str, Any]:
    """Everything an audit could leave changed."""
    return {
        "training": {name: part.training for name, part in net.named_modules()},
        "gradients": {name: parameter.requires_grad for name, parameter in net.named_parameters()},
        "grad": {name: parameter.grad is None for name, parameter in net.named_parameters()},
        "values": {name: tensor.clone() for name, tensor in net.state_dict().items()},
        "hooks": {
            name: [len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks)]
            for name, part in net.named_modules()
        },
        "methods": {name: "forward" in vars(part) for name, part in net.named_modules()},
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    values, later = before.pop("values"), after.pop("values")
    assert before == after
    assert values.keys() == later.keys()
    assert all(torch.equal(values[name], later[name]) for name in values)


@pytest.fixture
def call(study: Any, making: ModuleType) -> dict[str, Any]:
    """The arguments of a live audit of the study's faces."""
    return {
        "faces": study.table,
        "folder": study.folder,
        "classes": making.CLASSES,
        "input": {"size": making.SIDE},
        "data": {"subject": "subject", "attributes": {"gender": {"assigned_by": "self-reported"}}, "min_subjects": 2},
        "probes": ["performance", "group_metrics"],
        "batch_size": 5,
    }


def test_a_live_module_gives_what_its_checkpoint_gives(study: Any, making: ModuleType, call: dict[str, Any]) -> None:
    call["data"]["box"] = ["x0", "y0", "x1", "y1"]
    live = countenance.run(model=making.brightness_net(), seed=3, **call)
    loaded = study.run(plan=study.changed(probes=["performance", "group_metrics"]))
    assert [item.key for item in live.measurements()] == [item.key for item in loaded.measurements()]
    for item in loaded.measurements():
        assert live[item.key].estimate.value == pytest.approx(item.estimate.value)
    assert (live.target.name, live.target.format) == ("Brightness", "module")
    assert live.name == "audit"


def test_a_module_is_left_as_it_was_found(call: dict[str, Any]) -> None:
    net = Odd()
    before = state_of(net)
    call["probes"] = ["performance", "group_metrics", {"probe": "adversarial", "attack": "pgd", "steps": 2}]
    results = countenance.run(model=net, **call)
    assert {probe.status for probe in results.probes} == {"ok"}
    assert net.seen_training
    assert not any(net.seen_training)
    assert_same(before, state_of(net))


def test_hooks_and_gradients_are_gone_after_heatmaps(study: Any, call: dict[str, Any]) -> None:
    net = Odd()
    before = state_of(net)
    call["classes"] = ["neutral", "happy"]
    call["faces"] = study.table.assign(label=["neutral", "happy"] * 12)
    call["data"]["landmarks"] = "aligned"
    call["probes"] = ["global_heatmaps"]
    results = countenance.run(model=net, **call)
    assert results.probes[0].status == "ok", results.probes[0].reason
    assert_same(before, state_of(net))


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_module_is_left_as_it_was_found_also_after_an_exception(
    call: dict[str, Any], add_probe: Any, error: BaseException
) -> None:
    def breaks(context: ProbeContext, params: ProbeParams) -> Iterator[Output]:
        handle = context.model.net.register_forward_hook(lambda *_: None)  # type: ignore[union-attr]
        try:
            raise error
        finally:
            handle.remove()
        yield Note("")

    add_probe("breaks", breaks)
    net = Odd()
    before = state_of(net)
    call["probes"] = ["breaks"]
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            countenance.run(model=net, **call)
    else:
        assert countenance.run(model=net, **call).probes[0].status == "failed"
    assert_same(before, state_of(net))


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["a", "b", "c"]},
        {"input": {"size": 16, "channels": "grey"}},
        {"output": "probabilities"},
    ],
)
def test_a_module_that_does_not_fit_is_left_as_it_was_found(call: dict[str, Any], change: dict[str, Any]) -> None:
    net = Odd()
    with torch.no_grad():
        net.head.bias.copy_(torch.tensor([3.0, -3.0]))
    before = state_of(net)
    call["faces"] = call["faces"].drop(columns="label")
    with pytest.raises(TargetError):
        countenance.run(model=net, **{**call, **change})
    assert_same(before, state_of(net))


def test_a_run_folder_is_written_and_gone_on_with(study: Any, making: ModuleType, call: dict[str, Any]) -> None:
    out = study.folder / "live"
    first = countenance.run(model=making.brightness_net(), out=out, **call)
    assert countenance.load_results(out) == first
    assert not (study.folder / ".countenance-cache").exists()
    again = countenance.run(model=making.brightness_net(), out=str(out), resume=True, **call)
    assert again.probes == first.probes
    other = making.brightness_net()
    with torch.no_grad():
        other.conv.bias.add_(0.1)
    with pytest.raises(UsageError, match="the target changed"):
        countenance.run(model=other, out=out, resume=True, **call)
    comparison = countenance.compare(first, out)
    assert comparison.same_data


def test_results_render_in_a_notebook(making: ModuleType, call: dict[str, Any]) -> None:
    call["gates"] = [{"measure": "performance/accuracy", "at_least": 0.5}]
    page = countenance.run(model=making.brightness_net(), name="<b>bold</b>", **call)._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<td>performance/accuracy</td>" in page
    assert "24 faces, target Brightness" in page


def test_a_frame_without_labels_runs(making: ModuleType, call: dict[str, Any]) -> None:
    call["faces"] = call["faces"].drop(columns="label")
    results = countenance.run(model=making.brightness_net(), **call)
    assert results.probe("performance").status == "skipped"  # type: ignore[union-attr]


def test_paths_may_be_absolute(study: Any, making: ModuleType, call: dict[str, Any], monkeypatch: Any) -> None:
    call["faces"] = study.table.assign(path=[str(study.folder / path) for path in study.table["path"]])
    call.pop("folder")
    monkeypatch.chdir(study.folder.parent)
    assert countenance.run(model=making.brightness_net(), **call).data.faces == 24


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"classes": []}, PlanError, "at least two classes"),
        ({"input": None}, PlanError, "needs input too"),
        (
            {"input": {"size": 16, "mena": [0]}},
            PlanError,
            "target.input.mena: unknown key 'mena'; did you mean 'mean'?",
        ),
        ({"probes": ["performence"]}, PlanError, "did you mean 'performance'?"),
        ({"task": "emotion"}, PlanError, "target.task"),
        ({"data": {"subject": "persn"}}, ManifestError, "'persn', which is not there"),
        ({"faces": pd.DataFrame({"path": []})}, ManifestError, "the data frame has no row"),
        ({"model": None}, UsageError, "both a model and faces"),
        ({"plan": "audit.yaml"}, UsageError, "either a plan, or a model and faces"),
    ],
)
def test_a_call_that_cannot_be_says_why_without_speaking_of_lines(
    making: ModuleType, call: dict[str, Any], change: dict[str, Any], error: type[CountenanceError], said: str
) -> None:
    with pytest.raises(error) as raised:
        countenance.run(**{"model": making.brightness_net(), **call, **change})
    assert said in str(raised.value)
    assert "line 1" not in str(raised.value)


def test_a_function_is_no_module() -> None:
    block = {"checkpoint": "x", "task": "expression", "classes": ["a", "b"], "input": {"size": 8}, "output": "logits"}
    with pytest.raises(TargetError, match=r"expected `model` to be a torch\.nn\.Module, but got function"):
        LiveModel(lambda x: x, TargetSpec.model_validate(block), "cpu")  # type: ignore[arg-type]


def test_the_hash_of_the_weights_sees_every_parameter_and_buffer() -> None:
    def made() -> Odd:
        torch.manual_seed(0)
        return Odd()

    assert hash_of_weights(made()) == hash_of_weights(made())
    seen = {hash_of_weights(made())}
    for name in made().state_dict():
        net = made()
        tensor = net.state_dict()[name]
        tensor.add_(1)
        seen.add(hash_of_weights(net))
    seen.add(hash_of_weights(made().half()))
    assert len(seen) == len(made().state_dict()) + 2


def test_the_public_names_are_there_and_documented() -> None:
    assert {"__version__", "compare", "load_results", "run"} <= set(dir(countenance))
    for name in set(dir(countenance)) - {"__version__"}:
        assert getattr(countenance, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        countenance.nothing  # type: ignore[attr-defined]
