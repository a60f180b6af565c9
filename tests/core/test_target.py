from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from countenance.core.errors import TargetError
from countenance.core.plan import TargetSpec
from countenance.core.target import Target


def spec(**changes: Any) -> TargetSpec:
    block: dict[str, Any] = {
        "checkpoint": "a.pt",
        "task": "expression",
        "classes": ["a", "b", "c"],
        "input": {"size": [8, 10]},
        "output": "logits",
    }
    if changes.get("task") == "forgery":
        block["classes"] = []
    return TargetSpec.model_validate({**block, **changes})


def make(net: Callable[[Tensor], Any], fixed_batch: int | None = None, **changes: Any) -> Target:
    return Target(net, spec(**changes), format="module", fixed_batch=fixed_batch)


class Recorder(nn.Module):
    """Keeps its input and gives ``outputs`` for each face."""

    def __init__(self, *outputs: float) -> None:
        super().__init__()
        self.outputs = torch.tensor(outputs, dtype=torch.float32)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.outputs.expand(len(x), -1)


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand((4, 3, 8, 10), generator=torch.Generator().manual_seed(1))


# Preprocessing -------------------------------------------------------------------------------------------------------


def test_rgb_is_normalised_channel_by_channel(pixels: Tensor) -> None:
    net = Recorder(1, 2, 3)
    make(net, input={"size": [8, 10], "mean": [0.1, 0.2, 0.3], "std": [0.5, 1, 2]})(pixels)
    given, source = net.seen[0].numpy(), pixels.numpy()
    for channel, (mean, std) in enumerate([(0.1, 0.5), (0.2, 1), (0.3, 2)]):
        np.testing.assert_allclose(given[:, channel], (source[:, channel] - mean) / std, atol=1e-6)


def test_bgr_turns_the_channels_round_before_normalising(pixels: Tensor) -> None:
    net = Recorder(1, 2, 3)
    make(net, input={"size": [8, 10], "channels": "bgr", "mean": [0.1, 0.2, 0.3]})(pixels)
    np.testing.assert_allclose(net.seen[0][:, 0].numpy(), pixels[:, 2].numpy() - 0.1, atol=1e-6)
    np.testing.assert_allclose(net.seen[0][:, 2].numpy(), pixels[:, 0].numpy() - 0.3, atol=1e-6)


