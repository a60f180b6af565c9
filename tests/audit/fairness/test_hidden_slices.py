from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

import countenance
from countenance.audit.fairness.hidden_slices import HiddenSlicesParams
from countenance.audit.fairness.hidden_slices.probe import _depth, _half
from countenance.core.probes import find_probe
from countenance.core.statistics.slice_search import Feature
from countenance.synth.planted_gaps import Effort, planted_table, write_planted

CLASSES = ["red", "blue"]


class Tint(nn.Module):
    """Tells red from blue pictures, and takes one for the other where the picture is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        told = 40 * (mean[:, 0] - mean[:, 2]) * (mean.mean(1) - 0.35) + 0 * self.body(x).mean((1, 2, 3))
        return nn.functional.pad(told[:, None], (0, 1)) - nn.functional.pad(told[:, None], (1, 0))


@pytest.fixture(scope="module")
def tints(tmp_path_factory):
    """Small pictures of 160 people, two each: red or blue, a third of them dark, with a bar at the left or the top."""
    folder, rng, rows = tmp_path_factory.mktemp("tints"), np.random.default_rng(0), []
    for person in range(160):
        for label in range(2):
            level = rng.choice([0.2, 0.55, 0.75])
            pixels = np.full((16, 16, 3), level) + rng.normal(0, 0.02, (16, 16, 3))
            pixels[..., 0 if label == 0 else 2] += 0.1
            bar = rng.integers(2)
            pixels[:4] += 0.05 * bar
            pixels[:, :4] += 0.05 * (1 - bar)
            path = f"{person}-{label}.png"
            Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(folder / path)
            rows.append({"path": path, "label": CLASSES[label], "subject": person, "trait": "ab"[person % 2]})
    return folder, pd.DataFrame(rows)


def audit(tints, **params):
    folder, frame = tints
    results = countenance.run(
        model=Tint(), faces=frame, folder=folder, classes=CLASSES, input={"size": 16},
        data={"subject": "subject", "attributes": {"trait": {"assigned_by": "annotator"}}},
        probes=[{"probe": "hidden_slices", "permutations": 499, **params}], batch_size=32,
    )  # fmt: skip
    (probe,) = results.probes
    assert (probe.status, probe.reason) == ("ok", None)
    return probe


def test_a_slice_by_the_quality_of_the_picture_is_found(tints):
    probe = audit(tints, clusters=[4])
    assert "brightness: lowest third" in probe.findings[0].claim
    rate = next(one for one in probe.measurements if one.metric == "error_rate")
    assert rate.slice == {"slice": "brightness: lowest third"}
    assert rate.estimate.value > 0.9
    notes = " ".join(probe.notes)
    assert "trait, brightness, contrast, sharpness, looks (4)" in notes


def test_without_pictures_or_embedding_it_says_so(tints):
    probe = audit(tints, pictures=["looks"], clusters=[4])
    assert "Slices are made of: trait, looks (4)." in " ".join(probe.notes)
    assert not any("brightness" in one.claim for one in probe.findings)
    alone = audit(tints, pictures=[])
    assert "Slices are made of: trait." in " ".join(alone.notes)
    wrong = audit(tints, pictures=["embedding"], layer="body", clusters=[4])
    assert "The embedding is the output of 'body' (4 values)." in " ".join(wrong.notes)
    missing = audit(tints, pictures=["embedding"], layer="bodi", clusters=[4])
    assert "No clusters of embeddings: the model has no layer 'bodi'; did you mean 'body'?" in " ".join(missing.notes)


def test_of_many_pictures_a_part_of_the_people_is_read(tints):
    probe = audit(tints, pictures=["quality"], faces=200)
    assert "Of 320 labelled faces 200 of 100 people, drawn at random" in probe.notes[0]
    assert max(one.estimate.n or 0 for one in probe.measurements) <= 100


def test_nothing_to_tell_faces_apart_by(tmp_path):
    plan = write_planted(planted_table("gap", 0, Effort(people=40)), tmp_path, ["hidden_slices"], attributes=[])
    (probe,) = countenance.run(plan).probes
    assert probe.measurements == []
    assert "no attribute and no picture to tell them apart by" in " ".join(probe.notes)


def test_halves_are_of_people():
    person = np.repeat(np.arange(11), 3)
    half = _half(person, np.random.default_rng(0))
    assert all(len(set(half[person == one])) == 1 for one in range(11))
    assert half.sum() == 6 * 3


def test_too_many_features_are_combined_less_deeply():
    many = [Feature(str(place), ("0", "1"), np.zeros(4, dtype=np.int64)) for place in range(60)]
    assert _depth(many, 3) == (2, "There are 60 features: at most 2 of them were combined, not 3.")
    assert _depth(many[:10], 3) == (3, "")


def test_parameters_are_checked():
    found = find_probe("hidden_slices")
    assert (found.pillar, found.needs) == ("fairness", {"labels"})
    for wrong in ({"clusters": [1]}, {"clusters": [4, 4]}, {"depth": 0}, {"pictures": ["confidence"]}):
        with pytest.raises(ValidationError):
            HiddenSlicesParams(**wrong)
