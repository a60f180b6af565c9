"""Attention rollout and its gradient-weighted form, against slow re-implementations from captured matrices."""

from __future__ import annotations

import pytest
import torch
from timm_nets import exported, pixels, program, side, state_of, target_of, timm_net
from torch import Tensor, nn

from countenance.core.errors import UsageError
from countenance.core.target import Target
from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.attention import METHODS, AttentionExplainer, build, gradient_rollout, rollout
from countenance.explain.attribution.attention_capture import AttentionRecorder, capture_attention
from countenance.explain.attribution.cam import normalise
from countenance.explain.attribution.method import AttributionSettings, Built, MapBatch, Request

BOTH = ("attention_rollout", "gradient_attention")
CLASSES = torch.tensor([0, 3, 6])


def request(name: str) -> Request:
    return Request(pixels(name), CLASSES, (0, 1, 2))


def built_for(target: Target, batch_size: int = 16) -> Built:
    return build(target, BOTH, layer=None, batch_size=batch_size, settings=AttributionSettings())


def explainer_for(target: Target, batch_size: int = 16) -> AttentionExplainer:
    built = built_for(target, batch_size)
    assert not built.unavailable, built.unavailable
    (explainer,) = built.explainers
    assert isinstance(explainer, AttentionExplainer)
    return explainer


def maps_of(target: Target, name: str, batch_size: int = 16) -> dict[str, MapBatch]:
    return explainer_for(target, batch_size).explain(request(name))


def same(found: dict[str, MapBatch], expected: dict[str, MapBatch]) -> None:
    for method in BOTH:
        assert found[method].problems == expected[method].problems == (None, None, None)
        torch.testing.assert_close(found[method].maps, expected[method].maps, atol=1e-4, rtol=0)


def matrices_by_hooks(name: str) -> tuple[list[Tensor], list[Tensor]]:
    """Take attention and its gradients from unfused timm blocks, where a dropout receives each matrix."""
    net = timm_net(name)
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs[0].retain_grad()
        kept.append(inputs[0])

    for block in net.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(keep)
    outputs = net((pixels(name) - 0.5) / 0.5)
    outputs.gather(1, CLASSES[:, None]).sum().backward()
    return [weights.detach() for weights in kept], [weights.grad for weights in kept if weights.grad is not None]


def slow_rollout(matrices: list[Tensor], face: int) -> Tensor:
    tokens = matrices[0].shape[-1]
    flow = torch.eye(tokens, dtype=torch.float64)
    for weights in matrices:
        heads = weights[face].double()
        layer = torch.zeros(tokens, tokens, dtype=torch.float64)
        for head in heads:
            layer += head / len(heads)
        layer = 0.5 * layer + 0.5 * torch.eye(tokens, dtype=torch.float64)
        flow = torch.tensor([[float(layer[i] @ flow[:, j]) for j in range(tokens)] for i in range(tokens)]).double()
    return flow


def slow_gradient_rollout(matrices: list[Tensor], gradients: list[Tensor], face: int) -> Tensor:
    tokens = matrices[0].shape[-1]
    relevance = torch.eye(tokens, dtype=torch.float64)
    for weights, gradient in zip(matrices, gradients, strict=True):
        layer = torch.zeros(tokens, tokens, dtype=torch.float64)
        for head, slope in zip(weights[face].double(), gradient[face].double(), strict=True):
            layer += (head * slope).clamp(min=0) / weights.shape[1]
        relevance = relevance + layer @ relevance
    return relevance


@pytest.mark.parametrize(
    ("name", "rows", "prefix"), [("vit", [0], 1), ("deit", [0, 1], 2), ("registers", [0], 5), ("oblong", [0], 1)]
)
def test_maps_equal_a_slow_reading_of_the_matrices(name: str, rows: list[int], prefix: int) -> None:
    found = maps_of(target_of(timm_net(name), side(name)), name)
    matrices, gradients = matrices_by_hooks(name)
    assert len(matrices) == len(gradients) >= 2
    grid = side(name)[0] // 16, side(name)[1] // 16
    for face in range(3):
        flows = (slow_rollout(matrices, face), slow_gradient_rollout(matrices, gradients, face))
        for method, flow in zip(BOTH, flows, strict=True):
            read = torch.stack([flow[row, prefix:] for row in rows]).mean(0).reshape(1, *grid)
            expected = normalise(read.float(), side(name)).maps[0]
            torch.testing.assert_close(found[method].maps[face], expected, atol=1e-4, rtol=0)


