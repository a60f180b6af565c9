"""What changed between two SARIF files of the same audit: new, unchanged, updated, absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import UsageError

_COMPARED = ("ruleId", "level", "kind", "message", "suppressions")
_ABSENT = "absent"


def read_baseline(path: Path, tool: str, fingerprint: str) -> list[dict[str, Any]]:
    """Return the results of an earlier SARIF file that ``tool`` wrote, those left out that were absent already.

    Raises:
        UsageError: when the file cannot be read, is no SARIF 2.1.0, or was not written by ``tool``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"expected an earlier SARIF file at {path}, but there is no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as SARIF: {error}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if version != "2.1.0":
        raise UsageError(f"{path} is no SARIF 2.1.0: its version is {str(version)[:40]!r}")
    runs = [run for run in _dicts(content.get("runs")) if _tool(run) == tool]
    if not runs:
        raise UsageError(f"{path} holds no run of {tool}: give a file that --sarif wrote")
    found = [result for run in runs for result in _dicts(run.get("results"))]
    if any(_fingerprint(result, fingerprint) is None or not isinstance(result.get("ruleId"), str) for result in found):
        raise UsageError(f"{path} holds results without a rule or the fingerprint {fingerprint!r}")
    return [result for result in found if result.get("baselineState") != _ABSENT]


def against(
    results: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]], fingerprint: str
) -> list[dict[str, Any]]:
    """Return the results with their state against earlier ones, and behind them those that are absent now.

    A result is known again by its fingerprint. It is updated when its message, level or suppression is another.
    """
    before = {_fingerprint(result, fingerprint): result for result in baseline}
    found = []
    for result in results:
        earlier = before.pop(_fingerprint(result, fingerprint), None)
        state = "new" if earlier is None else "unchanged" if _alike(result, earlier) else "updated"
        found.append({**result, "baselineState": state})
    return [*found, *({**result, "baselineState": _ABSENT} for result in before.values())]


def _alike(result: Mapping[str, Any], earlier: Mapping[str, Any]) -> bool:
    return all(result.get(name) == earlier.get(name) for name in _COMPARED)


def _fingerprint(result: Mapping[str, Any], name: str) -> str | None:
    prints = result.get("partialFingerprints")
    value = prints.get(name) if isinstance(prints, Mapping) else None
    return value if isinstance(value, str) else None


def _tool(run: Mapping[str, Any]) -> object:
    tool = run.get("tool")
    driver = tool.get("driver") if isinstance(tool, Mapping) else None
    return driver.get("name") if isinstance(driver, Mapping) else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