def test_grey_is_pillows_mode_l(pixels: Tensor) -> None:
    net = Recorder(1, 2, 3)
    make(net, input={"size": [8, 10], "channels": "grey", "mean": [0.5], "std": [0.5]})(pixels)
    assert net.seen[0].shape == (4, 1, 8, 10)
    first = (pixels[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    pillow = np.asarray(Image.fromarray(first).convert("L")) / 255
    np.testing.assert_allclose(net.seen[0][0, 0].numpy() * 0.5 + 0.5, pillow, atol=2 / 255)
    weighed = 0.299 * pixels[:, 0] + 0.587 * pixels[:, 1] + 0.114 * pixels[:, 2]
    np.testing.assert_allclose(net.seen[0][:, 0].numpy(), (weighed.numpy() - 0.5) / 0.5, atol=1e-6)


def test_one_mean_stands_for_all_channels(pixels: Tensor) -> None:
    net = Recorder(1, 2, 3)
    make(net, input={"size": [8, 10], "mean": [0.5], "std": [0.25]})(pixels)
    np.testing.assert_allclose(net.seen[0].numpy(), (pixels.numpy() - 0.5) / 0.25, atol=1e-6)


def test_pixels_are_left_alone_and_gradients_reach_them(pixels: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(240, 3))
    target = make(net, input={"size": [8, 10], "mean": [0.5], "std": [0.5]})
    before = pixels.clone()
    asked = pixels.requires_grad_()
    target.scores(asked)[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(pixels, before)
    assert asked.grad is not None
    np.testing.assert_allclose(asked.grad[0].flatten().numpy(), 2 * net[1].weight[0].detach().numpy(), rtol=1e-5)
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


# Outputs -------------------------------------------------------------------------------------------------------------


def test_logits_become_probabilities_by_softmax(pixels: Tensor) -> None:
    target = make(Recorder(1, 2, 4))
    outputs = target(pixels)
    powers = np.exp([1, 2, 4])
    np.testing.assert_allclose(target.probabilities(outputs)[0].numpy(), powers / powers.sum(), rtol=1e-6)
    assert torch.equal(target.logits(outputs), outputs)


def test_probabilities_are_passed_on_and_their_logits_are_logarithms(pixels: Tensor) -> None:
    target = make(Recorder(0.2, 0.8, 0.0), output="probabilities")
    outputs = target(pixels)
    assert torch.equal(target.probabilities(outputs), outputs)
    logits = target.logits(outputs)[0]
    np.testing.assert_allclose(logits[:2].numpy(), np.log([0.2, 0.8]), rtol=1e-6)
    assert math.isclose(float(logits[2]), math.log(1e-12), rel_tol=1e-5)
    np.testing.assert_allclose(logits.softmax(0).numpy(), [0.2, 0.8, 0], atol=1e-6)


@pytest.mark.parametrize("classes", [[], ["genuine", "forged"], ["forged", "genuine"]])
@pytest.mark.parametrize("positive", ["forged", "genuine"])
@pytest.mark.parametrize(("output", "raw"), [("logits", 2.0), ("probabilities", 0.9)])
def test_a_single_forgery_output_speaks_for_the_class_the_plan_says(
    pixels: Tensor, classes: list[str], positive: str, output: str, raw: float
) -> None:
    target = make(Recorder(raw), task="forgery", classes=classes, positive=positive, output=output)
    target.verify()
    outputs = target(pixels)
    share = 1 / (1 + math.exp(-raw)) if output == "logits" else raw
    by_class = dict(zip(target.classes, target.probabilities(outputs)[0].tolist(), strict=True))
    other = "genuine" if positive == "forged" else "forged"
    assert math.isclose(by_class[positive], share, rel_tol=1e-6)
    assert math.isclose(by_class[other], 1 - share, rel_tol=1e-5)
    again = target.logits(outputs).softmax(1)[0].tolist()
    np.testing.assert_allclose(again, list(by_class.values()), rtol=1e-5)


def test_a_net_that_gives_one_number_per_face_without_a_second_axis(pixels: Tensor) -> None:
    target = make(lambda x: x.mean((1, 2, 3)), task="forgery", positive="forged")
    target.verify()
    assert target(pixels).shape == (4, 1)


def test_action_units_have_a_probability_each(pixels: Tensor) -> None:
    target = make(Recorder(0.0, 2.0, -2.0), task="action_units", classes=["AU1", "AU2", "AU4"])
    given = target.probabilities(target(pixels))[0].numpy()
    np.testing.assert_allclose(given, 1 / (1 + np.exp([0.0, -2.0, 2.0])), rtol=1e-6)
    passed = make(Recorder(0.5, 0.9, 0.9), task="action_units", classes=["AU1", "AU2", "AU4"], output="probabilities")
    passed.verify()  # they need not sum to 1
    np.testing.assert_allclose(passed.probabilities(passed(pixels))[0].numpy(), [0.5, 0.9, 0.9])


def test_values_are_passed_on(pixels: Tensor) -> None:
    target = make(Recorder(-0.5, 0.25), task="valence_arousal", classes=[], output="values")
    target.verify()
    np.testing.assert_allclose(target.probabilities(target(pixels))[0].numpy(), [-0.5, 0.25])


# Checks --------------------------------------------------------------------------------------------------------------


def told(net: Callable[[Tensor], Any], **changes: Any) -> str:
    with pytest.raises(TargetError) as raised:
        make(net, **changes).verify()
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_a_good_target_passes() -> None:
    make(Recorder(1, 2, 3)).verify()
    make(Recorder(0.5, 0.5, 0), output="probabilities").verify()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_class_list_of_the_wrong_length(width: int) -> None:
    message = told(Recorder(*range(width)))
    assert f"the plan lists 3 classes (a, b, c), but the model gives {width} outputs" in message
    assert "list one class for each output, in their order" in message


def test_a_single_forgery_output_needs_its_side() -> None:
    assert "`positive: genuine` or `positive: forged`" in told(Recorder(1.0), task="forgery")
    assert "lists 2 classes" in told(Recorder(1, 2, 3), task="forgery")


def test_two_forgery_outputs_need_their_order_and_no_side() -> None:
    net = Recorder(1.0, -1.0)
    assert "`classes: [genuine, forged]` or `classes: [forged, genuine]`" in told(net, task="forgery")
    message = told(net, task="forgery", classes=["genuine", "forged"], positive="forged")
    assert "`positive: forged` is for a single one" in message
    for classes in (["genuine", "forged"], ["forged", "genuine"]):
        target = make(net, task="forgery", classes=classes)
        target.verify()
        assert target.classes == tuple(classes)


def test_both_sides_of_a_single_logit_have_a_gradient(pixels: Tensor) -> None:
    target = make(lambda x: x.mean((1, 2, 3)), task="forgery", positive="forged")
    asked = pixels.requires_grad_()
    for place, sign in ((0, -1), (1, 1)):
        (gradient,) = torch.autograd.grad(target.scores(asked)[:, place].sum(), asked)
        np.testing.assert_allclose(gradient.numpy(), sign / 2 / 240, rtol=1e-4)
    scores = target.scores(asked).detach()
    np.testing.assert_allclose((scores[:, 1] - scores[:, 0]).numpy(), pixels.detach().mean((1, 2, 3)), rtol=1e-6)


def test_probabilities_declared_as_logits_are_noticed() -> None:
    assert "declare `output: probabilities`?" in told(Recorder(0.2, 0.8, 0.0))
    assert "declare `output: probabilities`?" in told(Recorder(0.2, 0.8), task="forgery", classes=["genuine", "forged"])
    make(Recorder(-0.1, 0.6, 0.5)).verify()  # below zero: logits that happen to sum to 1
    make(Recorder(0.2, 0.8, 0.1)).verify()
    make(Recorder(0.4, 0.6), task="action_units", classes=["AU1", "AU2"]).verify()


def test_every_batch_of_declared_probabilities_can_be_checked() -> None:
    target = make(Recorder(0.5, 0.5, 0), output="probabilities")
    target.check_outputs(torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.2, 0.6]]))
    with pytest.raises(TargetError, match=r"sum to 1\.2, expected 1"):
        target.check_outputs(torch.tensor([[0.5, 0.5, 0.0], [0.6, 0.6, 0.0]]))
    with pytest.raises(TargetError, match="range from -1 to 2"):
        target.check_outputs(torch.tensor([[-1.0, 2.0, 0.0]]))
    with pytest.raises(TargetError, match="NaN or infinite"):
        target.check_outputs(torch.tensor([[float("nan"), 1.0, 0.0]]))
    make(Recorder(1, 2, 3)).check_outputs(torch.tensor([[-1.0, 2.0, 0.0]]))


