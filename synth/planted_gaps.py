"""Tables of predictions in which it is known what is wrong: a gap, biased labels, a hidden slice, or nothing.

No picture is drawn and no net is run: people, their faces and the answers of a made-up model are drawn as numbers. So
an audit can be asked thousands of times whether it finds what was planted, and whether it stays silent at the twin,
which is drawn from the same random numbers without the fault.

People have 2 to 20 faces (log-normal, mean about 8) and a gender, a skin tone, an age and glasses or none; the light is
drawn for each picture. How often the model is right differs from person to person, alike for every group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ..core.errors import UsageError

Plant = Literal["nothing", "gap", "labels", "slice"]
PLANTS: tuple[Plant, ...] = get_args(Plant)
CLASSES = ("neutral", "happy", "sad", "angry")
BASE_RATES = (0.35, 0.3, 0.2, 0.15)
ATTRIBUTES: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "gender": (("female", "male"), (0.5, 0.5)),
    "skin_tone": (("light", "medium", "dark"), (0.45, 0.35, 0.2)),
    "age": (("young", "middle", "old"), (0.4, 0.35, 0.25)),
    "glasses": (("no", "yes"), (0.65, 0.35)),
}
LIGHT = (("bright", "dim"), (0.65, 0.35))
WORSE_TONE, WORSE_GENDER = "dark", "female"
MILD = 0.45
"""Smiles weaker than this, of 1, are called neutral where labels are biased."""


@dataclass(frozen=True)
class Effort:
    """How large a table is, and how much is wrong.

    Args:
        people: how many.
        accuracy: how often the model is right.
        alike: correlation of the answers on two faces of one person, before they are cut into right and wrong.
        gap: by how much the model is less often right on the group that does worse.
        mild_called_neutral: share of the mild smiles of one group that are labelled neutral.
        slice_lower: by how much the model is less often right on glasses in dim light.
    """

    people: int = 600
    accuracy: float = 0.8
    alike: float = 0.2
    gap: float = 0.15
    mild_called_neutral: float = 0.8
    slice_lower: float = 0.25


def planted_table(plant: Plant, seed: int, effort: Effort | None = None) -> pd.DataFrame:
    """Draw a table of predictions with one fault, or with none.

    - ``gap``: the model is less often right on people of dark skin tone.
    - ``labels``: the model is as right as ever, but mild smiles of women are labelled neutral in the data.
    - ``slice``: the model is less often right on people with glasses in dim light, and a little more often on glasses
      in bright light and on no glasses in dim light, so that neither glasses nor light alone shows it.
    - ``nothing``: the twin.

    Args:
        plant: what is wrong.
        seed: 0 or more; tables of one seed and effort have the same people and the same luck.
        effort: size and strength; as the studies have it unless given.

    Returns:
        One row per face: ``face_id, subject``, the attributes, ``label`` and ``p_CLASS``, as a predictions-only target
        reads it.
    """
    if plant not in PLANTS:
        raise UsageError(f"Expected `plant` to be one of {', '.join(PLANTS)}, but got {plant!r}.")
    if seed < 0:
        raise UsageError(f"Expected `seed` to be 0 or more, but got {seed}.")
    effort = effort or Effort()
    rng = np.random.default_rng([seed, effort.people])
    faces = np.clip(np.round(rng.lognormal(np.log(7), 0.5, effort.people)), 2, 20).astype(np.int64)
    subject = np.repeat(np.arange(effort.people), faces)
    frame = pd.DataFrame(
        {"face_id": [f"f{face:06d}" for face in range(len(subject))], "subject": [f"p{one:05d}" for one in subject]}
    )
    for name, (values, shares) in ATTRIBUTES.items():
        frame[name] = rng.choice(np.asarray(values, dtype=object), effort.people, p=shares)[subject]
    frame["light"] = rng.choice(np.asarray(LIGHT[0], dtype=object), len(subject), p=LIGHT[1])
    shown = rng.choice(len(CLASSES), len(subject), p=BASE_RATES)
    strength = rng.random(len(subject))
    luck = ndtr(
        np.sqrt(effort.alike) * rng.standard_normal(effort.people)[subject]
        + np.sqrt(1 - effort.alike) * rng.standard_normal(len(subject))
    )
    called_neutral = rng.random(len(subject)) < effort.mild_called_neutral
    answered = _answers(rng, shown, luck < _accuracy(plant, frame, effort))
    label = shown
    if plant == "labels":
        biased = (shown == CLASSES.index("happy")) & (strength < MILD) & (frame["gender"] == WORSE_GENDER)
        label = np.where(biased & called_neutral, CLASSES.index("neutral"), shown)
    frame["label"] = np.asarray(CLASSES, dtype=object)[label]
    probabilities = _probabilities(rng, answered)
    for place, name in enumerate(CLASSES):
        frame[f"p_{name}"] = probabilities[:, place]
    return frame


def _accuracy(plant: Plant, frame: pd.DataFrame, effort: Effort) -> NDArray[np.float64]:
    """Return how often the model is right on faces like each."""
    right: NDArray[np.float64] = np.full(len(frame), effort.accuracy)
    if plant == "gap":
        right -= effort.gap * (frame["skin_tone"] == WORSE_TONE).to_numpy()
    if plant == "slice":
        glasses, dim = (frame["glasses"] == "yes").to_numpy(), (frame["light"] == "dim").to_numpy()
        odds_dim = LIGHT[1][1] / LIGHT[1][0]
        odds_glasses = ATTRIBUTES["glasses"][1][1] / ATTRIBUTES["glasses"][1][0]
        right -= effort.slice_lower * (glasses & dim)
        right += effort.slice_lower * odds_dim * (glasses & ~dim)
        right += effort.slice_lower * odds_glasses * (~glasses & dim)
        right -= effort.slice_lower * odds_dim * odds_glasses * (~glasses & ~dim)
    return np.asarray(np.clip(right, 0, 1), dtype=np.float64)


def _answers(rng: np.random.Generator, shown: NDArray[np.int64], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the answers: the expression shown, or another, each as likely."""
    other = (shown + rng.integers(1, len(CLASSES), len(shown))) % len(CLASSES)
    return np.where(right, shown, other)


