"""FAB-T against a slow version of Croce and Hein 2020 (arXiv 1907.02044), exact answers, and other attacks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor, nn

from countenance.audit.robustness.attacks import FAB, Norm, ball, log_odds

COUNT = 12
ROWS = np.arange(40, 40 + COUNT)
NORMS: tuple[Norm, ...] = ("linf", "l2")


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Tensor, Tensor]:
    """A net in double precision, so that rounding decides nothing, with faces it answers right."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 16, 6)
    ).double()
    pixels = torch.rand((COUNT, 3, 8, 8), dtype=torch.float64)
    with torch.no_grad():
        net[-1].bias -= net(pixels).mean(0)
        labels = net(pixels).argmax(1)
    return net.requires_grad_(False), pixels, labels


def _onto_plane(x: np.ndarray, w: np.ndarray, value: float, norm: str) -> np.ndarray:
    """The nearest z in the box with value + <w, z - x> = 0, by a root finder."""

    def at(level: float) -> np.ndarray:
        towards = -np.sign(value) * (np.sign(w) if norm == "linf" else w)
        return np.clip(x + level * towards, 0, 1)

    high = 1.0
    while (value + (w * (at(high) - x)).sum()) * value > 0:
        high *= 2
        if high > 1e9:
            return at(high)
    return at(brentq(lambda level: value + (w * (at(level) - x)).sum(), 0, high, xtol=1e-15))


def _length(change: np.ndarray, norm: str) -> float:
    return float(np.abs(change).max() if norm == "linf" else np.sqrt((change**2).sum()))


def slow_fab(net: nn.Module, face: Tensor, label: int, target: int, steps: int, norm: str) -> float:
    """The paper's algorithm 1 towards one class, without restarts and final search; the distance found.

    As here, the points that a step back leads to count as well.
    """
    origin, x, nearest = face.numpy(), face.numpy(), float("inf")

    def wrong(x: np.ndarray) -> bool:
        return int(net(torch.from_numpy(x)[None])[0].argmax()) != label

    for _ in range(steps):
        if wrong(x):
            nearest = min(nearest, _length(x - origin, norm))
        point = torch.from_numpy(x).requires_grad_()
        logits = net(point[None])[0]
        margin = logits[target] - logits[label]
        (gradient,) = torch.autograd.grad(margin, point)
        value, w = float(margin.detach()), gradient.numpy()
        delta = _onto_plane(x, w, value, norm) - x
        delta_origin = _onto_plane(origin, w, value + float((w * (origin - x)).sum()), norm) - origin
        a, b = _length(delta, norm), _length(delta_origin, norm)
        alpha = min(a / (a + b), 0.1) if a + b > 0 else 0.0
        x = np.clip((1 - alpha) * (x + 1.05 * delta) + alpha * (origin + 1.05 * delta_origin), 0, 1)
        if wrong(x):
            nearest = min(nearest, _length(x - origin, norm))
            x = 0.1 * origin + 0.9 * x
    return nearest


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_the_papers_method_face_by_face(small: tuple[nn.Module, Tensor, Tensor], norm: Norm) -> None:
    net, pixels, labels = small
    points, distance = FAB(norm=norm, steps=6, targets=3).nearest(net, pixels, labels, ROWS)
    for i in range(COUNT):
        label = int(labels[i])
        order = [c for c in net(pixels[i][None])[0].argsort(descending=True).tolist() if c != label][:3]
        slow = min(slow_fab(net, pixels[i], label, target, 6, norm) for target in order)
        assert float(distance[i]) == pytest.approx(slow, rel=1e-4)
    torch.testing.assert_close(ball(norm, pixels, 1).distance(points), distance)
    assert (net(points).argmax(1) != labels).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", [0, 1])
