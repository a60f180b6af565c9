"""The code-quality report of GitLab: issues with a severity, a fingerprint and a place in the plan."""

from __future__ import annotations

import json

from ...core.results import AuditResults, Severity
from .issues import Issue, issues_of
from .places import PlanPlaces

SEVERITIES: dict[Severity, str] = {"high": "critical", "medium": "major", "low": "minor", "note": "info"}


def to_code_quality(results: AuditResults, places: PlanPlaces, *, strict: bool = False) -> str:
    """Return the text of a code-quality report, a JSON list; a waived gate is told as information."""
    issues = issues_of(results, strict=strict)
    text = json.dumps([_entry(issue, places) for issue in issues], indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _entry(issue: Issue, places: PlanPlaces) -> dict[str, object]:
    return {
        "description": " ".join(issue.message.split()),
        "check_name": issue.rule,
        "fingerprint": issue.fingerprint,
        "severity": "info" if issue.waiver is not None else SEVERITIES[issue.severity],
        "location": {"path": places.file, "lines": {"begin": places.line(issue.case) or 1}},
    }