def _probabilities(rng: np.random.Generator, answered: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return probabilities whose largest is that of the answer, shape (faces, classes)."""
    confidence = ndtr(ndtri(0.75) + 0.6 * rng.standard_normal(len(answered))) * 0.45 + 0.54
    rest = rng.dirichlet(np.ones(len(CLASSES) - 1), len(answered)) * (1 - confidence)[:, None]
    found = np.empty((len(answered), len(CLASSES)))
    places = (answered[:, None] + np.arange(1, len(CLASSES))) % len(CLASSES)
    np.put_along_axis(found, places, rest, axis=1)
    np.put_along_axis(found, answered[:, None], confidence[:, None], axis=1)
    return found


def write_planted(
    table: pd.DataFrame,
    folder: Path,
    probes: Sequence[str | dict[str, object]],
    attributes: Sequence[str] = (*ATTRIBUTES, "light"),
    seed: int = 0,
) -> Path:
    """Write a table and the plan of its audit into a folder, and return the plan.

    Args:
        table: from :func:`planted_table`.
        folder: made if it is missing.
        probes: as a plan has them.
        attributes: columns to name as attributes.
        seed: of the plan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "predictions.parquet", index=False)
    plan = {
        "version": 1,
        "name": "planted",
        "seed": seed,
        "target": {"predictions": "predictions.parquet", "task": "expression", "classes": list(CLASSES)},
        "data": {
            "subject": "subject",
            "attributes": {
                name: {"assigned_by": "derived", "of": "image" if name == "light" else "subject"} for name in attributes
            },
        },
        "probes": list(probes),
    }
    file = folder / "audit.yaml"
    file.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8", newline="\n")
    return file
