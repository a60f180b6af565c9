"""All black-box methods: planted evidence, batches, seeds, awkward nets, real checkpoints in two formats."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from black_box_nets import QUICK, SIDE, CornerNet, explain, explainer_of, request_for, smooth_faces, target_of
from torch import Tensor, nn

from countenance.core.checkpoints.onnx_net import OnnxNet
from countenance.core.errors import TargetError, UsageError
from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target
from countenance.explain.attribution import black_box
from countenance.explain.attribution.method import PEAK, AttributionSettings
from countenance.explain.attribution.perturbation import fast_layout, finished
from countenance.explain.attribution.registry import build_explainers

METHODS = tuple(black_box.METHODS)


def test_each_method_finds_the_corner_that_alone_is_looked_at() -> None:
    maps = explain(target_of(CornerNet()), request_for(smooth_faces()))
    assert set(maps) == set(METHODS)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[:20, :20] = True
    share = inside.float().mean()
    for method, batch in maps.items():
        assert batch.problems == (None,) * 3, method
        assert batch.maps.shape == (3, SIDE, SIDE)
        assert batch.maps.dtype == torch.float32
        assert torch.equal(batch.maps.amin((1, 2)), torch.zeros(3))
        assert torch.allclose(batch.maps.amax((1, 2)), torch.ones(3))
        peaks = [inside.flatten()[face.flatten() == face.max()].float().mean() for face in batch.maps]
        assert min(peaks) > 0.4, (method, peaks)  # a superpixel at the corner may reach beyond it
        energy = (batch.maps * inside).sum((1, 2)) / batch.maps.sum((1, 2))
        assert float(energy.min()) > (2 if method == "rise" else 4) * share, (method, energy)


def test_the_scale_of_a_map_is_told_so_that_raw_maps_can_be_averaged() -> None:
    """Gaya-Morey et al. averaged LIME's weights as they were: a face with large ones weighed more."""
    small = torch.linspace(-1, 1, 64).reshape(1, 8, 8)
    batch = finished(torch.cat([small, 5 * small, 5 * small.abs() + 2]), [None] * 3)
    assert torch.allclose(batch.maps[0], batch.maps[1])
    assert batch.facts[PEAK].tolist() == pytest.approx([1, 5, 5], rel=0.02)  # an offset is no place: it is not counted
    for method, found in explain(target_of(CornerNet()), request_for(smooth_faces())).items():
        assert bool((found.facts[PEAK] > 0).all()), method


def test_the_other_class_is_not_explained_by_the_same_corner() -> None:
    faces = smooth_faces()
    maps = explain(target_of(CornerNet()), request_for(faces, place=0), methods=("occlusion",))["occlusion"]
    # Hiding the bright corner raises the chance of neutral: nothing speaks for it.
    assert all(problem is not None and "no position speaks for the class" in problem for problem in maps.problems)
    assert torch.isnan(maps.maps).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_map_does_not_depend_on_the_batch_it_is_in(method: str) -> None:
    faces, target = smooth_faces(4), target_of(CornerNet())
    together = explain(target, request_for(faces), methods=(method,), batch_size=7)[method]
    for place in range(4):
        request = request_for(faces[place : place + 1], names="abcd"[place])
        alone = explain(target, request, methods=(method,), batch_size=16)[method]
        assert torch.allclose(alone.maps[0], together.maps[place], atol=1e-5)
        for name, values in alone.facts.items():
            assert float(values[0]) == pytest.approx(float(together.facts[name][place]), abs=1e-6)


def test_methods_built_together_give_the_maps_of_each_alone() -> None:
    request, target = request_for(smooth_faces(2)), target_of(CornerNet())
    together = explain(target, request)
    for method in METHODS:
        alone = explain(target, request, methods=(method,))
        assert set(alone) == {method}
        assert torch.equal(alone[method].maps, together[method].maps)


@pytest.mark.parametrize("method", METHODS)
def test_seeds_give_the_map_again_and_another_seed_another(method: str) -> None:
    faces, target = smooth_faces(1), target_of(CornerNet())
    first = explain(target, request_for(faces, seed=1), methods=(method,))[method].maps
    again = explain(target, request_for(faces, seed=1), methods=(method,))[method].maps
    other = explain(target, request_for(faces, seed=2), methods=(method,))[method].maps
    assert torch.equal(first, again)
    assert torch.equal(first, other) is not black_box.METHODS[method].random


