"""A contact sheet: the same few faces under each condition, with the model's answer under each picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ...cards.tree import TableBlock
from ...core.results import ProbeResult
from .panel import FigureGroup, Panel
from .picture import Picture, synthetic_mark

SHOWN_SIDE = 96
QUALITY = 72
SAME, OTHER, MOVED, NOT_DONE = "same answer", "another answer", "", "could not be done"
_MARKS = {OTHER: "≠", SAME: "=", MOVED: "", NOT_DONE: "–"}
FORGERY, NONE = "forgery", "none"
_AS_PHOTOS = frozenset({NONE, "untouched", "resaved"})
"""Conditions of the kind forgery under which nothing is forged."""
_MADE = "Pictures marked SYNTHETIC are forgeries: they show what nobody did."
_READ = (
    "Under each picture stands what the model answers. A frame and ≠ mark another answer than for the face as it is, = "
    "the same one."
)


def strip_figures(
    probe: ProbeResult, arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any], permitted: bool
) -> Iterator[FigureGroup]:
    """Yield the contact sheet of a probe.

    Args:
        probe: that made it.
        arrays: ``pictures``, uint8 (faces, conditions, h, w, 3), the faces as they are first.
        told: ``title``, ``drawn``, ``rule``, ``size``, ``grey``; ``conditions``, each with its ``title``; ``faces``,
            each with what it ``shows`` and ``answers`` with ``text``, ``changed`` and ``possible``.
        permitted: whether the plan lets the report show faces; without that only drawn ones are, whatever the files
            hold.
    """
    drawn = told.get("drawn") is True
    pictures = arrays.get("pictures")
    faces, conditions = list(told.get("faces") or ()), list(told.get("conditions") or ())
    if pictures is None or not faces or not conditions or not (drawn or permitted):
        return
    if pictures.ndim != 5 or pictures.shape[:2] != (len(faces), len(conditions)):
        return
    titles = [str(each.get("title") or "") for each in conditions]
    made = [_made(each) for each in conditions]
    sheets = [_sheet(face, row, titles, made) for face, row in zip(faces, pictures, strict=True)]
    caption = [_READ, str(told.get("rule") or ""), _size(told), _MADE if any(made) else ""]
    columns = ("face", *titles)
    rows = tuple((_name(face), *(_in_table(answer) for answer in face["answers"])) for face in faces)
    title = str(told.get("title") or "The same faces under each condition")
    panel = Panel(
        title,
        Picture(Markup('<div class="sheets">{}</div>').format(Markup("").join(sheets)), shows_faces=not drawn),
        TableBlock(columns, rows, "The model's answers"),
        f"{len(faces)} {'drawn ' if drawn else ''}faces as they are and under {len(titles) - 1} conditions, each with "
        "the model's answer.",
        " ".join(filter(None, caption)),
    )
    yield FigureGroup(title, (panel,))


def _made(condition: Mapping[str, Any]) -> bool:
    """Whether a condition's pictures are forgeries, which say so wherever they stand."""
    return dict(condition.get("values") or {}).get(FORGERY, NONE) not in _AS_PHOTOS


def _sheet(face: Mapping[str, Any], pictures: NDArray[Any], titles: Sequence[str], made: Sequence[bool]) -> Markup:
    """Lay out one face: its pictures in a row that wraps."""
    name = _name(face)
    answers = list(face["answers"])
    cells = []
    for place, (answer, title) in enumerate(zip(answers, titles, strict=True)):
        said, verdict = str(answer.get("text") or ""), "" if place == 0 else _verdict(answer)
        alt = f"{name}, {title}: {said or 'no answer to tell'}" + (f", {verdict}" if verdict else "")
        if made[place]:
            alt = f"synthetic: {alt}"
        cells.append(_cell(pictures[place], title, said, verdict, alt, made[place]))
    return Markup(
        '<div class="sheet" role="group" aria-label="{name}"><h5>{name}</h5>'
        '<ol class="frames" tabindex="0">{cells}</ol></div>'
    ).format(name=name, cells=Markup("").join(cells))


def _cell(pixels: NDArray[Any], title: str, said: str, verdict: str, alt: str, made: bool) -> Markup:
    mark = _MARKS.get(verdict, "")
    sign = Markup('<b class="mark" aria-hidden="true">{}</b> ').format(mark) if mark else Markup("")
    height, width = pixels.shape[:2]
    return Markup(
        '<li class="frame{kind}"><span class="{shot}"><img alt="{alt}" width="{w}" height="{h}" src="{src}"></span>'
        '<span class="what">{title}</span><span class="said">{sign}{said}</span></li>'
    ).format(
        kind=" other" if verdict == OTHER else " idle" if verdict == NOT_DONE else "",
        shot="shot synthetic" if made and verdict != NOT_DONE else "shot",
        alt=alt,
        w=width,
        h=height,
        src=small_picture(pixels, made),
        title=title,
        sign=sign,
        said=NOT_DONE if verdict == NOT_DONE else said,
    )


def _name(face: Mapping[str, Any]) -> str:
    name = str(face.get("shows") or "a face")
    return name[:1].upper() + name[1:]


def _verdict(answer: Mapping[str, Any]) -> str:
    if answer.get("possible") is False:
        return NOT_DONE
    changed = answer.get("changed")
    return MOVED if changed is None else OTHER if changed else SAME


def _in_table(answer: Mapping[str, Any]) -> str:
    if answer.get("possible") is False:
        return NOT_DONE
    return str(answer.get("text") or "–") + (f" ({OTHER})" if answer.get("changed") else "")


def _size(told: Mapping[str, Any]) -> str:
    size = list(told.get("size") or ())
    if len(size) != 2:
        return ""
    grey = ", which it reads in grey" if told.get("grey") else ""
    return f"The model is given {size[1]} × {size[0]} pixels{grey}."


def small_picture(pixels: NDArray[Any], forged: bool = False) -> str:
    """Return a picture ``(h, w, 3)`` uint8 as the data address of a WebP of at most 96 pixels a side.

    A forged one says so in its metadata.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
    factor = min(1.0, SHOWN_SIDE / max(picture.size))
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=QUALITY, method=6, **(synthetic_mark() if forged else {}))
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