def test_a_wrong_input_size_is_told_with_the_nets_own_words() -> None:
    message = told(nn.Sequential(nn.Flatten(), nn.Linear(300, 3)))
    assert "does not take input of 3 x 8 x 10 (target.input size (8, 10), channels rgb)" in message
    assert "shapes cannot be multiplied" in message


def test_wrong_channels_are_told_with_the_nets_own_words() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert "channels rgb" in told(net)
    assert "channel" in told(net).partition("): ")[2]
    make(net, input={"size": [8, 10], "channels": "grey"}).verify()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_outputs_that_are_not_finite(bad: float) -> None:
    message = told(Recorder(1, bad, 2))
    assert "NaN or infinite outputs for 2 of 2 faces" in message
    assert "check the checkpoint and target.input" in message


@pytest.mark.parametrize(
    ("outputs", "said"),
    [((3.0, 1, -2), "range from -2 to 3"), ((0.5, 0.9, 0.4), "sum to 1.8"), ((0.1, 0.1, 0.1), "sum to 0.3")],
)
def test_declared_probabilities_that_are_none(outputs: tuple[float, ...], said: str) -> None:
    message = told(Recorder(*outputs), output="probabilities")
    assert said in message
    assert "declare `output: logits`?" in message


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (lambda x: {"logits": x}, "one tensor (n, k), but got dict"),
        (lambda x: (x, x), "one tensor (n, k), but got tuple"),
        (lambda x: None, "but got NoneType"),
        (lambda x: torch.ones(len(x), 3).argmax(1), "floating-point outputs (n, k), but got torch.int64"),
        (lambda x: torch.ones(1, 3), "expected outputs of shape (2, k) for 2 faces, but got (1, 3)"),
        (lambda x: torch.ones(len(x), 3, 1, 1), "but got (2, 3, 1, 1)"),
    ],
)
def test_outputs_of_another_kind(net: Callable[[Tensor], Any], said: str) -> None:
    assert said in told(net)


