"""Do explanations tell a net that uses the mouth alone, or a patch in a corner, from one trained normally?"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

import countenance
from countenance.core.results import AuditResults, ProbeResult
from countenance.synth.dataset import LANDMARKS
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.held_out import Truth, draw_held_out, measure_truth, write_crops
from countenance.synth.nets import MEAN, STD, DrawnFaceNet
from countenance.synth.shortcut_nets import NETS, SIZE, corner_of

from .planted_nets import nets_of
from .runner import Outcome, Row, Study

PROBES = ("global_heatmaps", "au_alignment")
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 16, 17, 20, 25, 26)
"""Those of the codebook that have a region of their own; the region of AU26 is that of AU23, 24 and 27 as well."""
MAPS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "map: outside the face (global_heatmaps)": (
        "global_heatmaps",
        "energy_outside_face",
        "energy_outside_face.null_ones",
        {},
    ),
    "map: outside the face (au_alignment)": ("au_alignment", "outside_face", "outside_face.null_even", {}),
    "map: IoU with the own mask (global_heatmaps)": ("global_heatmaps", "iou", "iou.null_ones", {}),
    **{
        f"map: energy on the {part}": ("au_alignment", "part_energy", "part_energy.null_even", {"part": part})
        for part in ("upper face", "mouth")
    },
    **{
        f"map: energy on AU{unit}": ("au_alignment", "energy", "energy.null_even", {"unit": f"AU{unit}"})
        for unit in UNITS
    },
}
"""What is said of the maps, as the mean over classes: probe, metric, its null and which slice."""


def audit(net: DrawnFaceNet, faces: Path, out: Path | None = None) -> AuditResults:
    """Audit a net on crops that ``write_crops`` wrote, with the probes' own settings."""
    return countenance.run(
        model=net,
        faces=pd.read_csv(faces),
        folder=faces.parent,
        out=out,
        classes=EXPRESSIONS,
        input={"size": SIZE, "mean": MEAN, "std": STD},
        data={"subject": "subject", "landmarks": str(faces.parent / LANDMARKS)},
        probes=PROBES,
    )


def outcomes(name: str, results: AuditResults, truth: Truth, corner: str) -> dict[Outcome, float]:
    """Return what one net's audit says, and what is true of it.

    Args:
        name: of the net.
        results: of its audit.
        truth: what it uses.
        corner: in which the patch lies.
    """
    row = {"true: uses what was planted": float(truth.took(name))}
    row |= {f"true: {field.name.replace('_', ' ')}": getattr(truth, field.name) for field in fields(truth)}
    either = 0.0
    for probe in PROBES:
        labels = [item.id for item in _probe(results, probe).findings if ".outside." in item.id]
        found, at = float(bool(labels)), f"({probe})"
        either = max(either, found)
        row[f"finding: outside the face {at}"] = found
        for height in ("upper", "lower"):
            cell = f"finding: outside the face, patch in an {height} corner {at}".replace("an l", "a l")
            row[cell] = found if corner.startswith(height) else float("nan")
        row[f"classes found to be outside the face {at}"] = len(labels) / len(EXPRESSIONS)
    row["finding: outside the face (either)"] = either
    said = [item.id for item in _probe(results, "au_alignment").findings]
    row["finding: on the mouth only (au_alignment)"] = float("au_alignment.mouth_only" in said)
    row["map: cosine with the own units (au_alignment)"] = mean(results, "au_alignment", "cam_cos")
    row |= {cell: mean(results, probe, metric, **place) for cell, (probe, metric, _, place) in MAPS.items()}
    return {Outcome(cell, f"{name} net"): value for cell, value in row.items()}


def nulls(results: AuditResults) -> dict[Outcome, float]:
    """Return what a map that is the same everywhere would have."""
    return {
        Outcome(cell, "even map"): mean(results, probe, null, **place) for cell, (probe, _, null, place) in MAPS.items()
    }


def _probe(results: AuditResults, name: str) -> ProbeResult:
    return next(one for one in results.probes if one.id == name)


def mean(results: AuditResults, probe: str, metric: str, **place: str) -> float:
    """Return the mean of a measurement over the classes in which it was measured; NaN where it was in none."""
    values = [
        item.estimate.value
        for item in _probe(results, probe).measurements
        if item.metric == metric
        and item.estimate.value is not None
        and {key: value for key, value in item.slice.items() if key != "label"} == place
    ]
    return float(np.mean(values)) if values else float("nan")


def simulate(seed: int) -> Row:
    """Return what the audits of the three nets of a seed say, and what is true of them."""
    torch.set_num_threads(1)
    nets, held_out = nets_of(seed), draw_held_out(seed)
    row: dict[Outcome, float] = {}
    with TemporaryDirectory() as folder:
        faces = write_crops(held_out.crops, Path(folder))
        for name in NETS:
            results = audit(nets[name], faces)
            for probe in results.probes:
                if probe.status != "ok":
                    raise RuntimeError(f"{probe.id} of the {name} net, seed {seed}: {probe.reason}")
            row |= outcomes(name, results, measure_truth(nets[name], held_out), corner_of(seed))
            row |= nulls(results)
    return row


STUDY = Study(
    name="planted_explanations",
    version=1,
    title="Nets planted to use the mouth alone or a patch in a corner, and a net trained normally",
    about="For each seed 180 people are drawn to train three nets on, and 48 others to audit them on (336 pictures; "
    "each of the four corners in turn). The pictures that are audited carry the patch that fits their label. What is "
    "true of a net is found by changing parts of these pictures. A finding counts where the audit raises it.",
    simulate=simulate,
)
