from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.attacks import PGD, log_odds
from countenance.audit.robustness.noise import uniform_noise

COUNT = 12
ROWS = np.arange(40, 40 + COUNT)


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Tensor, Tensor]:
    """A net in double precision, so that rounding decides nothing, with faces it answers right."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 16, 4)
    ).double()
    pixels = torch.rand((COUNT, 3, 8, 8), dtype=torch.float64)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    return net.requires_grad_(False), pixels, labels


def slow_pgd(
    net: nn.Module, face: Tensor, label: int, row: int, eps: float, steps: int, step_size: float, seed: int
) -> tuple[Tensor, bool]:
    """Madry et al. 2018, equation in section 2.1, for one face: x <- P(x + a sign(grad CE)), from a random start.

    Every point on the way counts, the start and the last one too: the first that changes the answer, else the
    one with the highest cross-entropy.
    """
    unit = uniform_noise(seed, np.array([row]), face[None], stream=1)[0]
    x = face + eps * unit
    x = torch.minimum(torch.maximum(x, torch.zeros(())), torch.ones(()))
    best, highest = x, -float("inf")
    for step in range(steps + 1):
        x = x.detach().requires_grad_()
        probability = torch.exp(net(x[None])[0]) / torch.exp(net(x[None])[0]).sum()
        loss = -torch.log(probability[label])
        if int(probability.argmax()) != label:
            return x.detach(), True
        if float(loss.detach()) > highest:
            best, highest = x.detach(), float(loss.detach())
        if step == steps:
            break
        (gradient,) = torch.autograd.grad(loss, x)
        x = x + step_size * torch.sign(gradient)
        for index in np.ndindex(*x.shape):
            low, high = max(0.0, float(face[index]) - eps), min(1.0, float(face[index]) + eps)
            with torch.no_grad():
                x[index] = min(max(float(x[index]), low), high)
    return best, False


def test_it_is_the_papers_method_face_by_face(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    eps, steps, size, seed = 0.06, 7, 0.02, 5
    found = PGD(steps=steps, step_size=size, seed=seed)(net, pixels, labels, ROWS, eps)
    slow = [slow_pgd(net, pixels[i], int(labels[i]), int(ROWS[i]), eps, steps, size, seed) for i in range(COUNT)]
    flipped = [flip for _, flip in slow]
    assert found.flipped.tolist() == flipped
    assert 0 < sum(flipped) < COUNT  # both endings are met
    torch.testing.assert_close(found.pixels, torch.stack([x for x, _ in slow]), atol=1e-12, rtol=0)


def test_a_face_does_not_feel_the_batch_it_is_in(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    attack = PGD(steps=6, restarts=3, seed=2)
    whole = attack(net, pixels, labels, ROWS, 0.06)
    order = [7, 0, 11, 4, 2, 9, 1, 3, 10, 5, 8, 6]
    for size in (1, 5):
        parts = [order[start : start + size] for start in range(0, COUNT, size)]
        found = [attack(net, pixels[part], labels[part], ROWS[part], 0.06) for part in parts]
        torch.testing.assert_close(torch.cat([part.pixels for part in found]), whole.pixels[order])
        assert torch.equal(torch.cat([part.flipped for part in found]), whole.flipped[order])


def test_the_seed_decides(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    first, again, other = (PGD(steps=3, seed=seed)(net, pixels, labels, ROWS, 0.02) for seed in (1, 1, 2))
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)


def test_it_reaches_the_worst_case_of_a_linear_model() -> None:
    """The optimum within the ball and within 0..1 is known coordinate by coordinate."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn((3, 6, 6), dtype=torch.float64, generator=generator)
    pixels = torch.rand((COUNT, 3, 6, 6), dtype=torch.float64, generator=generator)
    labels = torch.zeros(COUNT, dtype=torch.long)

    def scores(x: Tensor) -> Tensor:
        margin = (x * weights).sum((1, 2, 3)) + 30.0  # so far from the boundary that the search runs to its end
        return torch.stack([margin / 2, -margin / 2], 1)

    eps = 0.05
    found = PGD(steps=20)(scores, pixels, labels, ROWS, eps)
    assert not found.flipped.any()
    worst = (pixels - eps * weights.sign()).clamp(0, 1)
    torch.testing.assert_close(found.pixels, worst)
    cut = (pixels - eps * weights.sign() - worst).abs() * weights.abs()
    gained = log_odds(scores(found.pixels), labels) - log_odds(scores(pixels), labels)
    torch.testing.assert_close(gained, eps * weights.abs().sum() - cut.sum((1, 2, 3)))


