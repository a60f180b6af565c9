"""From the sizes that triggers were inverted to, to rates: calibrated on clean nets, and as Neural Cleanse judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countenance.audit.backdoors.scan.calibration import Calibrated, calibrated
from countenance.core.statistics.intervals import clopper_pearson

from .backdoor_scan_nets import CLEAN, KINDS, REFERENCE

LEVEL, ALPHA = 0.95, 0.05
FEWER_REFERENCES = (8, 12, 20)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Net:
    """What is kept of a net.

    Attributes:
        kind: of :data:`KINDS`.
        seed: of the net.
        target: the class its trigger leads to, ``None`` of a clean net.
        accuracy: on clean faces.
        success: of its trigger, ``None`` of a clean net.
        families: names of the columns of the sizes.
        log_sizes: (classes, families), NaN where not reached.
        seconds: of the processor for training and scan.
    """

    kind: str
    seed: int
    target: int | None
    accuracy: float
    success: float | None
    families: tuple[str, ...]
    log_sizes: Floats
    seconds: tuple[float, float]

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> Net:
        """Read a line of the file."""
        return cls(
            kind=row["kind"],
            seed=row["seed"],
            target=row["target"],
            accuracy=row["accuracy"],
            success=row["success"],
            families=tuple(row["families"]),
            log_sizes=np.array(row["log_sizes"], dtype=np.float64),
            seconds=(row["train_seconds"], row["scan_seconds"]),
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a net is flagged, whether by the right class, and whether the smallest p is the right class's."""

    flagged: bool
    rightly: bool
    first: bool


def by_calibration(net: Net, references: Floats) -> Verdict:
    """Judge a net as the scan does, beside the log sizes of clean nets (nets, classes, families)."""
    return _verdict(net, calibrated(net.log_sizes, references, ALPHA))


def _verdict(net: Net, found: Calibrated) -> Verdict:
    below = np.nan_to_num(found.p_adjusted, nan=1.0) < ALPHA
    place = found.smallest
    right = net.target is not None
    return Verdict(
        flagged=bool(below.any()),
        rightly=right and bool(below[net.target].any()),
        first=right and place is not None and place[0] == net.target,
    )


def by_median(net: Net, family: str = "additive") -> Verdict:
    """Judge a net by itself, by the rule of Neural Cleanse: an index above 2 on the side of the small changes.

    Of additions, since masks are not sought as small as can be here.
    """
    sizes = np.exp(net.log_sizes[:, net.families.index(family)])
    middle = np.nanmedian(sizes)
    index = (middle - sizes) / max(1.4826 * float(np.nanmedian(np.abs(sizes - middle))), 1e-9)
    index = np.nan_to_num(index, nan=-np.inf)
    right = net.target is not None
    return Verdict(
        bool((index > 2).any()), right and bool(index[net.target] > 2), right and index.argmax() == net.target
    )


def references_of(nets: Sequence[Net], count: int | None = None) -> Floats:
    """Return the log sizes of the calibration's nets in the order of their seeds, the first ``count`` of them."""
    chosen = sorted((net for net in nets if net.kind == REFERENCE), key=lambda net: net.seed)[:count]
    return np.stack([net.log_sizes for net in chosen])


