"""Poisson blending: the source's gradients inside the mask, the target's pixels around it.

Written as a membrane (Pérez, Gangnet and Blake 2003, "Poisson image editing", ACM TOG 22(3)): the result is
``source + u``, where ``u`` is harmonic inside the mask and equals ``target - source`` around it. It is solved by
multigrid with a start by pull and push, on the mask's bounding box. Only pixels inside the mask change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .photo import ForgeryError

Array = NDArray[np.float32]
Bool = NDArray[np.bool_]

TOLERANCE = 0.5
"""Steps go on until one moves no pixel by more levels of 255 than this; the error left is about a quarter of it."""
MOST_CYCLES = 60
_LEVELS = 5
_DAMPING = 0.8
_SWEEPS, _COARSEST_SWEEPS = 2, 20


def unknown_pixels(mask: Bool) -> Bool:
    """Return the pixels that a blend changes: those of the mask but for the picture's outermost ones.

    An outermost pixel has no neighbour beyond it to hold on to, so it stays the target's.
    """
    inside = np.zeros_like(mask)
    inside[1:-1, 1:-1] = mask[1:-1, 1:-1]
    return inside


def poisson_blend(target: Array, source: Array, mask: Bool) -> Array:
    """Return the target with the source blended into it, float32 (h, w, c).

    Args:
        target: float32 (h, w, c), levels of 255.
        source: the same shape; read inside the mask and one pixel around it.
        mask: (h, w); see :func:`unknown_pixels`.

    Raises:
        ForgeryError: where the solution does not settle.
    """
    inside = unknown_pixels(mask)
    result = target.copy()
    if not inside.any():
        return result
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    part = np.s_[rows[0] - 1 : rows[-1] + 2, columns[0] - 1 : columns[-1] + 2]
    cell = inside[part]
    difference = np.ascontiguousarray((target[part] - source[part]).transpose(2, 0, 1))
    smooth = membrane(difference, cell).transpose(1, 2, 0)
    result[part] = np.where(cell[..., None], source[part] + smooth, target[part])
    return result


def membrane(known: Array, inside: Bool) -> Array:
    """Return what is harmonic inside and equals ``known`` elsewhere.

    Args:
        known: float32 (c, h, w), read outside only.
        inside: (h, w), false on the outermost rows and columns.

    Returns:
        float32 (c, h, w).
    """
    height, width = inside.shape
    step = 2 ** (_LEVELS - 1)
    # one frame of zeros inside the arrays spares every stencil its special cases
    padding = ((1, 1 + -(height) % step), (1, 1 + -(width) % step))
    framed = np.pad(inside, padding)
    field = np.pad(known.astype(np.float32, copy=False), ((0, 0), *padding), mode="edge")
    start = _pulled_and_pushed(field[:, 1:-1, 1:-1], ~framed[1:-1, 1:-1])
    field[:, 1:-1, 1:-1] = np.where(framed[1:-1, 1:-1], start, field[:, 1:-1, 1:-1])
    masks = _coarser(framed[1:-1, 1:-1].astype(np.float32))
    _improve(field, masks)
    return field[:, 1 : height + 1, 1 : width + 1]


def _improve(field: Array, masks: list[Array]) -> None:
    """Solve in place by conjugate gradients, each direction one multigrid cycle's answer to what is left.

    A cycle alone halves the error, because coarse masks fit the rim badly; as a preconditioner it divides it by four
    to six. Channels have step lengths of their own.
    """
    core = np.s_[:, 1:-1, 1:-1]
    nothing = np.zeros_like(field[core])
    left = _residual(field, nothing, masks[0])
    direction, image, energy = np.zeros_like(field), nothing, np.zeros(len(field), dtype=np.float32)
    for _ in range(MOST_CYCLES):
        answer = np.zeros_like(field)
        _cycle(answer, left, masks, 0)
        answer -= _ratio(_dot(answer[core], image), energy) * direction
        direction = answer
        image = -_residual(direction, nothing, masks[0])
        energy = _dot(direction[core], image)
        length = _ratio(_dot(direction[core], left), energy)
        left -= length * image
        step = length * direction
        field += step
        if max(float(step.max()), -float(step.min())) <= TOLERANCE:
            return
    # no number of pixels in it: refused faces are counted by what is said
    raise ForgeryError(f"a Poisson blend did not settle in {MOST_CYCLES} cycles")


def _dot(one: Array, two: Array) -> Array:
    return np.asarray(np.einsum("cij,cij->c", one, two), dtype=np.float32)


def _ratio(above: Array, below: Array) -> Array:
    """Return the quotient per channel, (c, 1, 1); 0 where nothing is left to do."""
    return np.asarray(np.where(below > 0, above / np.where(below > 0, below, 1), 0), dtype=np.float32)[:, None, None]


def _coarser(mask: Array) -> list[Array]:
    """Return the mask at every level: a coarse cell is inside where its four children all are."""
    masks = [mask]
    while len(masks) < _LEVELS:
        rows = masks[-1][::2] * masks[-1][1::2]
        masks.append(np.ascontiguousarray(rows[:, ::2] * rows[:, 1::2]))
    return masks


def _neighbours(field: Array) -> Array:
    total = field[:, :-2, 1:-1] + field[:, 2:, 1:-1]
    total += field[:, 1:-1, :-2]
    total += field[:, 1:-1, 2:]
    return total


def _residual(field: Array, load: Array, mask: Array) -> Array:
    """Return ``load - (4 field - neighbours)`` inside."""
    total = _neighbours(field)
    total += load
    total -= 4 * field[:, 1:-1, 1:-1]
    total *= mask
    return total


def _smooth(error: Array, load: Array, weight: Array, sweeps: int, *, first: bool = False) -> None:
    """Do damped Jacobi sweeps on ``4 error - neighbours = load``; ``weight`` is damping / 4 inside and 0 outside."""
    core = error[:, 1:-1, 1:-1]
    if first:  # error is still nothing
        np.multiply(load, weight, out=core)
        sweeps -= 1
    for _ in range(sweeps):
        total = _neighbours(error)
        total += load
        total *= weight
        core *= 1 - _DAMPING
        core += total


def _cycle(error: Array, load: Array, masks: list[Array], level: int) -> None:
    """Fill ``error``, which is nothing yet, by one V-cycle."""
    mask = masks[level]
    weight = mask * np.float32(_DAMPING / 4)
    if level == len(masks) - 1:
        _smooth(error, load, weight, _COARSEST_SWEEPS, first=True)
        return
    _smooth(error, load, weight, _SWEEPS, first=True)
    left = _residual(error, load, mask)
    rows = left[:, ::2] + left[:, 1::2]
    coarse_load = rows[:, :, ::2] + rows[:, :, 1::2]  # four times the mean: cells are twice as wide
    coarse_load *= masks[level + 1]
    channels, height, width = coarse_load.shape
    coarse: Array = np.zeros((channels, height + 2, width + 2), dtype=np.float32)
    _cycle(coarse, coarse_load, masks, level + 1)
    error[:, 1:-1, 1:-1] += _finer(coarse) * mask
    _smooth(error, load, weight, _SWEEPS)


def _finer(coarse: Array) -> Array:
    """Interpolate cells bilinearly to cells of half the width; ``coarse`` has a frame, the result has none."""
    channels, height, width = coarse.shape
    near = np.float32(0.75) * coarse
    far = np.float32(0.25) * coarse
    rows: Array = np.empty((channels, 2 * (height - 2), width), dtype=np.float32)
    np.add(near[:, 1:-1], far[:, :-2], out=rows[:, ::2])
    np.add(near[:, 1:-1], far[:, 2:], out=rows[:, 1::2])
    near, far = np.float32(0.75) * rows, np.float32(0.25) * rows
    fine: Array = np.empty((channels, 2 * (height - 2), 2 * (width - 2)), dtype=np.float32)
    np.add(near[:, :, 1:-1], far[:, :, :-2], out=fine[:, :, ::2])
    np.add(near[:, :, 1:-1], far[:, :, 2:], out=fine[:, :, 1::2])
    return fine


def _pulled_and_pushed(field: Array, known: Bool) -> Array:
    """Fill what is not known by means of ever larger blocks, interpolated back.

    Args:
        field: (c, h, w), both sides multiples of the coarsest block.
        known: (h, w).
    """
    weight: Array = known.astype(np.float32)
    steps: list[tuple[Array, Array]] = [(field * weight, weight)]
    for _ in range(_LEVELS - 1):
        values, weights = steps[-1]
        rows, lines = values[:, ::2] + values[:, 1::2], weights[::2] + weights[1::2]
        quarter = np.float32(0.25)
        steps.append((quarter * (rows[:, :, ::2] + rows[:, :, 1::2]), quarter * (lines[:, ::2] + lines[:, 1::2])))
    values, weights = steps[-1]
    everywhere = values.sum(axis=(1, 2)) / max(float(weights.sum()), 1e-6)
    filled = np.where(weights > 0, values / np.maximum(weights, 1e-6), everywhere[:, None, None])
    for values, weights in reversed(steps[:-1]):
        finer = _finer(np.pad(filled, ((0, 0), (1, 1), (1, 1)), mode="edge"))
        share = np.minimum(weights, 1)
        filled = values / np.maximum(weights, 1e-6) * share + finer * (1 - share)
    return filled.astype(np.float32)