def test_rollout_keeps_rows_that_add_up_to_one() -> None:
    matrices = torch.rand((4, 2, 3, 6, 6), generator=torch.Generator().manual_seed(0)).mul(3).softmax(-1)
    torch.testing.assert_close(rollout(list(matrices)).sum(-1), torch.ones(2, 6))
    torch.testing.assert_close(rollout([torch.eye(6).expand(2, 3, 6, 6)] * 3), torch.eye(6).expand(2, 6, 6))
    assert not gradient_rollout(list(matrices), [None] * 4).any()
    assert not gradient_rollout(list(matrices), [-torch.ones(2, 3, 6, 6)] * 4).any(), "what speaks against is left out"


def test_rollout_does_not_depend_on_the_class_and_the_other_does() -> None:
    explainer = explainer_for(target_of(timm_net("vit"), side("vit")))
    first = explainer.explain(request("vit"))
    other = explainer.explain(Request(pixels("vit"), CLASSES.flip(0), (0, 1, 2)))
    assert torch.equal(first["attention_rollout"].maps, other["attention_rollout"].maps)
    assert not torch.allclose(first["gradient_attention"].maps[0], other["gradient_attention"].maps[0], atol=0.05)
    assert "class plays no part" in METHODS["attention_rollout"].about


@pytest.mark.parametrize("name", ["vit", "deit", "swin"])
def test_outputs_stay_where_they_were(name: str) -> None:
    net, x = timm_net(name), pixels(name)
    with torch.no_grad():
        expected = net(x)
    seen = capture_attention(net, x, lambda outputs: outputs[:, 0].sum())
    assert float((seen.outputs - expected).abs().max()) < 1e-5
    assert len(seen.matrices) == len(seen.gradients) > 1
    for matrix in seen.matrices:
        torch.testing.assert_close(matrix.sum(-1), torch.ones(matrix.shape[:-1]))


def test_fused_and_unfused_attention_give_the_same_maps() -> None:
    net = timm_net("vit")
    for block in net.blocks:  # type: ignore[union-attr]
        assert block.attn.fused_attn
        block.attn.fused_attn = False
    same(maps_of(target_of(net, side("vit")), "vit"), maps_of(target_of(timm_net("vit"), side("vit")), "vit"))


def test_a_program_gives_the_same_maps() -> None:
    expected = maps_of(target_of(timm_net("vit"), side("vit")), "vit")
    same(maps_of(target_of(program("vit"), side("vit"), "pt2"), "vit"), expected)


@pytest.mark.parametrize("decomposed", [False, True])
def test_a_program_for_two_faces_gives_the_same_maps(decomposed: bool) -> None:
    net = timm_net("vit")
    expected = maps_of(target_of(net, side("vit")), "vit")
    graph = exported(net, pixels("vit"), decomposed=decomposed, dynamic=False)
    same(maps_of(target_of(graph, side("vit"), "pt2", fixed_batch=2), "vit"), expected)


def test_faces_are_explained_the_same_in_any_batch() -> None:
    target = target_of(timm_net("vit"), side("vit"))
    same(maps_of(target, "vit", batch_size=2), maps_of(target, "vit"))


def test_without_a_class_token_the_mean_over_all_tokens_is_read() -> None:
    explainer = explainer_for(target_of(timm_net("mean"), side("mean")))
    assert explainer.read_from == "mean of the 16 tokens that the head reads; 4 x 4 tokens, no class token"
    matrices, gradients = matrices_by_hooks("mean")
    found = explainer.explain(request("mean"))
    for method, flow in (
        ("attention_rollout", slow_rollout(matrices, 1)),
        ("gradient_attention", slow_gradient_rollout(matrices, gradients, 1)),
    ):
        expected = normalise(flow.mean(0).reshape(1, 4, 4).float(), (64, 64)).maps[0]
        torch.testing.assert_close(found[method].maps[1], expected, atol=1e-4, rtol=0)