def tables(nets: Sequence[Net]) -> str:
    """Return the study as Markdown: rates by kind, by number of references, z by family, and what nets are like."""
    mine = [net for net in nets if net.kind == REFERENCE]
    if len(mine) < 4:
        return f"{len(mine)} nets for the calibration so far; 4 are needed for a first table\n"
    references = references_of(nets)
    parts = [_rates(nets, references), _by_references(nets), _families(nets, references), _nets(nets)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _rates(nets: Sequence[Net], references: Floats) -> Iterator[str]:
    yield f"Calibrated on {len(references)} clean nets, p below {ALPHA:g} after Bonferroni:"
    yield ""
    yield "| nets | n | flagged | the right class flagged | the right class ranked first | MAD index of additions > 2 |"
    yield "|---|---|---|---|---|---|"
    for kind, chosen in _by_kind(nets):
        found = [by_calibration(net, references) for net in chosen]
        alone = [by_median(net) for net in chosen]
        cells = [KINDS[kind].title, str(len(chosen)), rate([each.flagged for each in found])]
        if kind == CLEAN:
            cells += ["", ""]
        else:
            cells += [rate([each.rightly for each in found]), rate([each.first for each in found])]
        yield "| " + " | ".join([*cells, rate([each.flagged for each in alone])]) + " |"


def _by_references(nets: Sequence[Net]) -> Iterator[str]:
    there = len(references_of(nets))
    counts = [*(count for count in FEWER_REFERENCES if count < there), there]
    yield "Flagged with fewer reference nets:"
    yield ""
    yield "| nets | n | " + " | ".join(f"{count} references" for count in counts) + " |"
    yield "|---" * (2 + len(counts)) + "|"
    for kind, chosen in _by_kind(nets):
        cells = [KINDS[kind].title, str(len(chosen))]
        for count in counts:
            references = references_of(nets, count)
            cells.append(rate([by_calibration(net, references).flagged for net in chosen]))
        yield "| " + " | ".join(cells) + " |"


def _families(nets: Sequence[Net], references: Floats) -> Iterator[str]:
    families = nets[0].families
    yield "z of the right class by family, median (and range) over nets; of clean nets the largest of any class:"
    yield ""
    yield "| nets | " + " | ".join(families) + " |"
    yield "|---" * (1 + len(families)) + "|"
    for kind, chosen in _by_kind(nets):
        rows = []
        for net in chosen:
            z = calibrated(net.log_sizes, references, ALPHA).z
            rows.append(_largest(z) if net.target is None else z[net.target])
        columns = np.array(rows).T
        yield "| " + " | ".join([KINDS[kind].title, *(_spread(column, "{:.1f}") for column in columns)]) + " |"


def _nets(nets: Sequence[Net]) -> Iterator[str]:
    yield "The nets; times are seconds of one processor:"
    yield ""
    yield "| nets | n | accuracy | success of the trigger | training | scan |"
    yield "|---|---|---|---|---|---|"
    for kind in KINDS:
        chosen = [net for net in nets if net.kind == kind]
        if chosen:
            accuracy = _spread(np.array([net.accuracy for net in chosen]), "{:.2f}")
            won = [net.success for net in chosen if net.success is not None]
            success = _spread(np.array(won), "{:.2f}") if won else ""
            seconds = [f"{np.mean([net.seconds[part] for net in chosen]):.1f}" for part in (0, 1)]
            yield "| " + " | ".join([KINDS[kind].title, str(len(chosen)), accuracy, success, *seconds]) + " |"


def _by_kind(nets: Sequence[Net]) -> Iterator[tuple[str, list[Net]]]:
    """Yield the kinds that were judged, with their nets."""
    for kind in KINDS:
        chosen = sorted((net for net in nets if net.kind == kind), key=lambda net: net.seed)
        if chosen and kind != REFERENCE:
            yield kind, chosen


def _largest(z: Floats) -> Floats:
    """Return the largest z of each family over classes, NaN where none was judged."""
    return np.where(np.isfinite(z).any(0), np.nan_to_num(z, nan=-np.inf).max(0), np.nan)


def _spread(values: Floats, shape: str) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "not reached"
    told = shape.format(float(np.median(known)))
    return told if len(known) == 1 else f"{told} ({shape.format(known.min())} to {shape.format(known.max())})"


def rate(hits: Sequence[bool]) -> str:
    """Return ``9 of 10, 90 % (55.5-99.7)`` with Clopper-Pearson limits at 95 %."""
    won, count = sum(hits), len(hits)
    low, high = clopper_pearson(np.array([float(won)]), np.array([float(count)]), LEVEL)
    return f"{won} of {count}, {won / count:.0%} ({100 * low[0]:.1f}-{100 * high[0]:.1f})"
