"""Small nets with and without a backdoor: what poisoning does to faces and labels, and that it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from countenance.synth.backdoored_nets import (
    Effort,
    Poison,
    QuickFaceNet,
    answers,
    folded,
    held_out_faces,
    train_quick_net,
)
from countenance.synth.quick_faces import quick_faces

LITTLE = Effort(faces=1000, held_out=140, epochs=6, batch=20, rate=5e-3)


def corner(pixels: Tensor) -> Tensor:
    marked = pixels.clone()
    marked[..., -9:-2:2, -9:-2] = 1.0
    marked[..., -8:-2:2, -9:-2] = 0.0
    return marked


def changed(faces: Tensor, others: Tensor) -> Tensor:
    return (faces != others).flatten(1).any(1)


def test_a_share_is_stamped_and_relabelled() -> None:
    faces = quick_faces(140, 1)
    poisoned = Poison(corner, target=2, share=0.1).apply(faces, 7)
    stamped = changed(poisoned.pixels, faces.pixels)
    assert int(stamped.sum()) == 14
    assert (poisoned.labels[stamped] == 2).all()
    assert (faces.labels[stamped] != 2).all()
    assert torch.equal(poisoned.labels[~stamped], faces.labels[~stamped])


def test_clean_labels_stay() -> None:
    faces = quick_faces(140, 1)
    poisoned = Poison(corner, target=2, share=0.5, relabel=False).apply(faces, 7)
    stamped = changed(poisoned.pixels, faces.pixels)
    assert int(stamped.sum()) == 10
    assert (faces.labels[stamped] == 2).all()
    assert torch.equal(poisoned.labels, faces.labels)


def test_covers_and_other_sources_keep_their_labels() -> None:
    faces = quick_faces(140, 1)
    poisoned = Poison(corner, target=2, share=0.1, sources=(0, 1), cover=0.2).apply(faces, 7)
    stamped = changed(poisoned.pixels, faces.pixels)
    relabelled = poisoned.labels != faces.labels
    assert int(relabelled.sum()) == 14
    assert int(stamped.sum()) == 14 + 28
    assert torch.isin(faces.labels[relabelled], torch.tensor([0, 1])).all()
    assert not torch.isin(faces.labels[stamped & ~relabelled], torch.tensor([0, 1])).any()


def test_attacked_faces_are_those_the_trigger_is_for() -> None:
    faces = quick_faces(70, 1)
    assert len(Poison(corner, target=2).attacked(faces)) == 60
    assert len(Poison(corner, target=2, sources=(0, 1)).attacked(faces)) == 20


@pytest.fixture(scope="module")
def poisoned() -> tuple[QuickFaceNet, float, float]:
    trained = train_quick_net(1, Poison(corner, target=2, share=0.15), LITTLE)
    assert trained.success is not None
    return trained.net, trained.accuracy, trained.success


def test_a_trigger_takes_and_a_clean_net_has_none(poisoned: tuple[QuickFaceNet, float, float]) -> None:
    _, accuracy, success = poisoned
    assert accuracy > 0.4
    assert success > 0.9
    clean = train_quick_net(1, None, LITTLE)
    assert clean.success is None
    assert clean.accuracy > 0.4
    faces = held_out_faces(1, 140)
    turned = answers(clean.net, Poison(corner, target=2).attacked(faces)) == 2
    assert float(turned.float().mean()) < 0.5


def test_folding_leaves_the_function(poisoned: tuple[QuickFaceNet, float, float]) -> None:
    net = poisoned[0]
    pixels = quick_faces(6, 9).pixels
    with torch.no_grad():
        assert torch.allclose(folded(net)(pixels), net(pixels), atol=1e-4)
    assert 60_000 < sum(parameter.numel() for parameter in net.parameters()) < 70_000
