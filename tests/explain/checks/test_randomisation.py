"""The randomisation check fails what ignores the model and passes what does not."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
import torch
from checks.audited import Blob, DrawnFaces, Edges, drawn_target
from torch import Tensor

from countenance.core.target import Target
from countenance.explain.attribution.method import Built
from countenance.explain.attribution.registry import build_explainers
from countenance.explain.checks.randomisation import Compared, compare, judge
from countenance.explain.checks.weight_checks import WeightChecks
from countenance.synth.nets import load_net


def one(same: float, other: float, faces: int = 8) -> Compared:
    return Compared(same, other, 0.5, faces, 0)


@pytest.mark.parametrize(
    ("draws", "verdict"),
    [
        ([one(1.0, 0.3)] * 3, "fails"),
        ([one(0.8, 0.3), one(0.85, 0.3), one(0.75, 0.3)], "fails"),
        ([one(1.0, 1.0)] * 3, "fails"),
        ([one(0.3, 0.3), one(-0.2, 0.0), one(0.1, 0.1)], "passes"),
        ([one(0.7, 0.7), one(-0.2, -0.2), one(0.1, 0.1)], "passes"),
        ([one(0.9, 0.3), one(0.2, 0.3), one(0.5, 0.3)], "not measured"),
        ([one(1.0, 0.3)], "not measured"),
        ([one(1.0, 0.3, faces=3)] * 4, "not measured"),
    ],
)
def test_verdicts(draws: list[Compared], verdict: str) -> None:
    found = judge(draws)
    assert found.verdict == verdict
    assert found.reason


def test_what_is_kept_is_the_pictures_own() -> None:
    random = torch.Generator().manual_seed(0)
    shared = torch.rand(1, 20, 20, generator=random)
    own = torch.rand(6, 20, 20, generator=random)
    before = shared + own
    assert compare(before, before).kept == pytest.approx(1)
    afresh = shared + torch.rand(6, 20, 20, generator=random)
    assert abs(compare(before, afresh).kept) < 0.1
    assert compare(before, afresh).same > 0.3
    half = compare(before, shared + (own + torch.rand(6, 20, 20, generator=random)) / 2)
    assert 0.2 < half.kept < 0.9


def test_vanished_maps_are_like_nothing_and_faces_without_a_map_do_not_count() -> None:
    before = torch.rand(6, 12, 12, generator=torch.Generator().manual_seed(1))
    after = before.clone()
    after[:2] = torch.nan
    found = compare(before, after)
    assert (found.faces, found.vanished) == (6, 2)
    assert found.same == pytest.approx(4 / 6)
    before[5] = torch.nan
    assert compare(before, after).faces == 5
    assert compare(torch.full((3, 4, 4), torch.nan), after[:3, :4, :4]).faces == 0


def test_a_method_does_not_pass_because_some_of_its_maps_vanish() -> None:
    """Where random nets give a map it is the very same: that half of them give none is no sign of the model in it."""
    before = (torch.rand(1, 12, 12, generator=generator(1)) + torch.rand(12, 12, 12, generator=generator(2))) / 2

    def without(share: float, seed: int, after: Tensor) -> Compared:
        gone = torch.rand(12, generator=generator(seed)) < share
        return compare(before, torch.where(gone[:, None, None], torch.nan, after))

    stays = judge([without(0.6, seed, before) for seed in range(6)])
    assert stays.kept.high is not None
    assert stays.kept.high < 0.5  # by itself it would pass
    assert stays.verdict == "not measured"
    assert "of the others 1.00 stays" in stays.reason
    elsewhere = torch.rand(12, 12, 12, generator=generator(3))
    assert judge([without(0.6, seed, elsewhere) for seed in range(6)]).verdict == "passes"
    spot = torch.rand(1, 12, 12, generator=generator(4)).expand(12, -1, -1)
    fewer = [torch.where(torch.arange(12)[:, None, None] < count, torch.nan, spot) for count in (5, 7)]
    assert judge([compare(spot, after) for after in fewer]).verdict != "passes"
    gone = judge([without(1.1, seed, before) for seed in range(3)])
    assert gone.verdict == "passes"
    assert "100% of the maps vanish" in gone.reason


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained() -> Target:
    checkpoint = files("countenance.synth").joinpath("data/twin.safetensors").read_bytes()
    return drawn_target(load_net(checkpoint))


def check(target: Target, faces: DrawnFaces, methods: list[str], seeds: range) -> dict[str, str]:
    own = [Edges(), Blob()]

    def build() -> Built:
        built = build_explainers(target, methods, batch_size=8)
        return Built((*built.explainers, *own), built.unavailable)

    rows = np.arange(0, len(faces), 5)[:12]
    with torch.no_grad():
        classes = target(faces.pixels[rows]).argmax(1).numpy()
    shape = (len(rows), *target.size)
    names = [name for explainer in build().explainers for name in explainer.methods]
    empty = {name: torch.full(shape, torch.nan) for name in names}
    checks = WeightChecks(faces, target, build, rows, classes, empty, batch_size=8, seed=0)
    checks._before = checks._maps()
    return {name: judge(draws).verdict for name, draws in checks.full(list(seeds), lambda count: None).items()}


def test_an_edge_detector_and_a_fixed_spot_fail_and_gradcam_passes() -> None:
    found = check(trained(), DrawnFaces.draw(9), ["gradcam", "layercam"], range(4))
    assert found == {"gradcam": "passes", "layercam": "passes", "edges": "fails", "blob": "fails"}


@pytest.mark.slow
def test_controls_over_many_sets_of_random_nets_and_faces() -> None:
    methods, verdicts = ["gradcam", "layercam", "saliency"], []
    for seed in range(20):
        verdicts.append(check(trained(), DrawnFaces.draw(9, seed), methods, range(50 * seed, 50 * seed + 5)))
    assert all(one["edges"] == one["blob"] == "fails" for one in verdicts)
    for name in methods:
        assert not [one for one in verdicts if one[name] == "fails"]
        assert sum(one[name] == "passes" for one in verdicts) >= 18


def test_the_cascade_goes_from_the_output_to_the_input_and_leaves_the_net_alone() -> None:
    target, faces = trained(), DrawnFaces.draw(2)
    before = {name: tensor.clone() for name, tensor in target.net.state_dict().items()}
    rows = np.arange(6)
    classes = np.zeros(6, dtype=np.int64)

    def build() -> Built:
        return build_explainers(target, ["gradcam"], batch_size=8)

    empty = {"gradcam": torch.full((6, *target.size), torch.nan)}
    checks = WeightChecks(faces, target, build, rows, classes, empty, batch_size=8, seed=0)
    checks._before = checks._maps()
    seen = []
    steps = checks.cascade(3, 7, seen.append)
    assert [step.mode for step in steps] == ["cascading", "independent"] * 3
    assert steps[0].modules[0] == "head"
    assert steps[-2].modules == checks.owners
    assert [name for step in steps[1::2] for name in step.modules] == list(checks.owners)
    assert sum(seen) == 36
    for name, tensor in target.net.state_dict().items():
        assert torch.equal(tensor, before[name])
    again = checks._maps()["gradcam"]
    assert torch.equal(again.nan_to_num(), checks._before["gradcam"].nan_to_num())
