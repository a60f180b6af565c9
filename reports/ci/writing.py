"""Writing the files for continuous integration: looked at before the audit, written whole after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import AuditError, UsageError
from ...core.files import write_atomically
from ...core.results import AuditResults
from ..run_files import RunFiles
from ..worries import worries
from .github import Links, annotation_lines, is_runner, step_summary, write_summary
from .gitlab import to_code_quality
from .junit import to_junit
from .places import PlanPlaces
from .sarif import FINGERPRINT, TOOL, to_sarif
from .sarif_baseline import read_baseline


@dataclass(frozen=True)
class CiFiles:
    """Which files to write, and what to hold one against.

    Attributes:
        junit: JUnit XML.
        sarif: SARIF 2.1.0.
        sarif_baseline: an earlier SARIF file; it may be the one that is written.
        code_quality: GitLab's code quality.
    """

    junit: Path | None = None
    sarif: Path | None = None
    sarif_baseline: Path | None = None
    code_quality: Path | None = None

    def check(self) -> None:
        """Look whether the files can be written and read, before an audit of hours and not after it.

        Raises:
            UsageError: for a path that cannot be written, two files at one path, or a baseline that cannot be read.
        """
        written = [path for path in (self.junit, self.sarif, self.code_quality) if path is not None]
        for path in written:
            fault = _fault_of(path)
            if fault:
                raise UsageError(f"cannot write {path}: {fault}")
        if len({path.resolve() for path in written}) < len(written):
            raise UsageError("expected a file of its own for each of --junit, --sarif and --code-quality")
        if self.sarif_baseline is not None:
            if self.sarif is None:
                raise UsageError("--sarif-baseline says what changed in the file of --sarif: say where with --sarif")
            read_baseline(self.sarif_baseline, TOOL, FINGERPRINT)


def write_ci_files(results: AuditResults, files: CiFiles, places: PlanPlaces, *, strict: bool = False) -> list[Path]:
    """Write the files and return their paths; an earlier file stays as it is where a new one cannot be written.

    Args:
        results: with the outcomes of the gates to tell.
        files: which, and where.
        places: the file that issues point to.
        strict: an inconclusive gate is a failure.

    Raises:
        UsageError: see :meth:`CiFiles.check`.
    """
    files.check()
    texts: list[tuple[Path, str]] = []
    if files.junit is not None:
        texts.append((files.junit, to_junit(results, strict=strict)))
    if files.sarif is not None:
        earlier = files.sarif_baseline
        baseline = None if earlier is None else read_baseline(earlier, TOOL, FINGERPRINT)
        texts.append((files.sarif, to_sarif(results, places, strict=strict, baseline=baseline)))
    if files.code_quality is not None:
        texts.append((files.code_quality, to_code_quality(results, places, strict=strict)))
    for path, text in texts:
        try:
            write_atomically(path, text)
        except AuditError as error:
            raise UsageError(f"{error}; the run folder is whole, and countenance gate RUN writes it again") from error
    return [path for path, _ in texts]


def tell_runner(
    results: AuditResults,
    run: Path,
    places: PlanPlaces,
    environment: Mapping[str, str],
    *,
    strict: bool = False,
) -> list[str]:
    """Write the step summary, and return the lines that annotate the plan, where a runner of GitHub offers them.

    Args:
        results: with the outcomes of the gates to tell.
        run: the run folder.
        places: of the gates in their file.
        environment: of the process.
        strict: an inconclusive gate is a failure.

    Returns:
        Lines for standard output; none where no runner is there.

    Raises:
        UsageError: when the step summary cannot be written.
    """
    if not is_runner(environment):
        return []
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        files = replace(RunFiles.read(run), results=results)
        told = [worry.text for worry in worries(files)[0]]
        text = step_summary(results, told, places, strict=strict, links=Links.of(environment, places))
        try:
            write_summary(Path(summary), text)
        except OSError as error:
            raise UsageError(f"the step summary {summary} cannot be written: {error.strerror or error}") from error
    return annotation_lines(results, places, strict=strict)


def _fault_of(path: Path) -> str:
    """Say why a file cannot be written, an empty text where nothing speaks against it."""
    try:
        if path.is_dir():
            return "there is a folder"
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            return f"{folder} is no folder"
    except OSError as error:
        return error.strerror or str(error)
    return "" if os.access(folder, os.W_OK) else f"no permission to write into {folder}"
