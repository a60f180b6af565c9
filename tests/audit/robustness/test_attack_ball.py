from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.audit.robustness.attacks import Norm, ball
from countenance.audit.robustness.attacks.hyperplane import nearest_on_plane

NORMS: tuple[Norm, ...] = ("linf", "l2")


def _faces(count: int, side: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand((count, 3, side, side), dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whatever_it_returns_lies_in_it(norm: Norm, dtype: torch.dtype) -> None:
    faces = _faces(5, dtype=dtype).round(decimals=1)  # some at 0 and 1
    generator = torch.Generator().manual_seed(1)
    rows = np.arange(5)
    for eps in (1e-3, 0.1, 0.9):
        around = ball(norm, faces, eps)
        wild = torch.randn(faces.shape, dtype=dtype, generator=generator)
        points = [
            around.start(3, rows, 1),
            around.control(3, rows),
            around.project(faces + wild),
            around.step(faces, wild, 2 * eps),
            around.step(around.start(3, rows, 2), wild, torch.full((5, 1, 1, 1), eps, dtype=dtype)),
        ]
        for found in points:
            assert found.dtype == dtype
            assert float(found.min()) >= 0
            assert float(found.max()) <= 1
            assert float(around.distance(found).max()) <= eps + 1e-6
            assert float(around.distance(found).max()) > 0.05 * eps


def test_distances_are_those_of_the_norms() -> None:
    faces = _faces(4)
    change = 0.01 * torch.randn(faces.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ball("linf", faces, 1).distance(faces + change), change.flatten(1).abs().amax(1))
    torch.testing.assert_close(ball("l2", faces, 1).distance(faces + change), (change**2).sum((1, 2, 3)).sqrt())


def test_what_is_inside_stays_and_what_is_outside_comes_to_the_surface() -> None:
    faces = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
    direction = torch.randn(faces.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direction /= (direction**2).sum((1, 2, 3), keepdim=True).sqrt()
    around = ball("l2", faces, 0.2)
    inside = faces + 0.15 * direction
    torch.testing.assert_close(around.project(inside.clone()), inside)
    torch.testing.assert_close(around.project(faces + 0.4 * direction), faces + 0.2 * direction)
    torch.testing.assert_close(around.step(faces, 1e-30 * direction, 0.1), faces + 0.1 * direction)


def test_a_gradient_of_zero_moves_nothing() -> None:
    faces = _faces(3)
    for norm in NORMS:
        around = ball(norm, faces, 0.1)
        assert torch.equal(around.step(faces, torch.zeros_like(faces), 0.05), faces)


def test_starts_are_uniform_in_the_ball() -> None:
    """The length of a uniform point of a ball in d dimensions, to the power of d, is uniform; so is each direction."""
    side, count, eps = 2, 4000, 0.4
    faces = torch.full((count, 3, side, side), 0.5, dtype=torch.float64)
    values = 3 * side * side
    around = ball("l2", faces, eps)
    change = around.start(0, np.arange(count), 1) - faces
    share = np.sort((around.distance(faces + change) / eps).numpy() ** values)
    assert np.abs(share - (np.arange(count) + 0.5) / count).max() < 1.63 / count**0.5  # Kolmogorov, level 1 %
    flat = (change.flatten(1) / eps).numpy()
    assert np.abs(flat.mean(0)).max() < 4 * flat.std() / count**0.5
    covariance = flat.T @ flat / count
    assert np.abs(covariance * (values + 2) - np.eye(values)).max() < 0.15  # of a unit ball: I / (d + 2)


@pytest.mark.parametrize("norm", NORMS)
def test_the_start_of_a_face_does_not_feel_its_batch(norm: Norm) -> None:
    faces = _faces(6, dtype=torch.float32)
    whole = ball(norm, faces, 0.1).start(7, np.arange(6), 2)
    part = ball(norm, faces, 0.1).subset(torch.tensor([4, 1])).start(7, np.array([4, 1]), 2)
    assert torch.equal(whole[[4, 1]], part)
    assert not torch.equal(whole, ball(norm, faces, 0.1).start(7, np.arange(6), 3))


def _slow_nearest(norm: Norm, x: np.ndarray, w: np.ndarray, b: float) -> float:
    """Distance to {z in 0..1: <w, z> + b = 0} by a general solver."""
    from scipy.optimize import LinearConstraint, linprog, minimize

    size = len(x)
    if norm == "linf":  # minimise t with |z - x| <= t
        cost = np.append(np.zeros(size), 1)
        eye, one = np.eye(size), np.ones((size, 1))
        upper = np.block([[eye, -one], [-eye, -one]])
        found = linprog(
            cost,
            A_ub=upper,
            b_ub=np.concatenate([x, -x]),
            A_eq=np.append(w, 0)[None],
            b_eq=[-b],
            bounds=[(0, 1)] * size + [(0, None)],
        )
        assert found.success
        return float(found.fun)
    found = minimize(
        lambda z: ((z - x) ** 2).sum(),
        x,
        jac=lambda z: 2 * (z - x),
        bounds=[(0, 1)] * size,
        constraints=LinearConstraint(w[None], -b, -b),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    return float(np.sqrt(found.fun))


@pytest.mark.parametrize("norm", NORMS)
def test_the_nearest_point_of_a_plane_in_the_box_is_that_of_a_general_solver(norm: Norm) -> None:
    rng = np.random.default_rng(0)
    count, shape = 40, (3, 2, 3)
    x = rng.random((count, *shape)).clip(0.1, 0.9).round(1)
    x[:20] = (x[:20] > 0.4).astype(float)  # at the corners of the box, as black and white pixels are
    w = rng.normal(size=x.shape) * rng.choice([1e-3, 1.0, 1e3], (count, 1, 1, 1))
    w[:, 0, 0] = 0
    inside = rng.random(x.shape)  # a plane through a point of the box, so that it can be reached
    b = -(w * inside).sum((1, 2, 3))
    offset = (w * x).sum((1, 2, 3)) + b
    change = nearest_on_plane(norm, *(torch.from_numpy(each) for each in (x, w, offset))).numpy()
    z = x + change
    assert z.min() >= 0
    assert z.max() <= 1
    left = np.abs((w * z).sum((1, 2, 3)) + b)
    assert (left <= 2e-6 * np.abs(offset)).all()
    flat = change.reshape(count, -1)
    size = np.abs(flat).max(1) if norm == "linf" else np.sqrt((flat**2).sum(1))
    slow = [_slow_nearest(norm, x[i].ravel(), w[i].ravel() / np.abs(w[i]).max(), b[i] / np.abs(w[i]).max())
            for i in range(count)]  # fmt: skip
    np.testing.assert_allclose(size, slow, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_a_plane_out_of_reach_is_approached_as_far_as_the_box_allows(norm: Norm) -> None:
    x = torch.rand((3, 3, 2, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    w[2] = 0
    change = nearest_on_plane(norm, x, w, torch.tensor([-1e3, 1e3, 1.0], dtype=torch.float64))
    torch.testing.assert_close((x + change)[0], (w[0] > 0).double())
    torch.testing.assert_close((x + change)[1], (w[1] < 0).double())
    assert torch.equal(change[2], torch.zeros_like(x[2]))
