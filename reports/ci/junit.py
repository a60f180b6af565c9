"""JUnit XML of an audit: one suite for gates, one for policy, one for probes.

There is no standard of the format; elements and attributes are those that the JUnit 10 schema of the Jenkins plug-in
and GitLab read. Times are real: a probe has the seconds that it took, and a gate none, so that the sum is the audit's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ...core.results import AuditResults
from .cases import SUITES, Case, cases_of

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_ELEMENTS = {"failed": "failure", "error": "error", "skipped": "skipped"}


def to_junit(results: AuditResults, *, strict: bool = False) -> str:
    """Return the text of a JUnit file; see :mod:`.cases` for what fails, what is an error and what is skipped.

    Args:
        results: with the outcomes of the gates to tell.
        strict: an inconclusive gate is a failure.
    """
    cases = cases_of(results, strict=strict)
    root = Element("testsuites", {"name": xml_text(f"countenance: {results.name}"), **_counts(cases)})
    for suite in SUITES:
        inside = [case for case in cases if case.suite == suite]
        if inside or suite == "gates":
            started = results.started[:19]
            attributes = {"name": suite, **_counts(inside), **({"timestamp": started} if started else {})}
            element = SubElement(root, "testsuite", attributes)
            _properties(
                element, {"target": results.target.name, "task": results.target.task, "faces": results.data.faces}
            )
            for case in inside:
                _case(element, case)
    indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(root, encoding='unicode')}\n"


def xml_text(text: str) -> str:
    """Return text with U+FFFD in place of what no XML file can hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    states = [case.state for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(states.count("failed")),
        "errors": str(states.count("error")),
        "skipped": str(states.count("skipped")),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _case(suite: Element, case: Case) -> None:
    attributes = {"classname": xml_text(case.classname), "name": xml_text(case.name), "time": f"{case.seconds:.3f}"}
    element = SubElement(suite, "testcase", attributes)
    _properties(element, case.properties)
    if case.state in _ELEMENTS:
        ended = SubElement(
            element, _ELEMENTS[case.state], {"message": xml_text(case.message), "type": xml_text(case.kind)}
        )
        ended.text = xml_text(case.detail)
    elif case.message:
        SubElement(element, "system-out").text = xml_text(case.detail)


def _properties(parent: Element, values: Mapping[str, str | float]) -> None:
    if values:
        inside = SubElement(parent, "properties")
        for name, value in values.items():
            SubElement(inside, "property", {"name": name, "value": xml_text(_shown(value))})


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else repr(value)