def test_a_list_of_one_tensor_will_do(pixels: Tensor) -> None:
    target = make(lambda x: [torch.ones(len(x), 3)])
    target.verify()
    assert target(pixels).shape == (4, 3)


def test_a_model_needs_input_and_output() -> None:
    with pytest.raises(TargetError, match="needs `input` and `output`"):
        Target(Recorder(1), TargetSpec(task="forgery", predictions="p.csv"), format="module")


# A net that takes only one batch size --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_a_fixed_batch_gives_what_a_free_one_gives(count: int) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(240, 3))
    sizes: list[int] = []

    def only_three(x: Tensor) -> Tensor:
        sizes.append(len(x))
        outputs: Tensor = net(x)
        return outputs

    pixels = torch.rand((count, 3, 8, 10), generator=torch.Generator().manual_seed(count))
    fixed, free = make(only_three, fixed_batch=3), make(net)
    torch.testing.assert_close(fixed(pixels), free(pixels))
    assert set(sizes) == {3}
    fixed.verify()


# What a prediction depends on ----------------------------------------------------------------------------------------


def test_the_fingerprint_holds_all_of_the_target_block_but_its_name() -> None:
    one = make(Recorder(1, 2, 3)).fingerprint()
    assert one == make(Recorder(1, 2, 3), name="another name").fingerprint()
    for change in (
        {"classes": ["b", "a", "c"]},
        {"output": "probabilities"},
        {"input": {"size": [8, 10], "mean": [0.1]}},
        {"input": {"size": [8, 10], "std": [0.1]}},
        {"input": {"size": [8, 10], "channels": "bgr"}},
        {"arguments": {"width": 2}},
        {"factory": "a.py:B"},
    ):
        assert one != make(Recorder(1, 2, 3), **change).fingerprint(), change


def test_what_a_target_gives_and_says_of_itself() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(240, 3))
    target = Target(net, spec(), format="pt", sha256="ab", name="stem", notes=("a note",))
    assert target.gives == {"gradients", "layers"}
    assert Target(Recorder(1), spec(), format="onnx").gives == frozenset()
    summary = target.summary()
    assert (summary.name, summary.parameters, summary.sha256, summary.notes) == ("stem", 723, "ab", ["a note"])
    assert summary.input["size"] == [8, 10]
    assert repr(target) == "Target('stem', expression, pt, 10x8)"
    assert Target(net, spec(name="mine"), format="pt", name="stem").name == "mine"
