"""APGD against a slow version of Croce and Hein 2020 (arXiv 2003.01690), algorithm 1, face by face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.attacks import APGD, FAB, TooFewClassesError, ball, log_odds
from countenance.audit.robustness.attacks.apgd import checkpoints_of
from countenance.audit.robustness.noise import uniform_noise

COUNT = 12
ROWS = np.arange(40, 40 + COUNT)
SEED = 5
Loss = Callable[[Tensor], Tensor]
EPS = {"linf": 0.012, "l2": 0.13}


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Tensor, Tensor]:
    """A net in double precision, so that rounding decides nothing, with faces it answers right."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 16, 6)
    ).double()
    pixels = torch.rand((COUNT, 3, 8, 8), dtype=torch.float64)
    with torch.no_grad():
        net[-1].bias -= net(pixels).mean(0)  # otherwise one class takes them all
        labels = net(pixels).argmax(1)
    return net.requires_grad_(False), pixels, labels


def _project(face: Tensor, x: Tensor, eps: float, norm: str) -> Tensor:
    change = x - face
    if norm == "linf":
        change = change.clamp(-eps, eps)
    elif float((change**2).sum().sqrt()) > eps:
        change = change * eps / (change**2).sum().sqrt()
    return (face + change).clamp(0, 1)


def _start(face: Tensor, row: int, eps: float, norm: str, stream: int) -> Tensor:
    if norm == "l2":
        return ball("l2", face[None], eps).start(SEED, np.array([row]), stream)[0]
    return (face + eps * uniform_noise(SEED, np.array([row]), face[None], stream)[0]).clamp(0, 1)


def _loss(kind: str, label: int, target: int) -> Loss:
    """The three objectives as the paper writes them, on the logits of one face."""

    def value(z: Tensor) -> Tensor:
        if kind == "ce":
            return -torch.log(torch.exp(z[label]) / torch.exp(z).sum())
        pi = torch.sort(z, descending=True).values
        if kind == "dlr":
            others = torch.stack([z[i] for i in range(len(z)) if i != label])
            return -(z[label] - others.max()) / (pi[0] - pi[2])
        return -(z[label] - z[target]) / (pi[0] - (pi[2] + pi[3]) / 2)

    return value


