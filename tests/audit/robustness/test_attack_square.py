from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.attacks.square import Square, margins
from countenance.audit.robustness.attacks.square_moves import bump
from countenance.audit.robustness.noise import uniform_noise

COUNT = 12
SIDE = 12
ROWS = np.arange(40, 40 + COUNT)
EPS = {"linf": 0.02, "l2": 0.35}


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, Tensor, Tensor]:
    """A net in double precision, so that rounding decides nothing, with faces it answers right."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 36, 4)
    ).double()
    pixels = torch.rand((COUNT, 3, SIDE, SIDE), dtype=torch.float64)
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    return net.requires_grad_(False), pixels, labels


class Numbers:
    """The uniform numbers of one face, one after the other, as the attack consumes them."""

    def __init__(self, seed: int, row: int, of_start: int, of_move: int) -> None:
        def draw(shape: tuple[int, ...], stream: int) -> list[Any]:
            like = torch.empty((1, *shape), dtype=torch.float64)
            return ((uniform_noise(seed, np.array([row]), like, stream)[0] + 1) / 2).tolist()

        self.start = draw((of_start,), 1)
        self.moves = [numbers for block in range(6) for numbers in draw((64, of_move), 2 + block)]


def share(query: int, queries: int) -> float:
    """The schedule of the paper for 10,000 iterations, stretched over the queries there are."""
    iteration = int(query / queries * 10_000)
    for place, limit in enumerate((10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)):
        if iteration <= limit:
            return 0.8 / 2**place
    return 0.8 / 512


def margin(net: nn.Module, x: np.ndarray, label: int) -> float:
    logits = net(torch.from_numpy(x)[None])[0].tolist()
    return logits[label] - max(z for k, z in enumerate(logits) if k != label)


def slow_linf(net: nn.Module, face: np.ndarray, label: int, row: int, eps: float, queries: int, seed: int) -> Any:
    """Algorithms 1 and 2 for one face, value by value."""
    numbers = Numbers(seed, row, 3 * SIDE, 3)
    sign = np.empty((3, SIDE, SIDE))
    for channel in range(3):
        for column in range(SIDE):
            sign[channel, :, column] = -1 if numbers.start[channel * SIDE + column] < 0.5 else 1

    def at(signs: np.ndarray) -> np.ndarray:
        return np.clip(face + eps * signs, 0, 1)

    best = margin(net, at(sign), label)
    for query in range(queries - 1):
        if best < 0:
            break
        h = min(max(round(math.sqrt(share(query, queries) * SIDE * SIDE)), 1), SIDE)
        u = numbers.moves[query]
        r, s = math.floor(u[0] * (SIDE - h + 1)), math.floor(u[1] * (SIDE - h + 1))
        window = (slice(None), slice(r, r + h), slice(s, s + h))
        patterns = [[1 if code >> channel & 1 else -1 for channel in range(3)] for code in range(8)]
        here = [pattern for pattern in patterns if (sign[window] == np.array(pattern)[:, None, None]).all()]
        code = math.floor(u[2] * (8 - len(here)))
        if here:  # the authors' code draws again until something changes
            code = (patterns.index(here[0]) + 1 + code) % 8
        trial = sign.copy()
        trial[window] = np.array(patterns[code])[:, None, None]
        found = margin(net, at(trial), label)
        if found < best:
            sign, best = trial, found
    return at(sign), best < 0


def slow_hill(rows: int, columns: int) -> np.ndarray:
    hill = np.zeros((rows, columns))
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            distance = max(abs(row - rows // 2 - 1), abs(column - columns // 2 - 1))
            n = columns // 2
            hill[row - 1, column - 1] = sum(1 / (n + 1 - k) ** 2 for k in range(n - distance + 1))
    return hill / math.sqrt((hill**2).sum())


def slow_bump(side: int) -> np.ndarray:
    both = np.concatenate([slow_hill(side // 2, side), -slow_hill(side - side // 2, side)])
    return both / math.sqrt((both**2).sum())


def length(values: np.ndarray) -> float:
    return math.sqrt(float((values**2).sum()))


def slow_l2(net: nn.Module, face: np.ndarray, label: int, row: int, eps: float, queries: int, seed: int) -> Any:
    """Algorithms 1 and 3 for one face."""
    tile = SIDE // 5
    across = SIDE // tile
    numbers = Numbers(seed, row, 2 * across * across, 6)
    change = np.zeros((3, SIDE, SIDE))
    for number in range(across * across):
        top, left = number // across * tile, number % across * tile
        pattern = slow_bump(tile)
        if numbers.start[across * across + number] < 0.5:
            pattern = pattern.T
        code = math.floor(numbers.start[number] * 8)
        for channel in range(3):
            rho = 1 if code >> channel & 1 else -1
            change[channel, top : top + tile, left : left + tile] = rho * pattern
    x = np.clip(face + change / length(change) * eps, 0, 1)
    best = margin(net, x, label)
    for query in range(queries - 1):
        if best < 0:
            break
        h = max(round(math.sqrt(share(query, queries) * SIDE * SIDE)), 3)
        h = min(h + (h % 2 == 0), SIDE)
        u = numbers.moves[query]
        r1, s1, r2, s2 = (math.floor(each * (SIDE - h + 1)) for each in u[:4])
        one, two = np.zeros((2, SIDE, SIDE), dtype=bool)
        one[r1 : r1 + h, s1 : s1 + h] = True
        two[r2 : r2 + h, s2 : s2 + h] = True
        nu = x - face
        unused = max(eps**2 - length(nu) ** 2, 0)
        eta = slow_bump(h).T if u[5] < 0.5 else slow_bump(h)
        code = math.floor(u[4] * 8)
        after = nu.copy()
        for channel in range(3):
            rho = 1 if code >> channel & 1 else -1
            old = nu[channel][one].reshape(h, h)
            temp = rho * eta + old / (length(old) + 1e-12)
            available = math.sqrt(length(nu[channel][one | two]) ** 2 + unused / 3)
            after[channel][two] = 0
            after[channel][one] = (temp / length(temp) * available).reshape(-1)
        trial = np.clip(face + after / length(after) * eps, 0, 1)
        found = margin(net, trial, label)
        if found < best:
            x, best = trial, found
    return x, best < 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_the_papers_method_face_by_face(small: tuple[nn.Module, Tensor, Tensor], norm: Any) -> None:
    net, pixels, labels = small
    queries, seed = 150, 5
    found = Square(queries=queries, norm=norm, seed=seed)(net, pixels, labels, ROWS, EPS[norm])
    slow = slow_linf if norm == "linf" else slow_l2
    each = [slow(net, pixels[i].numpy(), int(labels[i]), int(ROWS[i]), EPS[norm], queries, seed) for i in range(COUNT)]
    flipped = [flip for _, flip in each]
    assert found.flipped.tolist() == flipped
    assert 0 < sum(flipped) < COUNT  # both endings are met
    torch.testing.assert_close(found.pixels, torch.from_numpy(np.stack([x for x, _ in each])), atol=1e-9, rtol=0)


@pytest.mark.parametrize("side", [2, 3, 4, 5, 9, 22])
def test_bumps_are_those_of_equation_2(side: int) -> None:
    np.testing.assert_allclose(bump(side), slow_bump(side), atol=1e-12)
    assert math.isclose(length(bump(side)), 1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_face_does_not_feel_the_batch_it_is_in(small: tuple[nn.Module, Tensor, Tensor], norm: Any) -> None:
    net, pixels, labels = small
    attack = Square(queries=90, norm=norm, seed=2)
    whole = attack(net, pixels, labels, ROWS, EPS[norm])
    order = [7, 0, 11, 4, 2, 9, 1, 3, 10, 5, 8, 6]
    for size in (1, 5):
        parts = [order[start : start + size] for start in range(0, COUNT, size)]
        found = [attack(net, pixels[part], labels[part], ROWS[part], EPS[norm]) for part in parts]
        torch.testing.assert_close(torch.cat([part.pixels for part in found]), whole.pixels[order])
        assert torch.equal(torch.cat([part.flipped for part in found]), whole.flipped[order])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_seed_decides(small: tuple[nn.Module, Tensor, Tensor], norm: Any) -> None:
    net, pixels, labels = small
    runs = [Square(queries=9, norm=norm, seed=seed)(net, pixels, labels, ROWS, 0.001) for seed in (1, 1, 2)]
    assert torch.equal(runs[0].pixels, runs[1].pixels)
    assert not torch.equal(runs[0].pixels, runs[2].pixels)


@pytest.mark.parametrize("shape", [(12, 12), (9, 14), (31, 20), (4, 4), (2, 3)])
@pytest.mark.parametrize("eps", [1 / 255, 0.3, 1.0])
def test_every_query_stays_within_the_bounds(shape: tuple[int, int], eps: float) -> None:
    """In single precision, measured in double; also of images that are not square, or hold no bump of side 3."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((5, 3, *shape), generator=generator).round(decimals=1)
    weights = torch.randn((3, *shape), generator=generator)
    labels = torch.zeros(5, dtype=torch.long)

    def scores(x: Tensor) -> Tensor:
        change = (x.double() - pixels.double()).flatten(1)
        distance = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        assert float(distance.max()) <= eps + 1e-6
        assert float(x.min()) >= 0
        assert float(x.max()) <= 1
        side = (x * weights).sum((1, 2, 3))
        return torch.stack([side + 1e4, -side], 1)  # so far from the boundary that the search runs to its end

    for norm in ("linf", "l2"):
        found = Square(queries=120, norm=norm)(scores, pixels, labels, np.arange(5), eps)  # type: ignore[arg-type]
        assert not found.flipped.any()
        assert torch.isfinite(found.pixels).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_spends_its_length(small: tuple[nn.Module, Tensor, Tensor], norm: Any) -> None:
    net, pixels, labels = small
    middle = pixels / 2 + 0.25  # nothing is cut off
    found = Square(queries=60, norm=norm)(net, middle, labels, ROWS, 0.05).pixels - middle
    distance = found.abs().flatten(1) if norm == "linf" else found.flatten(1).norm(dim=1)
    torch.testing.assert_close(distance, torch.full_like(distance, 0.05))


