"""Do the intervals of a mean heatmap's scores cover, on maps of real faces? Needs ../shared beside the repository."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from countenance.core.errors import UsageError
from countenance.core.plan_file import load_plan
from countenance.core.predict import predict
from countenance.core.setup import load_material
from countenance.explain.attribution.registry import build_explainers
from countenance.explain.heatmaps.class_maps import FaceExplainer, PersonMaps

from .heatmap_coverage import ABOUT, PEOPLE, Maps, coverage, scorer
from .runner import Outcome, Row, Study

ROOT = Path(__file__).resolve().parents[2]
NETS = ("face_expression", "mini_xception")
LABEL = "happy"
BATCH = 16


@lru_cache(maxsize=len(NETS))
def maps_of_people(net: str) -> Maps:
    """Return the map of each London person whose smile a net calls happy, ``(people, height, width)``.

    Raises:
        UsageError: if the faces and nets are not beside the repository.
    """
    if not (ROOT.parent / "shared" / "models").is_dir():
        raise UsageError(
            "the London faces and the nets are expected in ../shared beside the repository, but it is not there: "
            "run heatmaps_drawn, which needs nothing"
        )
    torch.set_num_threads(1)
    loaded = load_plan(ROOT / "tests" / "plans" / f"london_{net}.yaml")
    material = load_material(loaded)
    target, faces = material.target, material.faces
    assert target is not None
    place = list(loaded.plan.target.class_names).index(LABEL)
    found = predict(target, faces, BATCH, lambda count=1: None)
    rows = found.rows[found.values.argmax(axis=1) == place]
    explainers = build_explainers(target, ["gradcam"], batch_size=BATCH).explainers
    people, codes = PersonMaps(len(rows)), faces.subject_codes
    explainer = FaceExplainer(faces, target, explainers, BATCH, seed=0)
    for face in explainer.maps(rows, place, lambda count: None, {"gradcam": Counter()}):
        people.add(int(codes[face.row]), face.maps["gradcam"])
    return people.means()


def simulate(seed: int) -> Row:
    """Return coverage and width for people drawn with replacement, the truth being the score of all of them."""
    row: dict[Outcome, float] = {}
    for number, net in enumerate(NETS):
        everyone = maps_of_people(net)
        truth = scorer()(everyone.mean(axis=0, dtype=np.float64).astype(np.float32))
        for people in PEOPLE:
            rng = np.random.default_rng([seed, 4, number, people])
            row |= coverage(net, everyone[rng.integers(0, len(everyone), people)], truth, rng)
    return row


STUDY = Study(
    name="heatmaps_london",
    version=2,
    title="Coverage of 95 % intervals of a mean heatmap's scores: London maps drawn again",
    about="Maps of the people whose smile face_expression (69) or mini_xception (50) calls happy, drawn with "
    f"replacement; the truth is the score of all of them. {ABOUT}",
    simulate=simulate,
)
