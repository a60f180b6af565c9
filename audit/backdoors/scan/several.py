"""Scanning several nets, by one process or by several, with a remark on how it was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....core.errors import CountenanceError
from ....core.target import Target
from .job import Source, Task, score_of
from .processes import CannotShare, processes_wanted, seconds_of, shared_scan
from .scanning import Scanned


@dataclass(frozen=True, eq=False)
class Net:
    """A net to scan, and where another process finds it; without a source, why none can."""

    target: Target
    source: Source | None
    alone_because: str = ""


def reference_net(target: Target, source: Source) -> Net:
    """Return a reference as a net to scan, which other processes may do where it is on the CPU, as they compute there.

    So the sizes of all nets are found on the target's device.
    """
    return Net(target, source if target.device.type == "cpu" else None)


def audited_net(target: Target, folder: Path) -> Net:
    """Return the target as a net to scan; another process opens its checkpoint as the plan says, without trust."""
    if target.format == "module":
        return Net(target, None, "the target is a live module, which no other process can open")
    if target.device.type != "cpu":
        return Net(target, None, f"the target is on {target.device}")
    source = Source.of(target, folder / Path(target.spec.checkpoint or "").expanduser(), folder)
    try:
        source.open()
    except CountenanceError as error:
        return Net(target, None, f"another process could not open the target: {' '.join(str(error).split())}")
    return Net(target, source)


def scan_nets(
    nets: Sequence[Net], task: Task, processes: int | None, advance: Callable[[int], None]
) -> tuple[list[Scanned], str]:
    """Scan every net for every class and family; the result does not depend on the number of processes.

    Args:
        nets: the nets.
        task: classes, families and faces.
        processes: how many; ``None`` for one a processor where the work is long enough.
        advance: is told after each class and family.

    Returns:
        What was found, net by net, and a remark on how it was done.
    """
    seconds = seconds_of(score_of(nets[0].target), task) * len(nets)
    shared = [net for net in nets if net.source is not None]
    wanted = processes_wanted(processes, seconds, len(shared) * len(task.aims)) if shared else 1
    found: dict[int, Scanned] = {}
    remark = "Scanned by one process."
    if wanted > 1:
        sources = [net.source for net in shared if net.source is not None]
        told = [0]

        def counted(count: int) -> None:
            told[0] += count
            advance(count)

        try:
            together = shared_scan(sources, task, wanted, counted)
            found = {id(net): scanned for net, scanned in zip(shared, together, strict=True)}
            remark = f"Scanned by {wanted} processes of one thread each."
        except CannotShare as error:
            advance(-told[0])
            remark = f"Scanned by one process, since {error}."
    reasons = sorted({net.alone_because for net in nets if net.alone_because})
    if reasons and (processes or 2) > 1:
        remark += f" Not shared: {'; '.join(reasons)}."
    for net in nets:
        if id(net) not in found:
            found[id(net)] = task.run(score_of(net.target), task.aims, advance)
    return [found[id(net)] for net in nets], remark
