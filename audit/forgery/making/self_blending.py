"""Self-blended faces: a photo blended with a copy of itself that was toned and moved a little.

The idea is Shiohara and Yamasaki's (2022, "Detecting deepfakes with self-blended images", CVPR, arXiv 2204.08376):
no second person and no generator is needed, and what a detector can learn is the blending alone.

Nothing blurs or scales down either side of a hard blend. Otherwise "sharp inside, so genuine" is a cue, and every
detector trained on them rewards high frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .hull import bent, face_hull, grown, softened
from .photo import Forged, Photo
from .raster import fill
from .window import around


@dataclass(frozen=True)
class SelfBlend:
    """How a self-blend is made; lengths are shares of the side of the face, 1.24 extents of its landmarks.

    Attributes:
        shift: largest change of one colour channel, in levels of 255.
        contrast: largest relative change of the contrast.
        brightness: largest change of all channels together, in levels.
        toned: which copy is toned: ``either``, drawn by lot (then, half of the time, all that lies outside the mask is
            toned, too), or the ``source``, so that the mask holds every change.
        lift: largest lift of the brows, in distances from the eyes to the chin.
        elastic: largest shift of the mask's outline.
        grow: most pixels by which the mask is dilated or eroded, 1 at least.
        least_blur: smallest blur of the mask's edge, in pixels.
        blur: largest blur of the mask's edge.
        ratios: the mask is multiplied by one of these.
        move: largest translation of source and mask.
        scale: largest relative change of their size.
        soften: largest blur of the source or the target, in pixels; 0 for none.
    """

    shift: float = 6.0
    contrast: float = 0.06
    brightness: float = 7.5
    toned: Literal["either", "source"] = "either"
    lift: float = 0.35
    elastic: float = 0.03
    grow: int = 3
    least_blur: float = 0.5
    blur: float = 0.03
    ratios: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0, 1.0)
    move: float = 0.03
    scale: float = 0.05
    soften: float = 0.0


HARD = SelfBlend()
EASY = SelfBlend(shift=20.0, contrast=0.2, brightness=25.0, ratios=(1.0,), soften=1.0)
"""Stronger tones, whole masks, and one side softer than the other: almost every one can be told."""


def self_blend(photo: Photo, random: np.random.Generator, settings: SelfBlend = HARD) -> Forged:
    """Blend a face with a toned and slightly moved copy of itself.

    Args:
        photo: one face, of any size.
        random: decides everything; the same state gives the same bytes.
        settings: how strong each change is.
    """
    side = photo.side
    hull = face_hull(photo.landmarks, random.uniform(0, settings.lift))
    outline = bent(hull, settings.elastic, side, random)
    sigma = random.uniform(settings.least_blur, max(settings.least_blur, settings.blur * side))
    grow = int(random.integers(1, settings.grow + 1) * random.choice((-1, 1))) if settings.grow else 0
    ratio = float(random.choice(settings.ratios))
    move = random.uniform(-settings.move * side, settings.move * side, 2)
    scale = 1 + random.uniform(-settings.scale, settings.scale)
    tone_source = random.random() < 0.5 or settings.toned == "source"
    table = tone_table(random, settings)
    soft, soften_source = random.uniform(0, settings.soften), random.random() < 0.5

    margin = 3 * sigma + settings.grow + (settings.move + settings.scale) * side + 4
    window = around(outline, margin, photo.pixels.shape[:2])
    mask = fill(outline - window.corner, window.height_width).astype(np.uint8) * 255
    mask = softened(grown(mask, grow), sigma)
    target = Image.fromarray(window.of(photo.pixels))
    source = target.point(table) if tone_source else target
    if soft > 0 and (soften_source or settings.toned == "source"):
        source = source.filter(ImageFilter.GaussianBlur(soft))
    source, moved = _moved(source, move, scale), _moved(Image.fromarray(mask), move, scale)
    share = np.asarray(moved.point([round(level * ratio) for level in range(256)]))

    whole = photo.pixels
    if not tone_source:
        whole = np.asarray(Image.fromarray(whole).point(table))
    if soft > 0 and not (soften_source or settings.toned == "source"):
        whole = np.asarray(Image.fromarray(whole).filter(ImageFilter.GaussianBlur(soft)))
    return window.blended(whole, np.asarray(source), share, photo.landmarks)


def tone_table(random: np.random.Generator, settings: SelfBlend) -> list[int]:
    """Draw a tone: a shift per channel, a contrast about mid-grey and a brightness; as one table of 3 x 256 levels."""
    shift = random.uniform(-settings.shift, settings.shift, 3)
    contrast = 1 + random.uniform(-settings.contrast, settings.contrast)
    brightness = random.uniform(-settings.brightness, settings.brightness)
    levels = (np.arange(256) - 127.5) * contrast + 127.5 + brightness
    table = np.clip(np.rint(levels[None] + shift[:, None]), 0, 255).astype(int)
    return [int(level) for level in table.ravel()]


def _moved(picture: Image.Image, move: NDArray[np.float64], scale: float) -> Image.Image:
    """Translate and scale about the centre with Lanczos' filter; what comes in from beyond repeats the edge."""
    width, height = picture.size
    centre = np.array([width, height]) / 2
    low = centre - (centre + move) / scale
    high = low + np.array([width, height]) / scale
    pad = int(np.ceil(max(0.0, *-low, *(high - (width, height))))) + 1
    edges = ((pad, pad), (pad, pad)) if picture.mode == "L" else ((pad, pad), (pad, pad), (0, 0))
    larger = Image.fromarray(np.pad(np.asarray(picture), edges, mode="edge"))
    box = (low[0] + pad, low[1] + pad, high[0] + pad, high[1] + pad)
    return larger.resize((width, height), Image.Resampling.LANCZOS, box=box)
