"""``countenance check``: look through plans, files of gates and cards' statements without auditing anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cards.statements import load_statements
from ..core.errors import EXIT_OK, CountenanceError, PlanError
from ..core.plan_file import load_gate_file, load_plan
from .console import say

_OF_A_PLAN = ("target:", "probes:", "data:")


def check(files: Sequence[Path]) -> int:
    """Check each file whole, and say all that is wrong with all of them at once."""
    faults = []
    for file in files:
        try:
            say(f"{file}: {_check(file)}")
        except CountenanceError as error:
            faults.append(str(error))
    if faults:
        raise PlanError("\n".join(faults))
    return EXIT_OK


def _check(file: Path) -> str:
    """Check a plan with the card that it names, or gates by themselves, which need no probe and so no torch."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = ["target:"]  # load_plan says what is wrong with it
    if not any(line.startswith(_OF_A_PLAN) for line in lines):
        return f"{len(load_gate_file(file).gates or ())} gates"
    loaded = load_plan(file)
    if loaded.plan.card is not None:
        load_statements(loaded.path(loaded.plan.card))
    return f"{len(loaded.plan.probes)} probes, {len(loaded.plan.gates)} gates"