def test_on_a_linear_model_it_finds_the_nearest_point_there_is(norm: Norm, seed: int) -> None:
    """The distance to the nearest of the planes between the class and each other one, within 0..1."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn((4, 48), dtype=torch.float64, generator=generator)
    pixels = torch.rand((COUNT, 3, 4, 4), dtype=torch.float64, generator=generator)
    pixels[:4] = pixels[:4].round()

    def scores(x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ weights.T

    labels = scores(pixels).argmax(1)
    _, distance = FAB(norm=norm, steps=30).nearest(scores, pixels, labels, ROWS)
    for i in range(COUNT):
        x, label = pixels[i].numpy().ravel(), int(labels[i])
        exact = float("inf")
        for other in range(4):
            w = (weights[other] - weights[label]).numpy()
            if other != label:
                value = float((w * (x - 0.5)).sum())
                exact = min(exact, _length(_onto_plane(x, w, value, norm) - x, norm))
        assert exact <= float(distance[i]) <= exact * 1.02


@pytest.mark.parametrize("norm", NORMS)
def test_within_eps_it_flips_the_faces_whose_nearest_success_is_within_eps(
    small: tuple[nn.Module, Tensor, Tensor], norm: Norm
) -> None:
    net, pixels, labels = small
    attack = FAB(norm=norm, steps=10)
    _, distance = attack.nearest(net, pixels, labels, ROWS)
    eps = float(distance.median()) * 1.001
    found = attack(net, pixels, labels, ROWS, eps)
    assert (found.flipped | (distance > eps)).all()
    assert 0 < int(found.flipped.sum()) < COUNT
    assert torch.equal(net(found.pixels).argmax(1) != labels, found.flipped)
    assert float(ball(norm, pixels, eps).distance(found.pixels).max()) <= eps + 1e-12
    stands = ~found.flipped
    assert (log_odds(net(found.pixels), labels) > log_odds(net(pixels), labels))[stands].all()
    assert (found.loss_after > found.loss_start)[stands].all()
    assert not found.no_gradient.any()


@pytest.mark.parametrize("norm", NORMS)
def test_a_face_does_not_feel_the_batch_it_is_in(small: tuple[nn.Module, Tensor, Tensor], norm: Norm) -> None:
    net, pixels, labels = small
    attack = FAB(norm=norm, steps=5, restarts=2, targets=2, seed=2)
    whole = attack.nearest(net, pixels, labels, ROWS)[1]
    order = [7, 0, 11, 4, 2, 9, 1, 3, 10, 5, 8, 6]
    for size in (1, 5):
        parts = [order[start : start + size] for start in range(0, COUNT, size)]
        found = [attack.nearest(net, pixels[part], labels[part], ROWS[part])[1] for part in parts]
        torch.testing.assert_close(torch.cat(found), whole[order])
    assert (whole <= FAB(norm=norm, steps=5, targets=2).nearest(net, pixels, labels, ROWS)[1]).all()


def test_faces_that_are_wrong_already_are_at_distance_zero(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    points, distance = FAB(steps=3).nearest(net, pixels, (labels + 1) % 6, ROWS)
    assert (distance == 0).all()
    assert torch.equal(points, pixels)


def test_where_nothing_changes_the_answer_nothing_is_found() -> None:
    pixels = torch.rand((3, 3, 4, 4))

    def scores(x: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]) + 0 * x.sum((1, 2, 3))[:, None]

    labels = torch.zeros(3, dtype=torch.long)
    _, distance = FAB(steps=3).nearest(scores, pixels, labels, np.arange(3))
    assert torch.isinf(distance).all()
    found = FAB(steps=3)(scores, pixels, labels, np.arange(3), 0.1)
    assert found.no_gradient.all()
    assert not found.flipped.any()


def _foolbox(norm: Norm) -> list[Callable[[], object]]:
    attacks = pytest.importorskip("foolbox").attacks
    if norm == "linf":
        return [attacks.LinfDeepFoolAttack, lambda: attacks.LInfFMNAttack(steps=100)]
    return [attacks.L2DeepFoolAttack, lambda: attacks.DDNAttack(steps=100), lambda: attacks.L2FMNAttack(steps=100)]


@pytest.mark.parametrize("norm", NORMS)
def test_it_comes_no_less_near_than_foolboxs_minimum_norm_attacks(
    small: tuple[nn.Module, Tensor, Tensor], norm: Norm
) -> None:
    """No face is further by over 2 % than by any of them."""
    makers = _foolbox(norm)
    import foolbox

    net, pixels, labels = small
    model = foolbox.PyTorchModel(net.eval(), bounds=(0, 1))
    around = ball(norm, pixels, 1)
    _, ours = FAB(norm=norm, steps=50).nearest(net, pixels, labels, ROWS)
    for make in makers:
        _, points, success = make()(model, pixels, labels, epsilons=None)  # type: ignore[operator]
        theirs = torch.where(success, around.distance(points), torch.inf)
        assert success.any()
        assert (ours <= theirs * 1.02).all()