class Recorder(nn.Module):
    """Notes how it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.inner = CornerNet()

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.sizes.append(len(x))
        return self.inner(x)


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_several_faces_share_batches_of_the_size_given(method: str) -> None:
    net = Recorder()
    explainer = explainer_of(target_of(net), (method,), batch_size=17)
    net.sizes.clear()
    explainer.explain(request_for(smooth_faces(3)))
    assert set(net.sizes[:-1]) == {17}
    assert net.sizes[-1] <= 17


@pytest.mark.parametrize("method", METHODS)
def test_a_net_of_one_batch_size_gives_the_same_map(method: str) -> None:
    net, request = Recorder(), request_for(smooth_faces(2))
    fixed = explain(target_of(net, fixed_batch=9), request, methods=(method,), batch_size=4)[method]
    assert set(net.sizes) == {9}
    free = explain(target_of(CornerNet()), request, methods=(method,))[method]
    assert torch.allclose(fixed.maps, free.maps, atol=1e-5)


class Convolving(nn.Module):
    """Convolves, pools, and flattens with ``view``, which takes one layout in memory only, or with ``flatten``."""

    def __init__(self, views: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.views, self.conv, self.fc = views, nn.Conv2d(3, 8, 5, stride=4), nn.Linear(8 * 4 * 4, 3)
        self.layouts: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.layouts.append(x.is_contiguous(memory_format=torch.channels_last))
        features = self.conv(x)[:, :, :15, :15].relu()
        pooled = nn.functional.adaptive_avg_pool2d(features, 4)
        return self.fc(pooled.view(len(x), -1) if self.views else pooled.flatten(1))


@pytest.mark.parametrize("method", METHODS)
def test_copies_are_laid_out_as_the_net_takes_them_and_the_map_is_the_same(method: str) -> None:
    request, maps = request_for(smooth_faces(2)), []
    for views in (True, False):
        net = Convolving(views).eval()
        explainer = explainer_of(target_of(net), (method,))
        net.layouts.clear()
        maps.append(explainer.explain(request)[method].maps)
        assert set(net.layouts) == {not views}
    assert torch.allclose(*maps, atol=1e-4, equal_nan=True)
    assert bool(torch.isfinite(maps[0]).any())


def test_a_net_that_answers_another_layout_otherwise_is_not_given_it() -> None:
    class ByStride(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.as_strided(x, (len(x), 3), (x[0].numel(), x.shape[2] * x.shape[3]))

    assert fast_layout(target_of(ByStride())) is torch.contiguous_format
    assert fast_layout(target_of(CornerNet())) is torch.channels_last
    no_module = target_of(lambda x: x.mean((2, 3)))
    assert fast_layout(no_module) is torch.contiguous_format


def test_a_net_with_one_output_is_explained_for_both_sides() -> None:
    class OneOutput(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(8 * x[:, :, :20, :20].mean((1, 2, 3)) - 4)

    spec = TargetSpec(
        checkpoint="x.pt2",
        task="forgery",
        positive="genuine",
        input=InputSpec(size=SIDE, channels="rgb", mean=(0.0,), std=(1.0,)),
        output="probabilities",
    )
    target = Target(OneOutput(), spec, format="onnx")
    genuine, forged = (target.classes.index(side) for side in ("genuine", "forged"))
    maps = explain(target, request_for(smooth_faces(1), place=genuine))
    for method, batch in maps.items():
        assert batch.problems == (None,), method
        assert float(batch.maps[0, :16, :16].mean()) > 2 * float(batch.maps[0].mean()), method
    other = explain(target, request_for(smooth_faces(1), place=forged), methods=("rise",))["rise"]
    assert np.corrcoef(other.maps.flatten().numpy(), maps["rise"].maps.flatten().numpy())[0, 1] < -0.99


@pytest.mark.parametrize("method", METHODS)
def test_a_net_that_answers_all_copies_alike_has_no_map(method: str) -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[0.1, 0.7, 0.2]]) + 1e-7 * x.mean((1, 2, 3))[:, None]

    found = explain(target_of(Constant()), request_for(smooth_faces(2)), methods=(method,))[method]
    assert torch.isnan(found.maps).all()
    assert all(problem is not None and "alike: no position counts" in problem for problem in found.problems)


@pytest.mark.parametrize("method", ["lime", "kernel_shap", "rise"])
@pytest.mark.filterwarnings("error")
def test_nan_for_some_copies_is_the_reason_of_that_face_alone(method: str) -> None:
    class Standardising(CornerNet):
        def forward(self, x: Tensor) -> Tensor:
            broken = x[:, :, 32:44, 32:44].amax((1, 2, 3)) < 0.3
            return torch.where(broken[:, None], torch.full((1, 3), torch.nan), super().forward(x))

    faces = smooth_faces(2)
    faces[0] = 0.9  # one grey face
    faces[1, :, :32] *= torch.linspace(0.3, 1, 32)[:, None]
    faces[1, :, 32:44, 32:44] = 0.0
    found = explain(target_of(Standardising()), request_for(faces), methods=(method,))[method]
    assert found.problems[1] is not None
    assert "NaN or infinite values for" in found.problems[1]
    assert torch.isnan(found.maps[1]).all()


def test_superpixels_of_a_grey_face_are_still_several() -> None:
    faces = torch.full((1, 3, SIDE, SIDE), 0.7)
    found = explain(target_of(CornerNet()), request_for(faces), methods=("lime",))["lime"]
    assert found.problems == (None,)
    assert float(found.maps[0, :8, :8].mean()) > 0.5


class Dropping(nn.Module):
    """Has a layer that is random in training mode, and may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.inner, self.fails = nn.Dropout(0.5), CornerNet(), False

    def forward(self, x: Tensor) -> Tensor:
        if self.fails:
            raise TargetError("refused")
        return self.inner(self.drop(x))