def slow_apgd(
    net: nn.Module, face: Tensor, label: int, start: Tensor, eps: float, steps: int, norm: str, loss: Loss
) -> tuple[Tensor, bool]:
    """Algorithm 1 with every point kept; the first that changes the answer, else the one with the highest loss."""

    def f(x: Tensor) -> float:
        return float(loss(net(x[None])[0]))

    def wrong(x: Tensor) -> bool:
        return int(net(x[None])[0].argmax()) != label

    def up(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(net(x[None])[0]), x)
        return gradient.sign() if norm == "linf" else gradient / (gradient**2).sum().sqrt()

    p = [0.0, 0.22]
    while p[-1] < 1:
        p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
    w = [int(np.ceil(round(each * steps, 9))) for each in p if each < 1]
    size = {0: 2 * eps}
    if wrong(start):
        return start, True
    x = {0: start, 1: _project(face, start + size[0] * up(start), eps, norm)}
    values = {0: f(x[0]), 1: f(x[1])}
    if wrong(x[1]):
        return x[1], True
    best, highest = (x[1], values[1]) if values[1] > values[0] else (x[0], values[0])
    best_at = {0: highest}
    size[1] = size[0]
    for k in range(1, steps):
        z = _project(face, x[k] + size[k] * up(x[k]), eps, norm)
        x[k + 1] = _project(face, x[k] + 0.75 * (z - x[k]) + 0.25 * (x[k] - x[k - 1]), eps, norm)
        values[k + 1] = f(x[k + 1])
        if wrong(x[k + 1]):
            return x[k + 1], True
        if values[k + 1] > highest:
            best, highest = x[k + 1], values[k + 1]
        best_at[k], size[k + 1] = highest, size[k]
        if k in w:
            last = w[w.index(k) - 1]
            rises = sum(values[i + 1] > values[i] for i in range(last, k))
            if rises < 0.75 * (k - last) or (size[last] == size[k] and best_at[last] == best_at[k]):
                size[k + 1] = size[k] / 2
                x[k + 1], values[k + 1] = best, highest
    return best, False


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_it_is_the_papers_method_face_by_face(small: tuple[nn.Module, Tensor, Tensor], loss: str, norm: str) -> None:
    net, pixels, labels = small
    eps, steps = EPS[norm], 25
    found = APGD(loss=loss, norm=norm, steps=steps, seed=SEED)(net, pixels, labels, ROWS, eps)  # type: ignore[arg-type]
    slow = []
    for i in range(COUNT):
        start, label = _start(pixels[i], int(ROWS[i]), eps, norm, 1), int(labels[i])
        slow.append(slow_apgd(net, pixels[i], label, start, eps, steps, norm, _loss(loss, label, -1)))
    flipped = [flip for _, flip in slow]
    assert found.flipped.tolist() == flipped
    assert 0 < sum(flipped) < COUNT  # both endings are met
    torch.testing.assert_close(found.pixels, torch.stack([x for x, _ in slow]), atol=1e-7, rtol=0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_targets_are_the_most_likely_classes_in_turn(small: tuple[nn.Module, Tensor, Tensor], norm: str) -> None:
    net, pixels, labels = small
    eps, steps = EPS[norm], 12
    attack = APGD(loss="targeted_dlr", norm=norm, steps=steps, targets=3, seed=SEED)  # type: ignore[arg-type]
    found = attack(net, pixels, labels, ROWS, eps)
    for i in range(COUNT):
        label = int(labels[i])
        order = [c for c in net(pixels[i][None])[0].argsort(descending=True).tolist() if c != label][:3]
        ends = []
        for turn, target in enumerate(order, start=1):
            start = _start(pixels[i], int(ROWS[i]), eps, norm, turn)
            ends.append(slow_apgd(net, pixels[i], label, start, eps, steps, norm, _loss("t", label, target)))
            if ends[-1][1]:
                break
        x, flip = ends[-1]
        if not flip:
            x = max((x for x, _ in ends), key=lambda x: float(log_odds(net(x[None]), labels[i : i + 1])))
        assert bool(found.flipped[i]) == flip
        torch.testing.assert_close(found.pixels[i], x, atol=1e-7, rtol=0)
    assert 0 < int(found.flipped.sum()) < COUNT


def test_checkpoints_are_those_of_the_paper() -> None:
    """w_j = ceil(p_j N): of 100 steps 22, 41, 57, 70, 80, 87, 93, 99."""
    assert checkpoints_of(100) == [(0, 0), (22, 22), (41, 19), (57, 16), (70, 13), (80, 10), (87, 7), (93, 6), (99, 6)]
    assert checkpoints_of(10)[:3] == [(0, 0), (3, 3), (5, 2)]


@pytest.mark.parametrize("loss", ["ce", "dlr", "targeted_dlr"])
def test_a_face_does_not_feel_the_batch_it_is_in(small: tuple[nn.Module, Tensor, Tensor], loss: str) -> None:
    net, pixels, labels = small
    attack = APGD(loss=loss, steps=12, restarts=2, seed=2)  # type: ignore[arg-type]
    whole = attack(net, pixels, labels, ROWS, 0.012)
    order = [7, 0, 11, 4, 2, 9, 1, 3, 10, 5, 8, 6]
    for size in (1, 5):
        parts = [order[start : start + size] for start in range(0, COUNT, size)]
        found = [attack(net, pixels[part], labels[part], ROWS[part], 0.012) for part in parts]
        torch.testing.assert_close(torch.cat([part.pixels for part in found]), whole.pixels[order])
        assert torch.equal(torch.cat([part.flipped for part in found]), whole.flipped[order])


def test_the_objective_of_ce_orders_points_as_cross_entropy_does() -> None:
    logits = 5 * torch.randn((200, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(200, dtype=torch.long)
    cross_entropy = nn.functional.cross_entropy(logits, labels, reduction="none")
    assert torch.equal(log_odds(logits, labels).argsort(), cross_entropy.argsort())


def test_confident_answers_do_not_hide_a_face(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    """Logits times 100,000: cross-entropy's gradient is zero in single precision, yet as many faces fall."""
    net, pixels, labels = small

    def confident(x: Tensor) -> Tensor:
        return 100_000 * net(x.double()).float()

    single = pixels.float()
    points = single.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(confident(points), labels), points)
    assert (gradient == 0).all((1, 2, 3)).sum() >= COUNT / 2
    for loss in ("ce", "dlr", "targeted_dlr"):
        attack = APGD(loss=loss, steps=25)  # type: ignore[arg-type]
        plain = attack(lambda x: net(x.double()).float(), single, labels, ROWS, 0.012)
        found = attack(confident, single, labels, ROWS, 0.012)
        assert not found.no_gradient.any()
        assert int(found.flipped.sum()) >= int(plain.flipped.sum()) > 0


@pytest.mark.parametrize(("loss", "classes"), [("dlr", 2), ("targeted_dlr", 3), ("targeted_dlr", 2)])
def test_too_few_classes_are_told_not_worked_round(loss: str, classes: int) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, classes))
    attack = APGD(loss=loss)  # type: ignore[arg-type]
    with pytest.raises(TooFewClassesError, match=f"expected a model of {classes + 1}|expected a model of 4"):
        attack(net, torch.rand((2, 3, 4, 4)), torch.zeros(2, dtype=torch.long), np.arange(2), 0.1)
    assert attack.fewest_classes > classes


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["ce", "targeted_dlr"])
def test_it_stays_in_the_ball_and_reports_what_it_returns(
    small: tuple[nn.Module, Tensor, Tensor], loss: str, norm: str
) -> None:
    net, pixels, labels = small
    pixels = pixels.round(decimals=1)
    for eps in (EPS[norm], 0.5, 1e-3):
        labels = net(pixels).argmax(1)
        found = APGD(loss=loss, norm=norm, steps=10)(net, pixels, labels, ROWS, eps)  # type: ignore[arg-type]
        assert float(found.pixels.min()) >= 0
        assert float(found.pixels.max()) <= 1
        assert float(ball(norm, pixels, eps).distance(found.pixels).max()) <= eps + 1e-12  # type: ignore[arg-type]
        assert torch.equal(net(found.pixels).argmax(1) != labels, found.flipped)
        assert (found.loss_after > found.loss_start)[~found.flipped].all()


