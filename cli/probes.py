"""``countenance probes``: the probes, and all about one of them."""

from __future__ import annotations

from ..core.errors import EXIT_OK
from ..core.probes import find_probe, registered_probes
from .console import print_table, say


def probes(name: str | None) -> int:
    """List the probes, or tell all about one."""
    if name is None:
        known = registered_probes().values()
        rows = [[probe.name, probe.pillar, ", ".join(sorted(probe.needs)), probe.summary] for probe in known]
        print_table("", ["probe", "pillar", "needs", "what it measures"], rows)
        return EXIT_OK
    probe = find_probe(name)
    say(f"{probe.name} (version {probe.version}, {probe.pillar}): {probe.title}\n")
    say(f"Shows: {probe.shows}")
    say(f"Hides: {probe.hides}")
    if probe.citation:
        say(f"Source: {probe.citation}")
    say(f"Needs: {', '.join(sorted(probe.needs)) or 'predictions only'}; tasks: {', '.join(sorted(probe.tasks))}")
    rows = []
    for key, field in probe.params.model_fields.items():
        default = "required" if field.is_required() else str(field.get_default(call_default_factory=True))
        rows.append([key, default, field.description or ""])
    print_table("Parameters", ["name", "default", "meaning"], rows)
    return EXIT_OK
