"""Quickly drawn faces: what they are, and that their expressions can be told."""

from __future__ import annotations

import torch

from countenance.synth.expression import EXPRESSIONS
from countenance.synth.quick_faces import quick_faces


def test_grey_faces_in_turns() -> None:
    faces = quick_faces(15, 3)
    assert faces.pixels.shape == (15, 1, 64, 64)
    assert faces.pixels.dtype == torch.float32
    assert 0 <= float(faces.pixels.min()) < 0.2 < 0.8 < float(faces.pixels.max()) <= 1
    assert faces.labels.tolist() == [place % len(EXPRESSIONS) for place in range(15)]
    assert faces.rgb.shape == (15, 3, 64, 64)
    assert torch.equal(faces.rgb[:, 0], faces.rgb[:, 2])


def test_everything_follows_from_the_seed() -> None:
    assert torch.equal(quick_faces(9, 5).pixels, quick_faces(9, 5).pixels)
    assert not torch.equal(quick_faces(9, 5).pixels, quick_faces(9, 6).pixels)


def test_other_sizes_show_the_same_faces() -> None:
    small, large = (quick_faces(7, 1, size=size, noise=0.0).pixels for size in (32, 64))
    halved = torch.nn.functional.avg_pool2d(large, 2)
    assert float((small - halved).abs().mean()) < 0.03


def test_mean_faces_differ_where_expressions_do() -> None:
    faces = quick_faces(700, 2)
    means = {name: faces.pixels[faces.labels == place, 0].mean(0) for place, name in enumerate(EXPRESSIONS)}
    mouth = (slice(40, 56), slice(20, 44))
    open_mouth = float(means["surprised"][mouth].min())
    assert open_mouth < float(means["neutral"][mouth].min()) - 0.03
    eyes = (slice(24, 34), slice(14, 50))
    change = (means["surprised"] - means["neutral"])[eyes].abs().max()
    hardly = (means["happy"] - means["neutral"])[:12].abs().max()
    assert float(change) > 2 * float(hardly)
