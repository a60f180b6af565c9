"""Whether a run folder's ``results.json`` is what the audit wrote there, and of the plan that lies beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .files import sha256_of_file, write_atomically
from .plan import Plan
from .results import AuditResults

RECORD_SUFFIX = ".sha256"
PLAN_FILE = "plan.yaml"
_HASH = re.compile(r"[0-9a-f]{64}")


def record_hash(results: Path, sha256: str) -> None:
    """Write the SHA-256 of ``results.json`` beside it, in the form that ``sha256sum --check`` reads.

    Raises:
        AuditError: when the file cannot be written.
    """
    write_atomically(record_of(results), f"{sha256}  {results.name}\n")


def record_of(results: Path) -> Path:
    """Return where the SHA-256 of a ``results.json`` is kept: ``results.json.sha256``."""
    return results.with_name(results.name + RECORD_SUFFIX)


def recorded_hash(results: Path) -> str | None:
    """Return the SHA-256 that the audit recorded, or ``None`` where there is no record that can be read."""
    try:
        found = _HASH.match(record_of(results).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[0] if found else None


def record_faults(results: AuditResults, file: Path) -> list[str]:
    """Say why ``results.json`` may not be what the audit of this folder wrote; empty where nothing speaks against it.

    This finds accidents: whoever changes the file and its record together is not found.

    Args:
        results: what the file holds.
        file: the ``results.json``; its record and ``plan.yaml`` are looked for beside it.
    """
    faults = []
    recorded = recorded_hash(file)
    if recorded is not None and file.is_file() and sha256_of_file(file) != recorded:
        faults.append(
            f"{file.name} was changed after the audit wrote it: its SHA-256 is not the one that the audit recorded in "
            f"{record_of(file).name}. What it says need not be what was measured; put the file back, or run the audit "
            "again."
        )
    differing = _other_plan(results, file.with_name(PLAN_FILE))
    if differing:
        faults.append(
            f"{file.name} is from another plan than the {PLAN_FILE} beside it: {'; '.join(differing)}. Put the two "
            "that belong together into one folder, or run the audit again."
        )
    return faults


def _other_plan(results: AuditResults, file: Path) -> list[str]:
    """Say in what the plan beside the results differs from theirs; a plan that cannot be read is not compared."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        plan = Plan.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
        return []
    written = results.plan
    there: dict[str, tuple[Any, Any]] = {
        "name": (plan.name, written.get("name")),
        "seed": (plan.seed, written.get("seed")),
        "task": (plan.target.task, _inside(written, "target", "task")),
        "classes": (list(plan.target.classes), _inside(written, "target", "classes")),
        "probes": (
            [entry.key for entry in plan.probes],
            [entry.get("id") for entry in written.get("probes") or () if isinstance(entry, dict)] or None,
        ),
    }
    return [
        f"{name} is {_shown(ours)} in the plan and {_shown(theirs)} in the results"
        for name, (ours, theirs) in there.items()
        if theirs is not None and ours != theirs
    ]


def _inside(plan: dict[str, Any], block: str, name: str) -> Any:
    part = plan.get(block)
    return part.get(name) if isinstance(part, dict) else None


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
