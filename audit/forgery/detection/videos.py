"""From faces to frames and videos: the score of a video is the mean over its frames of the largest face score.

Li et al. 2020 (arXiv 1912.13458) and others report video scores as means over frames; of a frame with several faces the
most suspicious one decides, since one forged face makes the frame a forgery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.probes import ProbeContext
from .material import FORGED, UNIT, Scored, methods_of

NAMED = 3


@dataclass(frozen=True)
class Units:
    """Frames and videos with their scores.

    Attributes:
        videos: the videos, or ``None`` where they could not be scored.
        frames: the frames; ``None`` where every frame has one face, so that they are the faces.
        notes: what was left out, and how the scores were made.
        reason: why videos could not be scored; empty where they could.
    """

    videos: Scored | None
    frames: Scored | None
    notes: tuple[str, ...] = ()
    reason: str = ""


def units_of(context: ProbeContext, faces: Scored) -> Units:
    """Score the frames and videos of the labelled faces.

    A frame or video is forged when any face in it is, and genuine when all its faces are labelled genuine.

    Args:
        context: of the probe; its frame names the video of some face.
        faces: the labelled faces.
    """
    table = _table(context, faces)
    reused = _names_used_twice(table)
    if reused:
        first = table.drop_duplicates("video").set_index("video")["row"]
        rows = ", ".join(str(context.faces.rows_of_source[first[name]] + 1) for name in reused[:NAMED])
        reason = (
            f"{len(reused)} videos hold forgeries of several methods, or genuine and forged faces that share no frame "
            f"(e.g. those of row {rows}): give every video file a name of its own in the column of data.forgeries.video"
        )
        return Units(None, None, reason=reason)
    frames = table.groupby(["video", "frame"], sort=False, observed=True)
    of_frame = frames["score"].max()
    several = bool((frames.size() > 1).any())
    of_video = of_frame.groupby(level="video", sort=False).mean()
    videos, unknown = _scored(table, of_video, ["video"], faces, "video")
    photos = int((~table["filmed"].to_numpy()[videos.rows]).sum())
    filmed = table[table["filmed"]]
    notes = [
        f"The score of each of {len(videos.rows) - photos:,} videos is the mean over its frames of the largest face "
        f"score ({len(filmed[['video', 'frame']].drop_duplicates()):,} frames, {len(filmed):,} faces)."
    ]
    if not several:
        notes.append("Every frame has one face: the scores of frames are those of faces.")
    if unknown:
        notes.append(
            f"{unknown:,} videos were left out: none of their faces is labelled forged, and not all are labelled."
        )
    if photos:
        notes.append(
            f"{photos:,} faces name no video: where videos are measured, and groups compared over them, each of these "
            "counts as a unit of its own beside the videos."
        )
    whose = table.groupby("video", observed=True)["person"].nunique()
    if context.faces.has_subjects and int((whose > 1).sum()):
        notes.append(
            f"{int((whose > 1).sum()):,} videos show several people: each is counted with the person of its first "
            "forged face, or its first face."
        )
    shown = _scored(table, of_frame, ["video", "frame"], faces, "frame")[0] if several else None
    return Units(videos, shown, tuple(notes))


def _table(context: ProbeContext, faces: Scored) -> pd.DataFrame:
    """Return one line per face, labelled or not, with video, frame, score, label (1 forged, 0 genuine, -1 unknown).

    A face that names no video stands alone (``filmed`` is false), as a video of one frame.
    """
    frame, predictions = context.faces.frame, context.predictions
    place = predictions.classes.index(FORGED)
    label = np.where(predictions.labels < 0, -1, predictions.labels == place)
    numbers = pd.Series(np.arange(len(frame)), index=frame.index)
    own = numbers.map(lambda row: f"\x1f{row}")  # a face without a frame is a frame of its own
    named = frame["frame"].astype(str) if "frame" in frame and "frame" not in context.faces.attributes else own
    video = frame["video"].astype(str).str.strip()
    return pd.DataFrame(
        {
            "row": numbers,
            "filmed": video != "",
            "video": video.where(video != "", own),
            "frame": named.where(named != "", own),
            "score": predictions.probabilities[:, place],
            "label": label.astype(np.int64),
            "method": np.where(label == 1, methods_of(context), ""),
            "person": faces.people,
        }
    )


def _names_used_twice(table: pd.DataFrame) -> list[str]:
    """Return the videos that seem to be several files of one name."""
    forged = table[table["label"] == 1]
    several = forged.groupby("video", observed=True)["method"].nunique()
    labelled = table[table["label"] >= 0]
    kinds = labelled.groupby("video", observed=True)["label"].nunique()
    together = labelled.groupby(["video", "frame"], observed=True)["label"].nunique() > 1
    sharing = set(together[together].index.get_level_values("video"))
    mixed = set(kinds[kinds > 1].index) - sharing
    return sorted(set(several[several > 1].index) | mixed)


def _scored(table: pd.DataFrame, scores: pd.Series, keys: list[str], faces: Scored, unit: str) -> tuple[Scored, int]:
    """Return units, each at the row of its first forged face or its first face, and how many videos have no label."""
    ordered = table.sort_values(["label", "row"], ascending=[False, True], kind="stable")
    first = ordered.groupby(keys, sort=False, observed=True).first()
    least = table.groupby(keys, sort=False, observed=True)["label"].min()
    joined = first.assign(score_of=scores, least=least)
    known = joined[(joined["label"] == 1) | (joined["least"] == 0)].sort_values("row")
    unknown = joined["filmed"] & ~joined.index.isin(known.index)
    found = Scored(
        rows=known["row"].to_numpy(np.int64),
        scores=known["score_of"].to_numpy(np.float64),
        forged=known["label"].to_numpy() == 1,
        methods=known["method"].to_numpy(dtype=object),
        people=faces.people,
        condition={UNIT: unit},
    )
    return found, int(unknown.sum())
