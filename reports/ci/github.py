"""What GitHub Actions shows of an audit: a step summary in Markdown, and annotations at the lines of the plan.

Both are made only where the runner says that it is there (``GITHUB_ACTIONS``, ``GITHUB_STEP_SUMMARY``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ...cards.markdown import escape_markdown
from ...cards.wording import plural
from ...core.results import AuditResults
from .cases import Case, cases_of
from .issues import Issue, issues_of
from .places import PlanPlaces

SUMMARY_LIMIT = 1024 * 1024  # bytes that a step may write
MOST_ANNOTATIONS = 10  # of each level that a step may show
LONGEST = 600  # characters of a reason in the summary
_LEVELS = {"high": "error", "medium": "warning"}
_STATES = {"failed": "❌", "error": "❌", "skipped": "⚠️", "passed": "✅"}
_HEAD = ("", "gate", "verdict", "why", "whom and what it guards", "review by")


@dataclass(frozen=True)
class Links:
    """Where the pages of the forge are; each empty where it is not known.

    Attributes:
        plan: the plan at this commit.
        run: the run of the workflow, with what it keeps.
    """

    plan: str = ""
    run: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str], places: PlanPlaces) -> Links:
        """Read them from the environment of a runner."""
        get = environment.get
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA", "GITHUB_RUN_ID")
        server, repository, commit, run = (get(name, "") for name in names)
        if not (server.startswith("https://") and repository):
            return cls()
        base = f"{server}/{quote(repository)}"
        return cls(
            f"{base}/blob/{quote(commit)}/{quote(places.file)}" if commit else "",
            f"{base}/actions/runs/{quote(run)}" if run else "",
        )


def is_runner(environment: Mapping[str, str]) -> bool:
    """Tell whether GitHub Actions is running this."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotation_lines(results: AuditResults, places: PlanPlaces, *, strict: bool = False) -> list[str]:
    """Return workflow commands that put errors and warnings at lines of the plan, the gravest first.

    Of each level there are at most as many as a step may show, and the last then says how many there are. Gates that
    somebody answers for are none, nor are findings of low severity: the summary has them.
    """
    lines = []
    for severity, level in _LEVELS.items():
        grave = [issue for issue in issues_of(results, strict=strict) if issue.severity == severity]
        told = [issue for issue in grave if issue.waiver is None]
        shown = told if len(told) <= MOST_ANNOTATIONS else told[: MOST_ANNOTATIONS - 1]
        lines += [_annotation(level, issue, places) for issue in shown]
        if len(shown) < len(told):
            rest = f"and {len(told) - len(shown)} more, in the step summary and the report"
            lines.append(f"::{level} title=countenance::{_data(rest)}")
    return lines


def _annotation(level: str, issue: Issue, places: PlanPlaces) -> str:
    line = places.line(issue.case)
    at = [f"file={_property(places.file)}", *([f"line={line}"] if line is not None else [])]
    return f"::{level} {','.join([*at, f'title={_property(issue.title)}'])}::{_data(issue.message)}"


