"""Builds the model card from a run folder's results and the author's statements."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ..core.files import sha256_of_file
from ..core.policy import policy_of
from ..core.results import AuditResults, Measurement
from ..core.results_file import RESULTS_FILE
from ..core.run_record import record_faults
from .absent import absent_section
from .law_section import law_section
from .measured import evaluation_data, factors, metrics
from .outcomes import caveats, ethics, quantitative_analyses
from .statements import STATEMENTS_FILE, Statements
from .stating import stated
from .tables import ref
from .tree import Card, Item, Paragraph, Section
from .unfinished import breaking_off
from .wording import measured_by, plural

TASKS = {
    "expression": "facial expression recognition",
    "action_units": "facial action unit detection",
    "valence_arousal": "valence and arousal estimation",
    "forgery": "face forgery detection",
    "verification": "face verification",
}
_HEADLINE_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "eer", "ece")


def build_card(results: AuditResults, statements: Statements, folder: Path) -> Card:
    """Build the card: nine sections after Mitchell et al. (2019) and a closing account of what is missing.

    Args:
        results: of the audit; the only source of numbers.
        statements: of the author; an empty :class:`Statements` states nothing.
        folder: the run folder, whose ``results.json`` and ``card.yaml`` are hashed into the card.

    Returns:
        The card as a tree; the same input gives the same tree.

    Raises:
        ResultsError: when a gate or the deployment in the results cannot be read.
    """
    results = results.model_copy(update={"policy": policy_of(results, statements.intended_use.deployment_context)})
    sections = (
        _model_details(results, statements),
        _intended_use(statements),
        Section(3, "Factors", factors(results, statements)),
        Section(4, "Metrics", metrics(results, statements)),
        Section(5, "Evaluation Data", evaluation_data(results, statements)),
        _training_data(statements),
        Section(7, "Quantitative Analyses", quantitative_analyses(results, statements)),
        Section(8, "Ethical Considerations", ethics(results, statements)),
        Section(9, "Caveats and Recommendations", caveats(results, statements)),
    )
    file, author = folder / RESULTS_FILE, folder / STATEMENTS_FILE
    return Card(
        title=results.target.name,
        task=results.target.task,
        summary=_summary(results),
        sections=sections,
        absent=absent_section(results, sections),
        license=statements.model_details.license,
        tags=_tags(results),
        headline=tuple(ref(item) for item in headline(results)),
        dataset=results.data.name,
        evidence=sha256_of_file(file) if file.is_file() else "",
        provisions=law_section(results, statements),
        written_by=f"countenance {version('countenance')}",
        audited_by=f"countenance {results.tool.get('countenance', '')}".strip(),
        statements=sha256_of_file(author) if author.is_file() else "",
        faults=tuple(record_faults(results, file)),
    )


def headline(results: AuditResults) -> list[Measurement]:
    """Return the usual measures over all faces that have a value, in their usual order."""
    found: dict[str, Measurement] = {}
    for probe in (*measured_by("performance", results), *measured_by("forgery_detection", results)):
        for item in probe.measurements:
            if not item.slice and not item.condition and item.estimate.value is not None:
                found.setdefault(item.metric, item)  # of two uses of the probe the first is quoted
    return [found[name] for name in _HEADLINE_METRICS if name in found]


def task_title(task: str) -> str:
    """Return the task in words."""
    return TASKS.get(task, task)


def size_text(results: AuditResults) -> str:
    """Say how many faces, and of how many people, were audited."""
    data = results.data
    people = (
        f"of {plural(data.subjects, 'person', 'people')}"
        if data.subjects is not None
        else "of an unknown number of people"
    )
    rows = "pair of faces" if results.target.task == "verification" else "face"
    return f"{plural(data.faces, rows, 'pairs of faces' if rows != 'face' else None)} {people}"


def _summary(results: AuditResults) -> Paragraph:
    where = f" ({results.data.name})" if results.data.name else ""
    return Paragraph.of(
        f"{results.target.name}, a model for {task_title(results.target.task)}, was audited on "
        f"{size_text(results)}{where} "
        f"on {results.started[:10]}. Every number below was measured in that audit and holds for that data; "
        "what the author "
        "of the card states is marked as stated.",
        *([f" {told}"] if (told := breaking_off(results)) else []),
    )


def _tags(results: AuditResults) -> tuple[str, ...]:
    names = ["countenance", "model-audit", "face-analysis", task_title(results.target.task).replace(" ", "-")]
    return tuple(names)


def _model_details(results: AuditResults, statements: Statements) -> Section:
    target = results.target
    facts = [f"Task: {task_title(target.task)}."]
    if target.classes:
        facts.append(f"Classes, in output order: {', '.join(target.classes)}.")
    if target.format:
        facts.append(f"Checkpoint format: {target.format}.")
    if target.parameters is not None:
        facts.append(f"Parameters: {target.parameters:,}.")
    if target.sha256:
        facts.append(f"SHA-256 of the checkpoint: {target.sha256}.")
    facts += target.notes
    place = "model_details"
    return Section(
        1,
        "Model Details",
        (
            stated(statements, f"{place}.developers", "Person or organisation developing the model"),
            stated(statements, f"{place}.date", "Model date"),
            stated(statements, f"{place}.version", "Model version"),
            stated(statements, f"{place}.type", "Model type", facts),
            stated(
                statements,
                f"{place}.training",
                "Training algorithms, parameters, fairness constraints or other applied approaches, and features",
            ),
            stated(statements, f"{place}.resources", "Paper or other resource for more information"),
            stated(statements, f"{place}.citation", "Citation details"),
            stated(statements, f"{place}.license", "License"),
            stated(statements, f"{place}.contact", "Where to send questions or comments about the model"),
        ),
    )


def _intended_use(statements: Statements) -> Section:
    place = "intended_use"
    items: tuple[Item, ...] = (
        stated(statements, f"{place}.primary_uses", "Primary intended uses"),
        stated(statements, f"{place}.primary_users", "Primary intended users"),
        stated(statements, f"{place}.out_of_scope", "Out-of-scope use cases"),
        stated(statements, f"{place}.deployment_context", "Deployment context"),
    )
    return Section(2, "Intended Use", items)


def _training_data(statements: Statements) -> Section:
    place = "training_data"
    items: tuple[Item, ...] = (
        stated(statements, f"{place}.datasets", "Datasets"),
        stated(statements, f"{place}.motivation", "Motivation"),
        stated(statements, f"{place}.preprocessing", "Preprocessing"),
        stated(statements, f"{place}.distribution", "Distribution over factors"),
    )
    return Section(6, "Training Data", items)
