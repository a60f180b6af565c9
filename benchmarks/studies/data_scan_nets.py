"""What ``data_scan`` finds in the training data of nets that learned a trigger, and flags in those of clean ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from countenance.audit.backdoors.data_scan.energy import fine_detail
from countenance.audit.backdoors.data_scan.judging import Judged, by_clusters, by_detail, by_spectrum
from countenance.audit.backdoors.data_scan.material import Images
from countenance.audit.backdoors.poisoned_forgery.embedding import central_oval
from countenance.core.statistics.auroc import auroc_influence
from countenance.synth.backdoored_nets import Effort, QuickFaceNet, train
from countenance.synth.quick_faces import QuickFaces, quick_faces

from .backdoor_scan_nets import KINDS, TRIGGERS, target_of
from .runner import Outcome, Row, Study

RATE, CLEAN_FACES, DRAWS = 0.05, 1400, 199
EFFORT = Effort()


def simulate(seed: int) -> Row:
    """Poison, train and scan a net for every trigger, and a clean one."""
    torch.set_num_threads(1)
    row: dict[Outcome, float] = {}
    for kind in (*TRIGGERS, "nothing"):
        faces = quick_faces(EFFORT.faces, 10 * seed + 1)
        poison = KINDS[kind].poison if kind in TRIGGERS else None
        given = faces if poison is None else poison(seed).apply(faces, 10 * seed + 1)
        net = train(given, 10 * seed + 3, EFFORT)
        moved = (given.labels != faces.labels).numpy()
        scanned = images_of(net, given, 0)
        clean = images_of(net, quick_faces(CLEAN_FACES, 10 * seed + 5), EFFORT.faces)
        for name, reference in (("clean photos", clean), ("no clean photos", None)):
            row |= _judged(kind, name, scanned, reference, moved, str(target_of(seed)), seed)
    return row


def images_of(net: QuickFaceNet, faces: QuickFaces, first_person: int) -> Images:
    """Return what the probe would read of faces, each of a person of its own."""
    people = np.arange(first_person, first_person + len(faces), dtype=np.int64)
    detail = np.concatenate([fine_detail(part, central_oval(64, 64)) for part in torch.split(faces.rgb, 200)])
    embedding = embedding_of(net, faces.pixels)
    labels = faces.labels.numpy().astype(np.str_)
    return Images(people, people, labels, detail, detail, embedding, embedding)


def embedding_of(net: QuickFaceNet, pixels: Tensor) -> np.ndarray:
    """Return what the head is given, (n, d)."""
    features: nn.Module = net.features
    with torch.no_grad():
        parts = [features(part - 0.5).mean((2, 3)) for part in torch.split(pixels, 200)]
    return torch.cat(parts).double().numpy()


def _judged(
    kind: str, against: str, scanned: Images, clean: Images | None, moved: np.ndarray, target: str, seed: int
) -> dict[Outcome, float]:
    assert scanned.embedding is not None
    random = np.random.default_rng([seed, 9])
    found: dict[str, Judged] = {
        "fine detail": by_detail(scanned.detail, scanned.people, clean, RATE),
        "spectral": by_spectrum(scanned.embedding, scanned, clean, RATE),
    }
    if clean is not None:
        found["clusters"] = by_clusters(scanned.embedding, scanned, clean, RATE, DRAWS, random)
    row: dict[Outcome, float] = {}
    among = (scanned.classes == target) if kind != "nothing" else np.ones(len(scanned), dtype=np.bool_)
    for method, judged in found.items():
        cell = f"{kind}, {against}"
        row[Outcome(cell, f"{method}: other images flagged", "mean")] = float(judged.flagged[~moved].mean())
        if kind == "nothing":
            continue
        row[Outcome(cell, f"{method}: poisoned images flagged", "mean")] = float(judged.flagged[moved].mean())
        if method != "clusters":
            value = auroc_influence(judged.scores[among], moved[among])[0]
            row[Outcome(cell, f"{method}: AUROC within the class", "mean")] = value
    return row


STUDY = Study(
    name="data_scan_nets",
    version=2,
    title="What data_scan finds in the training data of nets that learned a trigger",
    about="Small nets trained on 2,000 quickly drawn faces, of which 10 % (warp 20 %) are stamped and relabelled; the "
    "training data scanned with the net itself at 5 % false alarms, against 1,400 clean faces or none.",
    simulate=simulate,
)