def _data(text: str) -> str:
    """Escape the text of a workflow command, which ends at the end of a line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a workflow command, which ends at a comma or colon too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write_summary(path: Path, text: str) -> None:
    """Append to the step summary as much as fits; raises :class:`OSError` where it cannot be written."""
    room = SUMMARY_LIMIT - (path.stat().st_size if path.exists() else 0)
    with path.open("ab") as file:
        file.write(fitting(text, room))


def fitting(text: str, room: int) -> bytes:
    """Return the lines of a text that fit into ``room`` bytes, with a last line that says what was left out."""
    whole = text.encode("utf-8", "backslashreplace")
    if len(whole) <= room:
        return whole
    told = b"\n\nThe rest does not fit into a step summary: see the report.\n"
    kept = whole[: max(0, room - len(told))]
    return kept[: kept.rfind(b"\n") + 1] + told if room > len(told) else b""


def step_summary(
    results: AuditResults,
    worries: Sequence[str],
    places: PlanPlaces,
    *,
    strict: bool = False,
    links: Links | None = None,
) -> str:
    """Return the summary of an audit in Markdown: how it stands, what to worry about, the gates, what is waived.

    Args:
        results: with the outcomes of the gates to tell.
        worries: at most five lines, the gravest first.
        places: of the gates in their file.
        strict: an inconclusive gate is a failure.
        links: to the pages of the forge.
    """
    return "\n".join(_summary(results, worries, places, strict, links or Links())) + "\n"


def _summary(
    results: AuditResults, worries: Sequence[str], places: PlanPlaces, strict: bool, links: Links
) -> Iterator[str]:
    cases = cases_of(results, strict=strict)
    gates = [case for case in cases if case.suite == "gates"]
    yield f"## countenance: {escape_markdown(results.name)}"
    yield ""
    yield f"**{standing(cases)}**"
    if worries:
        yield "\n### What to worry about\n"
        yield from (f"{place}. {_short(text)}" for place, text in enumerate(worries, start=1))
    if gates:
        yield f"\n### Gates\n\n|{'|'.join(_HEAD)}|\n|{'---|' * len(_HEAD)}"
        order = ("failed", "error", "skipped", "passed")
        yield from (_row(case, places, links) for case in sorted(gates, key=lambda case: order.index(case.state)))
    broken = [case for case in cases if case.suite == "probes" and case.state == "error"]
    if broken:
        yield "\n### Not completed\n"
        yield from (f"- {escape_markdown(case.name)}: {_short(case.message)}" for case in broken)
    waived = [case for case in gates if case.kind == "waived"]
    if waived:
        yield "\n### Waived\n\n|gate|owner|until|reason|\n|---|---|---|---|"
        names = ("waiver_owner", "waiver_expires", "waiver_reason")
        for case in waived:
            cells = [escape_markdown(case.name), *(_short(str(case.properties.get(name, ""))) for name in names)]
            yield f"|{'|'.join(cells)}|"
    policy = [case for case in cases if case.suite == "policy"]
    if policy:
        yield "\n### Policy\n"
        yield from (f"- {_STATES[case.state]} {escape_markdown(case.name)}: {_short(case.message)}" for case in policy)
    yield ""
    yield "A pass means that no breach could be shown at this size. What it is of is in the report of the run folder."
    if links.run:
        yield f"[What this run keeps]({links.run}#artifacts)"


def standing(cases: Sequence[Case]) -> str:
    """Say in one sentence how an audit stands, as the exit code does."""
    errors = [case for case in cases if case.state == "error"]
    if errors:
        return f"The audit could not complete: {plural(len(errors), 'error')}."
    failed = [case for case in cases if case.state == "failed"]
    gates = sum(case.suite == "gates" for case in failed)
    told = [f"{plural(gates, 'gate')} failed"] if gates else []
    told += ["the stated use is prohibited"] if len(failed) > gates else []
    skipped = [case for case in cases if case.suite == "gates" and case.state == "skipped"]
    waived = sum(case.kind == "waived" for case in skipped)
    told += [f"{waived} waived"] if waived else []
    told += [f"{len(skipped) - waived} inconclusive"] if len(skipped) > waived else []
    passed = sum(case.suite == "gates" and case.state == "passed" for case in cases)
    told += [f"{plural(passed, 'gate')} passed" if not told else f"{passed} passed"] if passed else []
    text = ", ".join(told) or "There were no gates to judge"
    return f"{text[:1].upper()}{text[1:]}."


def _row(case: Case, places: PlanPlaces, links: Links) -> str:
    line = places.line(case)
    name = escape_markdown(case.title or case.name)
    if links.plan and line is not None:
        name = f"[{name}]({links.plan}#L{line})"
    guards = ": ".join(str(case.properties[part]) for part in ("group", "hazard") if part in case.properties)
    review = str(case.properties.get("review_by", ""))
    cells = (_STATES[case.state], name, case.kind, _short(case.message), _short(guards), escape_markdown(review))
    return f"|{'|'.join(cells)}|"


def _short(text: str) -> str:
    return escape_markdown(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")
