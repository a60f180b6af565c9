"""Is a detector that learned self-blends seen to work on people it has not met, and is a planted group gap told?

    python -m benchmarks.studies self_blend_groups --runs 10

Drawn faces. A small detector learns easy self-blends of some people; ``forgery_detection`` audits it on others. In the
planted set one group was forged more finely, with slighter tones, no softening and part of the mask; in its twin the
same people in the same groups were all forged alike. Nobody is in training and audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

import countenance
from countenance.audit.forgery.making import EASY, HARD, self_blend
from countenance.audit.forgery.making.photo import Photo
from countenance.core.results import AuditResults
from countenance.synth.dataset import draw_crops
from countenance.synth.forgery_nets import MEAN, STD, SmallDetector, make_pairs, train_detector

from .runner import Outcome, Row, Study

SIDE, DRAWN = 48, 96
LEARNED, AUDITED, EACH = 60, 60, 2
VARIANTS, STEPS = 4, 80
FINE, COARSE = "fine", "coarse"
PLANTED, TWIN = "planted: one group forged more finely", "twin: all forged alike"
PROBE = "forgery_detection"


def photos_of(people: int, seed: int) -> list[Photo]:
    """Draw people, each several times, as crops with landmarks."""
    crops = draw_crops(people, EACH, seed, SIDE, size=DRAWN)
    return [Photo(pixels, points) for pixels, points in zip(crops.pixels, crops.landmarks, strict=True)]


def learn(seed: int, people: int = LEARNED, steps: int = STEPS) -> SmallDetector:
    """Train a detector on self-blends of people of its own."""
    photos = photos_of(people, 2 * seed)
    pixels = [photo.pixels for photo in photos]

    def forged(place: int, random: np.random.Generator) -> NDArray[np.uint8]:
        return self_blend(photos[place], random, EASY).pixels

    return train_detector(make_pairs(pixels, forged, VARIANTS, seed), range(len(photos)), seed, steps=steps)


def write_faces(folder: Path, seed: int, *, planted: bool, people: int = AUDITED) -> pd.DataFrame:
    """Write photos of people that no detector of this seed has met, and a self-blend of each; return the manifest.

    Args:
        folder: of the pictures.
        seed: of everything.
        planted: forge the people of the group ``fine`` more finely; without it, all alike.
        people: how many.

    Returns:
        A line for each picture; ``forged`` is the group, ``dealt`` another that goes with nothing.
    """
    random = np.random.default_rng([seed, 1])
    dealt = random.permutation(people) % 2
    lines: list[dict[str, Any]] = []
    for place, photo in enumerate(photos_of(people, 2 * seed + 1)):
        person = place // EACH
        group = (FINE, COARSE)[person % 2]
        settings = HARD if planted and group == FINE else EASY
        blend = self_blend(photo, np.random.default_rng([seed, 2, place]), settings).pixels
        for label, pixels in (("genuine", photo.pixels), ("forged", blend)):
            file = f"{place}_{label}.png"
            Image.fromarray(pixels).save(folder / file)
            method = "self_blend" if label == "forged" else ""
            of_whom = {"subject": f"p{person}", "forged": group, "dealt": "ab"[dealt[person]]}
            lines.append({"path": file, "label": label, "method": method, **of_whom})
    return pd.DataFrame(lines)


def audit(net: SmallDetector, frame: pd.DataFrame, folder: Path, seed: int = 0, **params: Any) -> AuditResults:
    """Audit a detector on written faces by the product's own probe."""
    return countenance.run(
        model=net,
        faces=frame,
        folder=folder,
        task="forgery",
        positive="forged",
        input={"size": SIDE, "mean": [MEAN], "std": [STD]},
        output="logits",
        data={
            "subject": "subject",
            "forgeries": {"method": "method"},
            "attributes": {name: {"assigned_by": "annotator"} for name in ("forged", "dealt")},
        },
        probes=[{"probe": PROBE, "quality": [], "size": [], **params}],
        batch_size=40,
        seed=seed,
    )


def gaps_told(results: AuditResults, attribute: str) -> Sequence[str]:
    """Return what is found of gaps between groups of an attribute: the measures they are of."""
    ends = f".gap[attribute={attribute}]"
    keys = [key for finding in results.findings() for key in finding.evidence if key.endswith(ends)]
    return [key.removeprefix(f"{PROBE}/").removesuffix(ends) for key in keys]


def simulate(seed: int) -> Row:
    """Train a detector, audit it on both sets, and return what it reached and what was told of groups."""
    net = learn(seed)
    row: dict[Outcome, float] = {}
    for name, planted in ((PLANTED, True), (TWIN, False)):
        with TemporaryDirectory() as folder:
            results = audit(net, write_faces(Path(folder), seed, planted=planted), Path(folder), seed)
        for of, place in (("all", ""), *((group, f"[forged={group}]") for group in (FINE, COARSE))):
            value = results[f"{PROBE}/auroc{place}"].estimate.value
            row[Outcome(name, f"AUROC, {of}", "mean")] = float("nan") if value is None else value
        for attribute in ("forged", "dealt"):
            row[Outcome(name, f"gap of AUROC told, {attribute} groups")] = float(
                "auroc" in gaps_told(results, attribute)
            )
            row[Outcome(name, f"any gap told, {attribute} groups")] = float(bool(gaps_told(results, attribute)))
    return row


STUDY = Study(
    name="self_blend_groups",
    version=1,
    title="A detector that learned self-blends, audited on people it has not met",
    about=f"Drawn faces of {SIDE} pixels. The detector learned easy self-blends of {LEARNED} people; the audit is of "
    f"{AUDITED} others, {EACH} photos each and a self-blend of every photo. Planted: those of one half of the people "
    "(fine) are hard ones. Dealt groups go with nothing.",
    simulate=simulate,
)
