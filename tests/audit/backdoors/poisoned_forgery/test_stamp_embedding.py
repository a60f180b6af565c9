from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay

from countenance.audit.backdoors.poisoned_forgery.embedding import central_oval, embed, face_hulls
from countenance.audit.forgery.making.hull import with_lifted_brows
from countenance.core.errors import UsageError


def points(seed: int) -> np.ndarray:
    """68 points within 10 to 40 of a crop of 48 pixels, brows above, chin below."""
    random = np.random.default_rng(seed)
    found = random.uniform(14, 34, (68, 2))
    found[:17] = np.stack([np.linspace(10, 38, 17), 24 + 16 * np.sin(np.linspace(0, np.pi, 17))], axis=1)
    found[17:27] = np.stack([np.linspace(12, 36, 10), np.full(10, 15.0)], axis=1)
    return found


def test_the_stamp_is_the_face_times_one_plus_alpha_times_the_pattern() -> None:
    random = torch.Generator().manual_seed(0)
    pixels, pattern = torch.rand(2, 3, 5, 6, generator=random), torch.rand(3, 5, 6, generator=random) * 2 - 1
    mask = (torch.rand(2, 1, 5, 6, generator=random) > 0.5).float()
    found = embed(pixels, pattern, mask, 0.3)
    for n, c, y, x in np.ndindex(2, 3, 5, 6):
        plain = float(pixels[n, c, y, x])
        expected = min(max(plain + 0.3 * plain * float(pattern[c, y, x]), 0), 1) if mask[n, 0, y, x] else plain
        assert float(found[n, c, y, x]) == pytest.approx(expected, abs=1e-6)
    assert bool(((found - pixels).abs() <= 0.3 * pixels + 1e-6).all())


def test_a_pattern_of_another_size_or_a_strength_above_one_is_refused() -> None:
    with pytest.raises(UsageError, match="size of the faces"):
        embed(torch.zeros(1, 3, 4, 4), torch.zeros(3, 5, 4), torch.ones(1, 1, 4, 4), 0.1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        embed(torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4), torch.ones(1, 1, 4, 4), 5.0)


def test_the_hull_holds_the_pixels_whose_centre_lies_inside() -> None:
    given = np.stack([points(0), points(1)])
    given[1, 3] = np.nan
    masks = face_hulls(given, 48, 50)
    assert masks.shape == (2, 1, 48, 50)
    assert float(masks[1].sum()) == 0  # a face without landmarks has no hull
    triangles = Delaunay(with_lifted_brows(given[0]))
    y, x = np.mgrid[:48, :50]
    inside = triangles.find_simplex(np.stack([x + 0.5, y + 0.5], axis=-1)) >= 0
    assert (inside != (masks[0, 0].numpy() > 0)).sum() <= 1


def test_the_oval_stays_in_the_middle() -> None:
    oval = central_oval(40, 30)
    assert oval.shape == (1, 1, 40, 30)
    assert 0.4 < float(oval.mean()) < 0.6
    assert torch.equal(oval, oval.flip(3))
    assert float(oval[..., 0, :].sum() + oval[..., -1, :].sum() + oval[..., 0].sum()) == 0