def test_modes_are_left_as_found_also_after_an_exception() -> None:
    net = Dropping().train()
    net.inner.eval()
    target, request = target_of(net), request_for(smooth_faces(1))
    expected = explain(target_of(CornerNet()), request, methods=("occlusion",))["occlusion"].maps
    assert torch.equal(explain(target, request, methods=("occlusion",))["occlusion"].maps, expected)
    modes = [(net.training, net.drop.training, net.inner.training)]
    net.fails = True
    with pytest.raises(TargetError, match="refused"):
        explain(target, request, methods=("rise",))
    assert [*modes, (net.training, net.drop.training, net.inner.training)] == [(True, True, False)] * 2


def test_without_scikit_image_the_methods_on_superpixels_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    built = black_box.build(target_of(CornerNet()), METHODS, layer=None, batch_size=8, settings=QUICK)
    assert set(built.unavailable) == {"lime", "kernel_shap"}
    assert 'pip install "countenance[explain]"' in built.unavailable["lime"]
    assert built.explainers[0].methods == ("rise", "occlusion")
    assert not black_box.build(target_of(CornerNet()), ("lime",), layer=None, batch_size=8, settings=QUICK).explainers


def test_a_window_that_jumps_over_parts_of_the_face_is_refused() -> None:
    settings = AttributionSettings(window=0.1, stride=0.2)
    with pytest.raises(UsageError, match=r"at most its `window`, 0\.1, but got 0\.2"):
        black_box.build(target_of(CornerNet()), ("occlusion",), layer=None, batch_size=8, settings=settings)


def test_no_method_needs_gradients_or_layers() -> None:
    target = target_of(CornerNet())
    target.gives = frozenset()
    built = build_explainers(target, METHODS, batch_size=8, settings=QUICK)
    assert not built.unavailable
    assert [name for explainer in built.explainers for name in explainer.methods] == list(METHODS)


def test_checkpoints_without_modules_have_the_map_of_the_module(shared: Path) -> None:
    spec = importlib.util.spec_from_file_location("shared_nets", shared / "models" / "nets.py")
    assert spec is not None
    assert spec.loader is not None
    nets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nets)
    net = nets.FaceExpressionNet()
    net.load_state_dict(torch.load(shared / "models" / "face_expression.pt", weights_only=True))
    data = (shared / "models" / "face_expression.onnx").read_bytes()
    onnx = OnnxNet(data, {}, "face_expression.onnx")
    declared = TargetSpec(
        checkpoint="x.onnx",
        task="expression",
        classes=["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"],
        input=InputSpec(size=112, channels="rgb", mean=(0.4815, 0.45883, 0.40901), std=(1.0,)),
        output="logits",
    )
    faces = smooth_faces(1, (112, 112))
    program = torch.export.load(shared / "models" / "face_expression.pt2").module()
    module = Target(net.eval(), declared, format="pt")
    with torch.no_grad():
        place = int(module(faces).sum(0).argmax())
    settings = AttributionSettings(lime_samples=80, shap_samples=80, rise_masks=40, stride=0.2)
    expected = explain(module, request_for(faces, place), settings=settings)
    for target in (Target(onnx, declared, format="onnx"), Target(program, declared, format="pt2")):
        found = explain(target, request_for(faces, place), settings=settings)
        for method in METHODS:
            assert found[method].problems == expected[method].problems == (None,)
            assert torch.allclose(found[method].maps, expected[method].maps, atol=2e-3), (method, target.format)