def test_what_is_read_is_said() -> None:
    for name, expected in (("vit", "class token; 4 x 4"), ("deit", "mean of the 2 prefix tokens")):
        assert explainer_for(target_of(timm_net(name), side(name))).read_from.startswith(expected)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet", "no attention"),
        ("convnext", "no attention"),
        ("swin", "within windows (16 of 16 tokens"),
        ("cait", "16 to 16, 1 to 17"),
        ("pvt", "not every layer attends among the same tokens"),
    ],
)
def test_nets_without_attention_among_all_tokens_are_left_out_with_the_reason(name: str, reason: str) -> None:
    built = built_for(target_of(timm_net(name), side(name)))
    assert not built.explainers
    assert set(built.unavailable) == set(BOTH)
    assert all(reason in told for told in built.unavailable.values()), built.unavailable


def test_a_net_is_left_as_it_was_also_after_an_exception() -> None:
    net = timm_net("vit").train()
    target = target_of(net, side("vit"))
    before = state_of(net)
    explainer = explainer_for(target)
    explainer.explain(request("vit"))
    assert state_of(net) == before
    broken = net.get_submodule("head").register_forward_pre_hook(
        lambda module, inputs: (_ for _ in ()).throw(ZeroDivisionError("in the net"))
    )
    with pytest.raises(ZeroDivisionError):
        explainer.explain(request("vit"))
    broken.remove()
    assert state_of(net) == before
    with pytest.raises(UsageError, match="classes from 0 to 6"):
        explainer.explain(Request(pixels("vit"), CLASSES + 3, (0, 1, 2)))
    query = torch.rand(1, 1, 3, 4)
    recorder = AttentionRecorder()
    torch.nn.functional.scaled_dot_product_attention(query, query, query)
    assert not recorder.matrices, "nothing is replaced outside"


@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"scale": 0.3}, {"mask": "bool"}, {"mask": "float"}])
def test_attention_step_by_step_equals_torch(settings: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.rand((2, 3, 5, 4), generator=generator) for _ in range(3))
    given = dict(settings)
    kind = given.pop("mask", None)
    if kind is not None:
        drawn = torch.rand((5, 5), generator=generator)
        given["attn_mask"] = (drawn > 0.4) | torch.eye(5, dtype=torch.bool) if kind == "bool" else drawn
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, **given)  # type: ignore[arg-type]
    with AttentionRecorder() as recorder:
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, **given)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(recorder.matrices[0] @ value, expected)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_multi_head_attention_step_by_step_equals_torch(bias: bool, need_weights: bool, batch_first: bool) -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first).eval()
    x = torch.rand(5, 5, 12)
    expected, weights = attention(x, x, x, need_weights=need_weights)
    with AttentionRecorder() as recorder:
        found, ours = attention(x, x, x, need_weights=need_weights)
    torch.testing.assert_close(found, expected)
    assert len(recorder.matrices) == 1
    assert recorder.matrices[0].shape == (5, 3, 5, 5)
    assert (ours is None) == (weights is None)
    if weights is not None:
        torch.testing.assert_close(ours, weights)


def test_attention_that_cannot_be_seen_is_named() -> None:
    attention = nn.MultiheadAttention(12, 3, add_bias_kv=True).eval()
    x = torch.rand(5, 2, 12)
    expected, _ = attention(x, x, x, need_weights=False)
    with AttentionRecorder() as recorder:
        found, _ = attention(x, x, x, need_weights=False)
    torch.testing.assert_close(found, expected)
    assert recorder.closed
    assert not recorder.matrices


def test_torchvision_attention_is_seen() -> None:
    ensure_torchvision_importable()
    models = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    torch.manual_seed(0)
    vit = models.vision_transformer.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=7).eval()
    nn.init.normal_(vit.heads.head.weight)
    explainer = explainer_for(target_of(vit, (64, 64)))
    assert explainer.read_from == "class token; 4 x 4 tokens after 1 class token"
    found = explainer.explain(request("vit"))
    kept: list[Tensor] = []
    for layer in vit.encoder.layers:
        layer.self_attention.register_forward_hook(
            lambda module, inputs, output: (
                kept.append(module(*inputs, need_weights=True)[1].detach())
                if len(kept) < 2 and not getattr(module, "asked", False) and not setattr(module, "asked", True)
                else None
            )
        )
    vit((pixels("vit") - 0.5) / 0.5)
    flow = slow_rollout([weights[:, None] for weights in kept], 0)
    expected = normalise(flow[0, 1:].reshape(1, 4, 4).float(), (64, 64)).maps[0]
    torch.testing.assert_close(found["attention_rollout"].maps[0], expected, atol=1e-4, rtol=0)
