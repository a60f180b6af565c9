from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.core.torchvision_compat import ensure_torchvision_importable
from countenance.explain.attribution.cam import RULES, Rule, eigencam, eigengradcam, gradcam, normalise


def features(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 5, 4, 3, generator=generator), torch.randn(2, 5, 4, 3, generator=generator)


def slow_gradcam(activations: Tensor, gradients: Tensor) -> np.ndarray:
    """Equations 1 and 2 of Selvaraju et al. (2017), one number at a time, before the rectifier."""
    faces, channels, height, width = activations.shape
    out = np.zeros((faces, height, width))
    for face in range(faces):
        for channel in range(channels):
            weight = 0.0
            for i in range(height):
                for j in range(width):
                    weight += float(gradients[face, channel, i, j]) / (height * width)
            for i in range(height):
                for j in range(width):
                    out[face, i, j] += weight * float(activations[face, channel, i, j])
    return out


def slow_others(activations: Tensor, gradients: Tensor) -> dict[str, np.ndarray]:
    """The other rules from their definitions, in numpy and in loops."""
    a, g = activations.double().numpy(), gradients.double().numpy()
    maps = {name: np.zeros((a.shape[0], *a.shape[2:])) for name in RULES if name != "gradcam"}
    maps["eigencam"], maps["eigengradcam"] = slow_component(a), slow_component(g * a)
    for face, channel in np.ndindex(*a.shape[:2]):
        act, grad = a[face, channel], g[face, channel]
        total = act.sum()
        alpha = np.where(grad != 0, grad**2 / (2 * grad**2 + total * grad**3 + 1e-6), 0)
        maps["gradcam++"][face] += (np.maximum(grad, 0) * alpha).sum() * act
        maps["xgradcam"][face] += (grad * act).sum() / (total + 1e-7) * act
        maps["hirescam"][face] += grad * act
        maps["layercam"][face] += np.maximum(grad, 0) * act
    return maps


def slow_component(features: np.ndarray) -> np.ndarray:
    """Power iteration on the covariance of the channels, summed position by position, one face at a time."""
    faces, channels, height, width = features.shape
    out = np.zeros((faces, height, width))
    for face in range(faces):
        rows = [features[face, :, i, j] for i in range(height) for j in range(width)]
        mean = sum(rows) / len(rows)
        covariance = np.zeros((channels, channels))
        for row in rows:
            covariance += np.outer(row - mean, row - mean)
        direction = np.random.default_rng(face).normal(size=channels)
        for _ in range(5000):
            direction = covariance @ direction
            direction /= np.linalg.norm(direction)
        scores = np.array([(row - mean) @ direction for row in rows]).reshape(height, width)
        out[face] = -scores if -scores.min() > scores.max() else scores
    return out


def test_gradcam_equals_the_paper() -> None:
    activations, gradients = features()
    np.testing.assert_allclose(gradcam(activations, gradients).numpy(), slow_gradcam(activations, gradients), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in RULES if name != "gradcam"])
def test_other_rules_equal_their_definitions(name: str) -> None:
    activations, gradients = features(3)
    expected = slow_others(activations, gradients)[name]
    np.testing.assert_allclose(RULES[name](activations, gradients).numpy(), expected, rtol=2e-3, atol=1e-3)


def test_rules_coincide_where_the_gradient_is_the_same_everywhere() -> None:
    """As after global average pooling and one linear layer."""
    activations, gradients = features()
    flat = gradients.mean(dim=(2, 3), keepdim=True).expand_as(gradients).contiguous()
    for name in ("xgradcam", "hirescam"):
        torch.testing.assert_close(RULES[name](activations, flat), gradcam(activations, flat), atol=1e-5, rtol=1e-4)


def test_normalised_maps_span_0_to_1_and_ignore_scale() -> None:
    activations, gradients = features()
    raw = gradcam(activations, gradients)
    normal = normalise(raw, (16, 12))
    assert normal.maps.shape == (2, 16, 12)
    assert normal.problems == (None, None)
    assert float(normal.maps.amin()) == 0
    torch.testing.assert_close(normal.maps.amax(dim=(1, 2)), torch.ones(2))
    torch.testing.assert_close(normalise(raw * 1e-12, (16, 12)).maps, normal.maps, atol=1e-5, rtol=0)


def test_maps_that_tell_nothing_are_nan_with_a_reason() -> None:
    raw = torch.ones(5, 3, 3)
    raw[1] = -1
    raw[2, 0, 0] = torch.nan
    raw[3, 1, 1] = torch.inf
    raw[4] = torch.arange(9.0).reshape(3, 3)
    normal = normalise(raw, (6, 6))
    assert normal.problems == (
        "the map is the same everywhere",
        "the map is zero everywhere: no position speaks for the class",
        "the map holds NaN or infinite values",
        "the map holds NaN or infinite values",
        None,
    )
    assert torch.isnan(normal.maps[:4]).all()
    assert torch.isfinite(normal.maps[4]).all()


def correlation(one: Tensor, other: np.ndarray) -> float:
    return float(np.corrcoef(one.numpy().ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(
    "shape", [(3, 20, 4, 4), (3, 5, 8, 6), (2, 16, 4, 4)], ids=["few positions", "few channels", "as many"]
)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_component_is_the_packages_with_its_sign_set(shape: tuple[int, ...], scale: float) -> None:
    """Products of gradients as small as those of a confident net must not vanish, nor large ones overflow."""
    ensure_torchvision_importable()
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

    generator = torch.Generator().manual_seed(5)
    activations, gradients = torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)
    for ours, features in (
        (eigencam(activations * scale, gradients), activations),
        (eigengradcam(activations, gradients * scale), gradients * activations),
    ):
        expected = get_2d_projection_with_sign_correction(features.numpy())
        for face, theirs in zip(ours, expected, strict=True):
            assert correlation(face, theirs) > 0.9999
        np.testing.assert_allclose(ours.numpy() / scale, expected, atol=1e-4 * np.abs(expected).max())
        assert (ours.amax((1, 2)) >= -ours.amin((1, 2))).all()


def test_a_component_turned_over_comes_out_the_same() -> None:
    activations, gradients = features(7)
    torch.testing.assert_close(eigencam(-activations, gradients), eigencam(activations, gradients))
    np.testing.assert_allclose(
        eigencam(activations, gradients).numpy(), slow_component(activations.double().numpy()), atol=1e-5
    )


@pytest.mark.parametrize("shape", [(1, 40, 3, 3), (1, 4, 5, 5)])
def test_the_same_features_everywhere_have_no_component(shape: tuple[int, ...]) -> None:
    """What is left after the mean is rounding, which a component would blow up to a map."""
    generator = torch.Generator().manual_seed(0)
    constant = torch.rand(shape[:2], generator=generator)[:, :, None, None].expand(shape).contiguous()
    assert not eigencam(constant, constant).any()
    assert normalise(eigencam(constant, constant), (6, 6)).problems[0] is not None


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_face_that_holds_nan_spoils_no_other(rule: Rule, value: float) -> None:
    activations, gradients = features(2)
    expected = rule(activations, gradients)
    broken = activations.clone()
    broken[0, 1, 2, 2] = value
    found = rule(broken, gradients)
    torch.testing.assert_close(found[1], expected[1])
    assert normalise(found, (8, 8)).problems == ("the map holds NaN or infinite values", None)