def test_it_reaches_the_corner_of_a_linear_model() -> None:
    """Weights of one sign in each channel: the right choice of three signs is best everywhere."""
    pixels = torch.full((2, 3, 8, 8), 0.5, dtype=torch.float64)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64).view(3, 1, 1).expand(3, 8, 8)

    def scores(x: Tensor) -> Tensor:
        side = (x * weights).sum((1, 2, 3))
        return torch.stack([side + 1e3, -side], 1)

    found = Square(queries=3000, seed=4)(scores, pixels, torch.zeros(2, dtype=torch.long), np.arange(2), 0.1)
    torch.testing.assert_close(found.pixels, pixels - 0.1 * weights.sign())


def test_faces_that_fell_cost_no_further_queries(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    asked: list[int] = []

    def scores(x: Tensor) -> Tensor:
        asked.append(len(x))
        return net(x)

    found = Square(queries=150, seed=5)(scores, pixels, labels, ROWS, EPS["linf"])
    assert len(asked) == 150
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] == int((~found.flipped).sum())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_it_returns_is_what_it_reports(small: tuple[nn.Module, Tensor, Tensor], norm: Any) -> None:
    net, pixels, labels = small
    found = Square(queries=150, norm=norm)(net, pixels, labels, ROWS, EPS[norm])
    assert torch.equal(net(found.pixels).argmax(1) != labels, found.flipped)
    assert not found.no_gradient.any()
    stood = ~found.flipped
    assert (found.loss_after > found.loss_start)[stood].all()


