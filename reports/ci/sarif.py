"""SARIF 2.1.0 of an audit (OASIS standard, 27 March 2020): what to look at, for viewers of scanners' results.

Gates that passed are no results. A waived gate is a result with an accepted suppression. A probe that failed is a
notification of the run, which then was not successful, and a result too, since many viewers show nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ... import __version__
from ...core.results import AuditResults, Severity
from .issues import Issue, issues_of
from .places import PlanPlaces
from .sarif_baseline import against

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
TOOL = "countenance"
FINGERPRINT = "countenance/v1"
GITHUB_FINGERPRINT = "primaryLocationLineHash"  # by which code scanning knows an alert again
LEVELS: dict[Severity, str] = {"high": "error", "medium": "warning", "low": "note", "note": "none"}


def to_sarif(
    results: AuditResults,
    places: PlanPlaces,
    *,
    strict: bool = False,
    baseline: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Return the text of a SARIF file.

    Args:
        results: with the outcomes of the gates to tell.
        places: the file that the results point to.
        strict: an inconclusive gate is as grave as a failed one.
        baseline: results of an earlier file, see :func:`.sarif_baseline.read_baseline`; each result then says whether
            it is new, unchanged or updated, and what is gone stands with ``absent``.
    """
    issues = issues_of(results, strict=strict)
    found = [_result(issue, places) for issue in issues]
    if baseline is not None:
        found = against(found, baseline, FINGERPRINT)
    failed = [issue for issue in issues if issue.kind == "probe"]
    invocation: dict[str, Any] = {
        "executionSuccessful": not failed,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": issue.message}, "descriptor": {"id": issue.rule}} for issue in failed
        ],
    }
    if results.started:
        invocation["startTimeUtc"] = results.started
    run = {
        "tool": {"driver": {"name": TOOL, "version": __version__, "rules": _rules(issues, found)}},
        "automationDetails": {"id": f"{TOOL}/{results.name}/"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": found,
        "properties": {
            "target": results.target.name,
            "target_sha256": results.target.sha256,
            "data_sha256": results.data.sha256,
            "faces": results.data.faces,
        },
    }
    text = json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _result(issue: Issue, places: PlanPlaces) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(places.file)}}
    line = places.line(issue.case)
    if line is not None:
        location["region"] = {"startLine": line}
    level = LEVELS[issue.severity]
    result: dict[str, Any] = {
        "ruleId": issue.rule,
        "kind": "informational" if level == "none" else "fail",
        "level": level,
        "message": {"text": issue.message},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {FINGERPRINT: issue.fingerprint, GITHUB_FINGERPRINT: f"{issue.fingerprint[:16]}:1"},
        "properties": dict(issue.properties),
    }
    if issue.waiver is not None:
        waiver = issue.waiver
        told = f"{waiver.get('owner')} until {waiver.get('expires')}: {waiver.get('reason')}"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": told}]
    return result


def _rules(issues: Sequence[Issue], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one rule for each kind of issue, also of those that only an earlier file had, in alphabetical order."""
    rules: dict[str, dict[str, Any]] = {}
    for issue in issues:
        rules.setdefault(
            issue.rule,
            {
                "id": issue.rule,
                "name": "".join(part.capitalize() for part in re.split("[^0-9A-Za-z]+", issue.rule)),
                "shortDescription": {"text": issue.rule_text},
                "fullDescription": {"text": issue.rule_help or issue.rule_text},
                "defaultConfiguration": {"level": LEVELS[issue.severity]},
                "properties": {"tags": [issue.kind]},
            },
        )
    for result in results:
        name = str(result["ruleId"])
        rules.setdefault(name, {"id": name, "shortDescription": {"text": "A rule of an earlier run."}})
    return [rules[name] for name in sorted(rules)]
