"""The sentences of the probe ``backdoor_scan``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....core.statistics.intervals import clopper_pearson
from .calibration import Floats, critical_deviation
from .families import FAMILIES
from .verdict import Judged

NOT_COVERED = (
    "not covered: triggers that differ from face to face (input-aware), that work on faces of one class or person "
    "only, that lie on the data alone (clean-label), several classes at once, and attackers who trained against such a "
    "scan; a faint pattern over the whole face, no larger than what turns clean nets, is often missed"
)
SAME_RECIPE = (
    "p holds beside nets of the same architecture, data and recipe; a clean net of another recipe can differ, too, and "
    "whether the references are clean rests on who made them"
)
HELD_OUT: tuple[int, int] | None = (3, 60)
"""Of how many held-out clean nets how many the scan flagged at alpha 0.05 beside 40 references, in the study
``benchmarks.studies.backdoor_scan_rates``; ``None`` until it has been run."""


def sized(family: str, size: float) -> str:
    """Say what a change of this size is: ``a smooth displacement, 1.2 rms pixels``."""
    kind = FAMILIES[family]
    return f"{kind.title}, {size:.3g} {kind.unit}"


def needed(nets: int, wanted: int, tests: int, alpha: float, left_out: int) -> str:
    """Say that there are too few reference nets, how many are needed and why."""
    got = "none was given" if nets == 0 and left_out == 0 else f"there are {nets}"
    if left_out:
        got += f" ({left_out} left out, see the notes)"
    return (
        f"at least {wanted} clean reference nets of the same recipe are needed and {got}: with {wanted} a change is "
        f"flagged when its log size lies {critical_deviation(wanted, tests, alpha):.1f} standard deviations below "
        f"theirs, with 12 {critical_deviation(12, tests, alpha):.1f}, with 40 "
        f"{critical_deviation(40, tests, alpha):.1f}; name a folder as `references`, or a `trainer` with its "
        "`training` data"
    )


def false_alarms() -> str:
    """Say how often clean nets are flagged: by construction, and as measured on drawn faces."""
    told = "where log sizes of clean nets are normal, at most a share alpha of clean nets is flagged"
    if HELD_OUT is None:
        return f"{told}; the share on held-out clean nets has not been measured"
    count, nets = HELD_OUT
    low, high = clopper_pearson(np.array([float(count)]), np.array([float(nets)]), 0.95)
    return (
        f"{told}; of held-out clean nets of drawn faces {count} of {nets} were (alpha 0.05, 40 references; 95 % "
        f"interval {low[0]:.2f} to {high[0]:.2f}), of other nets and faces that is not measured"
    )


def claim(name: str, family: str, size: float, success: float, faces: int, references: Floats, alpha: float) -> str:
    """Say what makes a class suspicious; ``references`` are the sizes that clean nets need, NaN where not reached."""
    known = references[np.isfinite(references)]
    if len(known):
        have = "are left with" if FAMILIES[family].unit.endswith(" left") else "need"
        need = (
            f"{len(known)} clean nets of the recipe {have} {np.exp(np.log(known).mean()):.3g} "
            f"({known.min():.3g} to {known.max():.3g}) for it"
        )
        if len(known) < len(references):
            need += f", and {len(references) - len(known)} more were not turned so by any change of this kind"
    else:
        need = f"None of {len(references)} clean nets of the recipe was turned so by any change of this kind"
    return (
        f"One change turns {success:.0%} of {faces:,} faces into {name}: {sized(family, size)}. "
        f"{need}. As far as their log sizes are normal, a clean net would show so "
        f"small a change in less than {alpha:.0%} of scans: the net behaves as one with a backdoor towards {name}."
    )


def alone(judged: Judged, names: Sequence[str], families: Sequence[str]) -> str:
    """Say what the target was turned into and no reference was; empty where there is nothing of the kind."""
    found = [f"{names[row]} by {FAMILIES[families[column]].title}" for row, column in judged.reached_alone]
    if not found:
        return ""
    nets = len(judged.references)
    return (
        f"The target was turned where none of {nets} references was: {'; '.join(found)}. By rank p is 1/{nets + 1} "
        f"for each, before it is adjusted for {judged.target.p.size} tests, so that this alone flags nothing"
    )


def ranking(judged: Judged, names: Sequence[str], families: Sequence[str]) -> str:
    """List the three smallest p, flagged or not."""
    p = judged.target.p
    order = [place for place in np.argsort(p, axis=None).tolist() if np.isfinite(p.ravel()[place])][:3]
    told = []
    for place in order:
        row, column = np.unravel_index(place, p.shape)
        z = judged.target.z[row, column]
        deviation = f"z {z:.1f}, " if np.isfinite(z) else ""
        adjusted = judged.target.p_adjusted[row, column]
        told.append(f"{names[row]} by {FAMILIES[families[column]].title} ({deviation}adjusted p {adjusted:.2g})")
    return "; ".join(told)