def test_no_answer_ends_the_search(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    _, pixels, labels = small

    def scores(x: Tensor) -> Tensor:
        return torch.full((len(x), 4), float("nan"), dtype=torch.float64)

    found = Square(queries=5)(scores, pixels, labels, ROWS, 0.1)
    assert found.flipped.all()
    assert torch.isfinite(found.pixels).all()


def test_it_needs_no_gradient(small: tuple[nn.Module, Tensor, Tensor]) -> None:
    net, pixels, labels = small
    assert not Square.white_box

    def scores(x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        return torch.from_numpy(net(x).numpy())  # as an ONNX session would give them

    assert Square(queries=150, seed=5)(scores, pixels, labels, ROWS, EPS["linf"]).flipped.any()


def test_margins() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 7.0]])
    assert margins(logits, torch.tensor([0, 1])).tolist() == [1.0, -2.0]


@pytest.mark.parametrize("settings", [{"queries": 0}, {"p_init": 0.0}, {"p_init": 1.5}, {"norm": "l1"}])
def test_settings_that_leave_nothing_to_search(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Square(**settings)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 3.0)])
def test_it_is_no_weaker_than_arts(case: Any, norm: Any, eps: float) -> None:
    """At equal queries, on faces that ART flips in part. (Its L2 divides by a length that the paper multiplies by.)"""
    classification = pytest.importorskip("art.estimators.classification")
    evasion = pytest.importorskip("art.attacks.evasion")
    pixels, labels = case.pixels, torch.from_numpy(case.labels)
    right = case.net(pixels).argmax(1) == labels
    pixels, labels = pixels[right], labels[right]
    classifier = classification.PyTorchClassifier(
        case.net, nn.CrossEntropyLoss(), input_shape=(3, 16, 16), nb_classes=3, clip_values=(0, 1)
    )
    np.random.seed(0)
    attack = evasion.SquareAttack(
        classifier, norm=np.inf if norm == "linf" else 2, max_iter=100, eps=eps, verbose=False
    )
    with np.errstate(all="ignore"):
        theirs = attack.generate(pixels.numpy(), labels.numpy())
    art = case.net(torch.from_numpy(theirs)).argmax(1) != labels
    ours = Square(queries=100, norm=norm)(case.net, pixels, labels, np.arange(len(pixels)), eps).flipped
    assert 5 < int(art.sum()) < len(pixels) - 5  # a setting that tells attacks apart
    assert int(ours.sum()) >= int(art.sum())