def test_it_stays_within_eps_and_within_the_pixels_range(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    pixels = pixels.round(decimals=1)
    for eps in (1 / 255, 0.3, 1.0):
        for size in (None, 0.5):
            found = PGD(steps=4, restarts=2, step_size=size)(net, pixels, labels, ROWS, eps).pixels
            assert float(found.min()) >= 0
            assert float(found.max()) <= 1
            assert float((found - pixels).abs().max()) <= eps + 1e-12


def test_restarts_are_for_the_faces_that_stand(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    seen: list[int] = []

    def scores(x: Tensor) -> Tensor:
        seen.append(len(x))
        return net(x)

    one = PGD(steps=2, seed=3)(net, pixels, labels, ROWS, 0.05)
    three = PGD(steps=2, restarts=3, seed=3)(scores, pixels, labels, ROWS, 0.05)
    standing = int((~one.flipped).sum())
    assert 0 < standing < COUNT
    assert seen[3] == standing  # the start of the second restart, after three looks at the first
    assert (three.flipped >= one.flipped).all()
    assert torch.equal(three.pixels[one.flipped], one.pixels[one.flipped])
    kept = ~three.flipped
    loss = [log_odds(net(found.pixels), labels)[kept] for found in (one, three)]
    assert (loss[1] >= loss[0]).all()


def test_what_it_returns_is_what_it_reports(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    found = PGD(steps=6, restarts=2)(net, pixels, labels, ROWS, 0.06)
    assert torch.equal(net(found.pixels).argmax(1) != labels, found.flipped)
    assert (found.loss_after > found.loss_start)[~found.flipped].all()
    assert not found.no_gradient.any()


class _Scores(nn.Module):
    def __init__(self, target: Any) -> None:
        super().__init__()
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        return self.target.scores(x)


def test_in_l2_a_step_goes_along_the_gradient(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    """x <- P(x + a g / |g|), with P shortening the change to eps and cutting off at 0 and 1; no random start."""
    net, pixels, labels = small
    eps, steps, size = 0.4, 7, 0.15
    attack = PGD(norm="l2", steps=steps, step_size=size, random_start=False)
    found = attack(net, pixels, labels, ROWS, eps)
    for i in range(COUNT):
        face, x, label = pixels[i], pixels[i], int(labels[i])
        points = [x]
        for _ in range(steps):
            if int(net(x[None])[0].argmax()) != label:
                break
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(net(x[None]), labels[i : i + 1]), x)
            change = x.detach() + size * gradient / (gradient**2).sum().sqrt() - face
            length = float((change**2).sum().sqrt())
            x = (face + change * min(1.0, eps / length)).clamp(0, 1)
            points.append(x)
        flipped = int(net(x[None])[0].argmax()) != label
        assert bool(found.flipped[i]) == flipped
        best = x if flipped else max(points, key=lambda x: float(log_odds(net(x[None]), labels[i : i + 1])))
        torch.testing.assert_close(found.pixels[i], best, atol=1e-9, rtol=0)
    assert 0 < int(found.flipped.sum()) < COUNT


def test_in_l2_it_is_no_weaker_than_foolboxs(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    foolbox = pytest.importorskip("foolbox")
    net, pixels, labels = small
    model = foolbox.PyTorchModel(net.eval(), bounds=(0, 1))
    for eps in (0.2, 0.4, 0.8):
        theirs = foolbox.attacks.L2BasicIterativeAttack(steps=10, rel_stepsize=0.25, random_start=False)
        _, _, success = theirs(model, pixels, labels, epsilons=eps)
        attack = PGD(norm="l2", steps=10, step_size=0.25 * eps, random_start=False)
        assert int((success & ~attack(net, pixels, labels, ROWS, eps).flipped).sum()) == 0


def _right_faces(london: Any, every: int) -> tuple[np.ndarray, Tensor, Tensor]:
    rows = np.arange(0, 204, every)
    pixels, labels = london.pixels(rows), torch.from_numpy(london.labels[rows])
    with torch.no_grad():
        right = london.target.scores(pixels).argmax(1) == labels
    return rows[right.numpy()], pixels[right], labels[right]


def test_it_is_no_weaker_than_foolboxs_on_real_faces(london: Any) -> None:
    """Same eps, steps, step size and kind of start; the starts differ, hence a tolerance of one face."""
    foolbox = pytest.importorskip("foolbox")
    rows, pixels, labels = _right_faces(london, 6)
    eps = 1 / 1020
    model = foolbox.PyTorchModel(_Scores(london.target).eval(), bounds=(0, 1))
    torch.manual_seed(0)
    theirs = foolbox.attacks.LinfPGD(steps=10, rel_stepsize=0.25)
    _, _, success = theirs(model, pixels, labels, epsilons=eps)
    ours = PGD(steps=10, step_size=0.25 * eps)(london.target.scores, pixels, labels, rows, eps)
    assert 0 < int(success.sum()) < len(rows)  # a setting that tells attacks apart
    assert int(ours.flipped.sum()) >= int(success.sum()) - 1


def test_without_a_random_start_it_flips_whatever_foolbox_flips(london: Any) -> None:
    foolbox = pytest.importorskip("foolbox")
    rows, pixels, labels = _right_faces(london, 12)
    eps = 1 / 1020
    model = foolbox.PyTorchModel(_Scores(london.target).eval(), bounds=(0, 1))
    theirs = foolbox.attacks.LinfBasicIterativeAttack(steps=10, rel_stepsize=0.25, random_start=False)
    _, _, success = theirs(model, pixels, labels, epsilons=eps)
    attack = PGD(steps=10, step_size=0.25 * eps, random_start=False)
    ours = attack(london.target.scores, pixels, labels, rows, eps)
    assert 0 < int(success.sum()) < len(rows)
    assert int((success & ~ours.flipped).sum()) == 0
