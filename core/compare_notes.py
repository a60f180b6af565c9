"""What limits a comparison of runs: other faces, other versions, probes that did not measure the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .results import AuditResults, ProbeResult


def data_note(runs: Sequence[AuditResults], same: bool) -> str:
    """Say whether the runs audited the same faces, as far as their hashes tell."""
    if same:
        return "The runs audited the same faces."
    if not all(run.data.sha256 for run in runs):
        return "Whether the runs audited the same faces is not known: a hash of the data is missing."
    if all((run.data.faces, run.data.labels) == (runs[0].data.faces, runs[0].data.labels) for run in runs):
        return (
            "The audited data differ (faces, labels, attributes or landmarks; of tables also the predictions), but the "
            "runs have as many faces of each label. A difference may come from the data and not from the model."
        )
    return "The runs audited different data, so a difference may come from the faces and not from the model."


def other_notes(runs: Sequence[AuditResults]) -> Iterator[str]:
    """Tell of other versions, tasks, classes and probes."""
    if len({run.schema_version for run in runs}) > 1 or len({run.tool.get("countenance") for run in runs}) > 1:
        yield "The runs were made with different versions of countenance."
    if len({run.target.task for run in runs}) > 1:
        yield "The targets have different tasks."
    elif len({frozenset(run.target.classes) for run in runs}) > 1:
        yield "The targets have different classes."
    yield from _probe_notes(runs)


def _probe_notes(runs: Sequence[AuditResults]) -> Iterator[str]:
    """Tell of each probe id that did not measure the same thing in every run that has it."""
    by_id: dict[str, list[ProbeResult]] = {}
    for run in runs:
        for probe in run.probes:
            by_id.setdefault(probe.id, []).append(probe)
    for probe_id, probes in by_id.items():
        differs = []
        names = sorted({probe.probe for probe in probes})
        versions = sorted({probe.version for probe in probes})
        if len(names) > 1:
            differs.append(f"it is another probe ({', '.join(names)})")
        elif len(versions) > 1:
            differs.append(f"the version of the probe differs ({', '.join(map(str, versions))})")
        changed = _changed_params(probes) if len(names) == 1 else []
        if changed:
            differs.append(f"the parameters differ ({', '.join(changed)})")
        if differs:
            yield f"{probe_id} did not measure the same in every run: {' and '.join(differs)}."


def _changed_params(probes: Sequence[ProbeResult]) -> list[str]:
    """Return the names of the parameters that are not the same in all; a parameter may be missing in some."""
    absent = object()
    first = probes[0].params
    names = dict.fromkeys(name for probe in probes for name in probe.params)
    return [name for name in names if any(p.params.get(name, absent) != first.get(name, absent) for p in probes)]
