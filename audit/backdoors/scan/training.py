"""The clean data that reference nets are trained on: a folder of the user's, or the training split of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import AuditError
from ....core.interruption import temporary_folder
from ....core.probes import ProbeContext
from ..training_folder import TrainingPicture, write_training_folder
from .params import BackdoorScanParams

TRAIN = ("train", "training")
OWN_ROWS = (
    "the reference nets were trained on the manifest's own training rows: if those are poisoned, the references have "
    "the same backdoor and nothing stands out; name clean data as `training`, or scan the rows with data_scan first"
)


def training_rows(context: ProbeContext) -> NDArray[np.int64]:
    """Return the labelled rows whose split is ``train`` or ``training``."""
    split = context.faces.frame["split"].astype(str).str.lower().isin(TRAIN).to_numpy(dtype=np.bool_)
    return np.flatnonzero(split & (context.predictions.labels >= 0))


@contextmanager
def training_data(context: ProbeContext, params: BackdoorScanParams) -> Iterator[Path]:
    """Yield the folder that the trainer is given; one made here is deleted at the end.

    Raises:
        AuditError: when the folder has no manifest, or the plan's manifest no training split.
    """
    if params.training is not None:
        folder = params.path(params.training)
        if not (folder / "manifest.csv").is_file():
            raise AuditError(
                f"expected `training` to be a folder with manifest.csv and the images, but {folder} has no manifest.csv"
            )
        yield folder
        return
    rows = training_rows(context)
    if not len(rows):
        raise AuditError(
            "there is nothing to train reference nets on: name a folder of clean data as `training`, or a column of "
            "the manifest as data.split with labelled rows whose split is train"
        )
    labels = context.faces.frame["label"].astype(str).to_numpy()
    people = context.faces.subject_codes
    pictures = [
        TrainingPicture((pixels.permute(1, 2, 0) * 255).round().byte().numpy(), str(labels[row]), int(people[row]))
        for batch in context.faces.batches(context.batch_size, rows)
        for row, pixels in zip(batch.rows.tolist(), batch.pixels, strict=True)
    ]
    with temporary_folder("countenance-training-") as temporary:
        yield write_training_folder(temporary / "data", pictures, context.random("training"))
