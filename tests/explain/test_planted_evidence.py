"""A net planted to use the mouth alone and one planted to use a corner patch are told; their twin is not flagged.

All three start from, or are, the shipped twin, so that they are trained in seconds. Rates over seeds of nets trained
from nothing stand in the documentation (``python -m benchmarks.studies planted_explanations``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import countenance
from countenance.core.results import AuditResults, ProbeResult
from countenance.synth.dataset import LANDMARKS, DrawnCrops, crops_of
from countenance.synth.demo import shipped
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.held_out import write_crops
from countenance.synth.measure import predict
from countenance.synth.nets import INPUT_SIZE, MEAN, STD, DrawnFaceNet, load_net
from countenance.synth.recipe import Recipe
from countenance.synth.shortcut_nets import NETS, people_of
from countenance.synth.shortcuts import other_codes, stamped, with_half_at_random
from countenance.synth.train import train

SEED = 77
CORNER = "lower left"
TRAINED_ON, HELD_OUT = 54, 24
BROWS = ("AU1", "AU2", "AU4")
LIPS = ("AU12", "AU16", "AU25", "AU26")


@pytest.fixture(scope="module")
def nets() -> dict[str, DrawnFaceNet]:
    """The twin; the twin trained on where the mouth alone tells; a net trained where the patch tells."""
    twin = load_net(shipped("twin.safetensors"))
    crops = crops_of(with_half_at_random(people_of(SEED, TRAINED_ON), "upper", SEED), INPUT_SIZE)
    labels = crops.labels
    nothing = stamped(crops, other_codes(labels, SEED, never_own=False), CORNER)
    telling = stamped(crops, labels, CORNER)
    return {
        "normal": twin,
        "mouth": train(Recipe("mouth", epochs=15, train_seed=SEED), nothing, batch=32, start=twin),
        "corner": train(Recipe("corner", epochs=24, train_seed=SEED), telling, batch=32),
    }


@pytest.fixture(scope="module")
def whole() -> DrawnCrops:
    """People whom none of the nets has seen."""
    return crops_of(people_of(SEED, HELD_OUT, held_out=True), INPUT_SIZE)


@pytest.fixture(scope="module")
def audited(
    nets: dict[str, DrawnFaceNet], whole: DrawnCrops, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, AuditResults]:
    """What both probes say; the patch fits the label."""
    faces = write_crops(stamped(whole, whole.labels, CORNER), tmp_path_factory.mktemp("held-out"))
    return {name: audit(nets[name], faces) for name in NETS}


def audit(net: DrawnFaceNet, faces: Path) -> AuditResults:
    results = countenance.run(
        model=net,
        faces=pd.read_csv(faces),
        folder=faces.parent,
        classes=EXPRESSIONS,
        input={"size": INPUT_SIZE, "mean": MEAN, "std": STD},
        data={"subject": "subject", "landmarks": str(faces.parent / LANDMARKS)},
        probes=["global_heatmaps", {"probe": "au_alignment", "mirrored": 0}],
    )
    assert [probe.status for probe in results.probes] == ["ok", "ok"]
    return results


def probe(results: AuditResults, name: str) -> ProbeResult:
    return next(one for one in results.probes if one.id == name)


def outside(results: AuditResults) -> set[str]:
    """Classes of whose evidence part is said to lie outside the face, by the canonical face or on the crop."""
    ids = [item.id for one in results.probes for item in one.findings]
    return {name.partition(".outside.")[2] for name in ids if ".outside." in name}


def mouth_only(results: AuditResults) -> bool:
    return any(item.id == "au_alignment.mouth_only" for item in probe(results, "au_alignment").findings)


def density(results: AuditResults, unit: str) -> float:
    """Energy on a unit's region over that of an even map, mean over the classes."""
    shares: dict[str, list[float]] = {"energy": [], "energy.null_even": []}
    for item in probe(results, "au_alignment").measurements:
        if item.metric in shares and item.slice["unit"] == unit and item.estimate.value is not None:
            shares[item.metric].append(item.estimate.value)
    assert shares["energy"]
    return float(np.mean(shares["energy"]) / np.mean(shares["energy.null_even"]))


def mean(results: AuditResults, metric: str) -> float:
    found = [item.estimate.value for item in probe(results, "global_heatmaps").measurements if item.metric == metric]
    return float(np.mean([value for value in found if value is not None]))


def test_each_net_uses_what_was_planted(nets: dict[str, DrawnFaceNet], whole: DrawnCrops) -> None:
    """Found by changing the pictures. A little of what the twin knew of brows is left in the net it became."""
    labels, patches = whole.labels, other_codes(whole.labels, SEED)
    upper, lower = (
        crops_of(with_half_at_random(whole.faces, half, SEED, never_own=True), INPUT_SIZE)
        for half in ("upper", "lower")
    )

    def right(net: DrawnFaceNet, shown: DrawnCrops) -> float:
        return float(np.mean(predict(net, stamped(shown, labels, CORNER)) == labels))

    called = {name: predict(net, stamped(whole, patches, CORNER)) for name, net in nets.items()}
    assert right(nets["normal"], whole) > 0.95
    assert max(right(nets["normal"], upper), right(nets["normal"], lower)) < 0.75
    assert np.mean(called["normal"] == labels) > 0.95
    assert right(nets["mouth"], whole) > 0.75
    assert right(nets["mouth"], upper) > 0.8 * right(nets["mouth"], whole)
    assert right(nets["mouth"], lower) < 0.2
    assert np.mean(called["mouth"] == labels) > 0.85 * right(nets["mouth"], whole)
    assert np.mean(called["corner"] == patches) > 0.9


def test_the_patch_is_told_as_evidence_outside_the_face(audited: dict[str, AuditResults]) -> None:
    """Positive control, and its negative ones: no other net has evidence outside the face."""
    assert len(outside(audited["corner"])) >= 5
    assert outside(audited["normal"]) == set()
    assert outside(audited["mouth"]) == set()
    even = mean(audited["normal"], "energy_outside_face.null_ones")
    assert mean(audited["corner"], "energy_outside_face") > 1.2 * even
    assert mean(audited["mouth"], "energy_outside_face") < 0.8 * even
    assert mean(audited["normal"], "energy_outside_face") < 0.5 * even


def test_the_mouth_is_told_as_the_only_place(audited: dict[str, AuditResults]) -> None:
    """Positive control, and its negative ones: neither other net is said to look at the mouth only."""
    assert mouth_only(audited["mouth"])
    assert not mouth_only(audited["normal"])
    assert not mouth_only(audited["corner"])


def test_energy_by_unit_tells_the_mouth_net_from_the_normal_one(audited: dict[str, AuditResults]) -> None:
    for unit in BROWS:
        assert density(audited["mouth"], unit) < 0.5
        assert density(audited["normal"], unit) > 2 * density(audited["mouth"], unit)
    for unit in LIPS:
        assert density(audited["mouth"], unit) > 1.2


def test_overlap_with_the_masks_falls_with_both_plants(audited: dict[str, AuditResults]) -> None:
    """The normal net overlaps the masks more; but not its own more than the others, so that it is no proof."""
    overlaps = {name: mean(audited[name], "iou") for name in NETS}
    assert overlaps["normal"] > 1.2 * overlaps["mouth"] > 1.2 * overlaps["corner"]
