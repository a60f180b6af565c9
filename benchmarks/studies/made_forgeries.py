"""Is a detector that learned self-blends found to see self-blends of people it has not met, and what else it sees?

    python -m benchmarks.studies made_forgeries --runs 5

London's 102 people are dealt anew for each seed: a small detector (64 pixels) learns self-blends of 68 of them, hard or
easy, and the probe ``made_forgeries`` audits it on the photos of the other 34. Photos and forgeries are made at 256
pixels, saved as JPEG and made small, in training as in the audit.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import countenance
from countenance.audit.forgery.made_forgeries.asking import finished, working_size
from countenance.audit.forgery.making import EASY, HARD, METHODS, UNTOUCHED, SelfBlend, self_blend
from countenance.audit.forgery.making.codec import QUALITY
from countenance.audit.forgery.making.pool import Pool, read_pool
from countenance.core.errors import UsageError
from countenance.core.faces import Faces
from countenance.core.manifest import read_manifest
from countenance.core.plan import DataSpec
from countenance.synth.forgery_nets import MEAN, SIZE, STD, make_pairs, train_detector

from .runner import Outcome, Row, Study

LONDON = Path(__file__).resolve().parents[3] / "shared" / "data" / "london"
POINTS = LONDON / "landmarks_dlib68.npz"
BOX = ("face_x0", "face_y0", "face_x1", "face_y1")
HELD_OUT, VARIANTS = 34, 20
LEARNED: dict[str, SelfBlend] = {"hard self-blends": HARD, "easy self-blends": EASY}


@cache
def table() -> pd.DataFrame:
    """Read the manifest; all photos are genuine.

    Raises:
        UsageError: where the faces are not beside the repository.
    """
    if not (LONDON / "manifest.csv").is_file():
        raise UsageError(f"expected the Face Research Lab London Set in {LONDON}, but there is none")
    return pd.read_csv(LONDON / "manifest.csv", dtype=str).assign(label="genuine")


@cache
def photos() -> Pool:
    """Read all photos as the audit crops them."""
    spec = DataSpec(subject="subject", box=BOX)
    manifest = read_manifest(LONDON / "manifest.csv", spec.model_copy(update={"label": None}), ())
    faces = Faces.from_manifest(manifest, spec, LONDON, (SIZE, SIZE), landmarks=POINTS)
    return read_pool(faces, np.arange(len(faces), dtype=np.int64), working_size((SIZE, SIZE)))


def train_rows(seed: int) -> NDArray[np.int64]:
    """Deal the people: return the photos to train on; the others are audited."""
    subjects = pd.factorize(table()["subject"])[0]
    held_out = np.random.default_rng([seed, 7]).permutation(int(subjects.max()) + 1)[:HELD_OUT]
    return np.flatnonzero(~np.isin(subjects, held_out)).astype(np.int64)


def simulate(seed: int) -> Row:
    """Train a detector of each kind and audit it."""
    rows = train_rows(seed)
    pool = photos().photos
    audited = table().drop(index=rows)
    row: dict[Outcome, float] = {}
    for learned, settings in LEARNED.items():

        def forged(place: int, random: np.random.Generator, settings: SelfBlend = settings) -> NDArray[np.uint8]:
            return finished(self_blend(pool[int(rows[place])], random, settings).pixels, QUALITY, (SIZE, SIZE))

        genuine = [finished(pool[place].pixels, QUALITY, (SIZE, SIZE)) for place in rows.tolist()]
        pairs = make_pairs(genuine, forged, VARIANTS, seed)
        net = train_detector(pairs, np.arange(len(rows)), seed)
        results = countenance.run(
            model=net,
            faces=audited,
            folder=LONDON,
            task="forgery",
            positive="forged",
            input={"size": SIZE, "mean": [MEAN], "std": [STD]},
            output="logits",
            data={"subject": "subject", "box": list(BOX), "landmarks": str(POINTS)},
            probes=[{"probe": "made_forgeries", "methods": list(METHODS)}],
            batch_size=64,
            seed=seed,
        )
        for name in (UNTOUCHED, *METHODS):
            value = results[f"made_forgeries/auroc@forgery={name}"].estimate.value
            row[Outcome(name, learned)] = np.nan if value is None else value  # a share of pairs
    return row


STUDY = Study(
    name="made_forgeries",
    version=2,
    title="Detectors that learned self-blends, on forgeries made of people they have not met",
    about="A small detector at 64 pixels learned hard or easy self-blends of 68 London people; AUROC (in hundredths) "
    "of forgeries made of the other 34 against the same photos, mean over seeds, each of which deals people anew.",
    simulate=simulate,
)