def test_searching_on_after_the_first_success_finds_higher_losses(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    first = APGD(steps=20, seed=1)(net, pixels, labels, ROWS, 0.02)
    longer = APGD(steps=20, seed=1, stop_at_success=False)(net, pixels, labels, ROWS, 0.02)
    assert torch.equal(first.flipped, longer.flipped)
    assert first.flipped.any()
    before, after = (log_odds(net(found.pixels), labels)[first.flipped] for found in (first, longer))
    assert (after >= before).all()
    assert (after > before).any()


@pytest.fixture(scope="module", params=[0.0, 0.06], ids=["plain", "resistant"])
def right(make_case: Callable[..., Any], request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, Tensor]:
    """A trained net in single precision with the faces that it answers right."""
    case = make_case(3, steps=80, resist=request.param)
    labels = torch.from_numpy(case.labels)
    with torch.no_grad():
        kept = case.net(case.pixels).argmax(1) == labels
    return case.net, case.pixels[kept], labels[kept]


def _art(net: nn.Module, shape: tuple[int, ...], **settings: Any) -> Any:
    classification = pytest.importorskip("art.estimators.classification")
    evasion = pytest.importorskip("art.attacks.evasion")
    model = classification.PyTorchClassifier(
        model=net,
        loss=nn.CrossEntropyLoss(),
        input_shape=shape,
        nb_classes=3,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    return evasion.AutoProjectedGradientDescent(model, nb_random_init=1, batch_size=128, verbose=False, **settings)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("loss", "theirs"), [("ce", "cross_entropy"), ("dlr", "difference_logits_ratio")])
def test_it_is_no_weaker_than_arts(right: tuple[nn.Module, Tensor, Tensor], loss: str, theirs: str, norm: str) -> None:
    """Same norm, eps, steps and one random start, at an eps that faces fall and stand well clear of."""
    net, pixels, labels = right
    rows = np.arange(len(labels))
    _, distance = FAB(norm=norm, steps=20).nearest(net, pixels, labels, rows)  # type: ignore[arg-type]
    middle = distance.sort().values[len(labels) // 4 : 3 * len(labels) // 4]
    widest = int(middle.diff().argmax())
    eps = float(middle[widest : widest + 2].mean())
    ours = APGD(loss=loss, norm=norm, steps=20)(net, pixels, labels, rows, eps)  # type: ignore[arg-type]
    np.random.seed(0)  # ART starts from NumPy's global generator
    settings = {"norm": np.inf if norm == "linf" else 2, "eps": eps, "eps_step": 2 * eps, "max_iter": 20}
    found = _art(net, tuple(pixels.shape[1:]), loss_type=theirs, **settings).generate(pixels.numpy(), labels.numpy())
    with torch.no_grad():
        art = net(torch.from_numpy(found)).argmax(1) != labels
    assert 5 < int(art.sum()) < len(labels) - 5  # a setting that tells attacks apart
    assert int(ours.flipped.sum()) >= int(art.sum())
