"""What the report's template is given: the run, its probes by pillar, its figures, and anchors for the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..cards.build import size_text, task_title
from ..cards.conditions import perturbs
from ..cards.gaps import GAP, WORST, gap_blocks
from ..cards.indices import index_blocks
from ..cards.measured import ASSIGNED, group_sizes, quarantine_reasons
from ..cards.robustness import nothing_measured
from ..cards.slices import by_grouping
from ..cards.tables import overall_blocks, ref
from ..cards.tree import Block, BulletList, Card, MeasurementRef, Part, TableBlock
from ..cards.unfinished import gates_not_judged, gates_text, reason_told
from ..cards.wording import measurement_title, metric_title, pairs_text, probe_title
from ..core.files import sha256_of_bytes
from ..core.results import AuditResults, Finding, Measurement, ProbeResult, Severity
from .drawing import figures_of, folded_figures_of
from .figures.losses import loss_blocks
from .figures.panel import FigureGroup
from .figures.picture import Picture
from .run_files import RunFiles
from .scenarios import Scenario, scenarios, told_columns, verdict_counts
from .summary import PILLARS, SummaryLine, pillar_title, summary_lines
from .worries import Worry, worries

MOST_ROWS = 400
MOST_ROWS_UNDER_CONDITIONS = 60
MOST_OPEN = 3


@dataclass(frozen=True)
class ProbeView:
    """A probe with its figures and tables."""

    probe: ProbeResult
    figures: tuple[FigureGroup, ...]
    lead: tuple[Block, ...]
    losses: tuple[Block, ...]
    folded_figures: tuple[FigureGroup, ...]
    gaps: tuple[Block, ...]
    folded: tuple[Block, ...]
    indices: tuple[Block, ...]
    further: tuple[Block, ...]
    rest: TableBlock | None
    params: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pillar:
    """The probes of one pillar."""

    name: str
    title: str
    probes: tuple[ProbeView, ...]


@dataclass
class Anchors:
    """Which measurement has a place in the page: the first table that quotes it carries its anchor.

    Only evidence is linked to, so only evidence has one.
    """

    placed: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def name(self, key: str) -> str:
        """Return the anchor of a key."""
        return f"m-{sha256_of_bytes(key.encode())[:12]}"

    def place(self, key: str) -> str:
        """Return the anchor when this is the first place of the key in the page, else an empty string."""
        if key in self.placed or key not in self.known:
            return ""
        self.placed[key] = self.name(key)
        return self.placed[key]

    def link(self, key: str) -> str:
        """Return the anchor of a key that a table of the page quotes, else an empty string."""
        return self.name(key) if key in self.known else ""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    run: RunFiles
    card: Card
    worries: tuple[Worry, ...]
    more_worries: int
    scenarios: tuple[Scenario, ...]
    pillars: tuple[Pillar, ...]
    quarantined: tuple[tuple[str, int], ...]
    anchors: Anchors

    @property
    def results(self) -> AuditResults:
        """The results of the run."""
        return self.run.results

    @property
    def findings(self) -> list[Finding]:
        """Every finding, the most severe first; the n-th has the anchor ``finding-n``."""
        return self.results.findings()

    def probe_name(self, probe: ProbeResult) -> str:
        """Name a probe."""
        return probe_title(probe, self.results)

    @property
    def lines(self) -> list[SummaryLine]:
        """The audit probe by probe."""
        return summary_lines(self.results)

    @property
    def minor(self) -> list[tuple[Severity, list[Finding]]]:
        """Findings of low severity and notes, which a reader unfolds."""
        kinds: tuple[Severity, ...] = ("low", "note")
        found = [(severity, [one for one in self.findings if one.severity == severity]) for severity in kinds]
        return [(severity, findings) for severity, findings in found if findings]

    @property
    def verdicts(self) -> list[tuple[str, str, int]]:
        """How many gates came to each verdict, the gravest first."""
        return verdict_counts(self.scenarios)

    @property
    def told(self) -> Mapping[str, bool]:
        """Which of the optional columns of the gates are filled."""
        return told_columns(self.scenarios)

    @property
    def task(self) -> str:
        """The task in words."""
        return task_title(self.results.target.task)

    @property
    def size(self) -> str:
        """How many faces of how many people."""
        return size_text(self.results)

    @property
    def permitted(self) -> bool:
        """Whether the plan lets the report show faces that may be published."""
        return bool(dict(self.results.plan.get("report") or {}).get("faces") == "permitted")

    @property
    def shows_faces(self) -> bool:
        """Whether a picture of the report shows a face of the data."""
        views = (view for pillar in self.pillars for view in pillar.probes)
        panels = (p for view in views for group in view.figures for p in group.panels)
        return any(isinstance(panel.drawing, Picture) and panel.drawing.shows_faces for panel in panels)

    @property
    def label_table(self) -> TableBlock:
        """Faces of each label."""
        rows = tuple((label, f"{count:,}") for label, count in self.results.data.labels.items())
        return TableBlock(("label", "faces"), rows, "Labels")

    @property
    def attribute_tables(self) -> list[TableBlock]:
        """Faces and people of each group, a table for each attribute."""
        tables = []
        for name, attribute in self.results.data.attributes.items():
            rows = group_sizes(attribute)
            caption = f"{name}: {ASSIGNED.get(attribute.assigned_by, attribute.assigned_by)}"
            caption += f". {attribute.reliability}" if attribute.reliability else ""
            tables.append(TableBlock(("group", "faces", "people"), rows, caption))
        return tables

    @property
    def quarantine_table(self) -> TableBlock:
        """Rows set aside, counted by reason."""
        rows = tuple((reason, f"{count:,}") for reason, count in self.quarantined)
        return TableBlock(("reason", "rows"), rows, "Rows whose image could not be used")

    def metric_title(self, item: MeasurementRef) -> str:
        """Name the metric of a headline number."""
        return metric_title(item.key.partition("/")[2])

    def finding_number(self, finding: Finding) -> int:
        """Return n of the anchor ``finding-n``."""
        return next(n for n, other in enumerate(self.findings, start=1) if other.id == finding.id)

    def reason(self, probe: ProbeResult) -> str:
        """Say why a probe was skipped or failed, in words that may be published."""
        return reason_told(probe)

    def folded_title(self, blocks: Sequence[Block]) -> str:
        """Say what a reader can unfold: the tables by their captions, and whether some was not measured."""
        captions = [block.caption.partition(" (")[0] for block in blocks if isinstance(block, TableBlock)]
        titles = list(dict.fromkeys(caption.partition(", tolerance")[0] for caption in captions))
        silent = any(isinstance(block, BulletList) for block in blocks)
        return " · ".join([*titles, *(["What was not measured"] if silent else [])])

    def figures_title(self, figures: Sequence[FigureGroup]) -> str:
        """Say which figures a reader can unfold."""
        return " · ".join(group.title for group in figures)

    @property
    def unjudged(self) -> str:
        """Say that gates of the plan were not judged; an empty string where all were."""
        count = gates_not_judged(self.results)
        return gates_text(count) if count else ""


def build_page(run: RunFiles) -> Page:
    """Collect everything the report shows."""
    shown, more = worries(run)
    pillars = tuple(_pillars(run))
    anchors, evidence = Anchors(), _evidence(run.results)
    for pillar in pillars:
        for view in pillar.probes:
            anchors.known |= {part.key for part in _quoted(view)} & evidence
    quarantined = tuple(quarantine_reasons(run.results.data))
    return Page(run, run.card, tuple(shown), more, scenarios(run.results), pillars, quarantined, anchors)


def _pillars(run: RunFiles) -> Iterator[Pillar]:
    names = dict.fromkeys([*PILLARS, *(probe.pillar for probe in run.results.probes)])
    for name in names:
        probes = tuple(_view(run, probe) for probe in run.results.probes if probe.pillar == name)
        if probes:
            yield Pillar(name or "other", pillar_title(name), probes)


def _view(run: RunFiles, probe: ProbeResult) -> ProbeView:
    figures, folded_figures = tuple(figures_of(run, probe)), tuple(folded_figures_of(run, probe))
    whole = [table for table in by_grouping(probe, run.results.data.attributes) if not table.attributes]
    drawn = {ref.key for ref in _quoted_in(_tables_of((*figures, *folded_figures)))}
    whole_blocks = [block for grouped in whole for block in _not_drawn(list(overall_blocks(grouped)), drawn)]
    silent = nothing_measured(probe) if perturbs(probe) else None
    if silent is not None:
        whole_blocks = [silent]
    lead = [block for block in whole_blocks if probe.pillar == "performance" or not figures]
    most = MOST_OPEN
    if probe.pillar == "performance":  # of what was measured under conditions figures tell first
        most = 1 if any(item.condition for item in probe.measurements) else len(lead)
    tables = [place for place, block in enumerate(lead, start=1) if isinstance(block, TableBlock)]
    if len(tables) > most:
        lead = lead[: tables[most - 1]]  # the others are unfolded by who wants them
    further = [block for block in whole_blocks if block not in lead]
    params = tuple((name, _param(value)) for name, value in probe.params.items())
    gaps, folded = _first_table(tuple(gap_blocks(probe)))
    losses = list(loss_blocks(probe, run.results))
    shown = tuple(block for unfolds, block in losses if not unfolds)
    if losses:  # who loses most is told already
        gaps, folded = (), (*(block for unfolds, block in losses if unfolds), *gaps, *folded)
    indices = tuple(index_blocks(probe))
    drawn |= {ref.key for ref in _quoted_in([*whole_blocks, *shown, *gaps, *folded, *indices])}
    evidence = _evidence(run.results)
    left = [item for item in probe.measurements if item.key not in drawn and not _beside_a_gap(item)]
    left = [] if silent is not None else left
    left.sort(key=lambda item: item.key not in evidence)
    most = MOST_ROWS_UNDER_CONDITIONS if perturbs(probe) else MOST_ROWS
    rows: list[tuple[Part, ...]] = [
        (measurement_title(item.model_copy(update={"slice": {}}), probe.probe), pairs_text(item.slice), ref(item))
        for item in left[:most]
    ]
    caption = "Other measurements"
    if len(left) > most:
        caption += f" (the first {most} of {len(left):,}; all stand in results.json)"
    rest = TableBlock(("measure", "of", "estimate"), tuple(rows), caption) if rows else None
    return ProbeView(
        probe, figures, tuple(lead), shown, folded_figures, gaps, folded, indices, tuple(further), rest, params
    )


def _evidence(results: AuditResults) -> set[str]:
    """Return the keys that findings and gates rest on."""
    found = {key for finding in results.findings() for key in finding.evidence}
    return found | {key for gate in results.gates for key in gate.evidence}


def _tables_of(figures: Sequence[FigureGroup]) -> list[Block]:
    return [panel.table for group in figures for panel in group.panels]


def _first_table(blocks: Sequence[Block]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Part what is shown at once, up to the first table, from what a reader unfolds."""
    end = next((n for n, block in enumerate(blocks, start=1) if isinstance(block, TableBlock)), len(blocks))
    return tuple(blocks[:end]), tuple(blocks[end:])


def _beside_a_gap(item: Measurement) -> bool:
    """Whether a number belongs to a difference between groups, whose table tells what a reader needs of it."""
    return "attribute" in item.slice and any(f".{kind}." in item.metric for kind in (GAP, WORST))


def _not_drawn(blocks: Sequence[Block], drawn: set[str]) -> Iterator[Block]:
    """Leave out tables whose every number stands beside a figure, with what is said of them."""
    keep = True
    for block in blocks:
        if isinstance(block, TableBlock):
            keep = any(ref.key not in drawn for ref in _quoted_in([block]))
        if keep:
            yield block


def _param(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "not set" if value is None else str(value)


def _quoted(view: ProbeView) -> Iterator[MeasurementRef]:
    tables = [*view.lead, *view.losses, *view.gaps, *view.folded, *view.indices, *view.further]
    tables += _tables_of((*view.figures, *view.folded_figures))
    yield from _quoted_in([*tables, *([view.rest] if view.rest is not None else [])])


def _quoted_in(blocks: Sequence[Block]) -> Iterator[MeasurementRef]:
    for block in blocks:
        for row in block.rows if isinstance(block, TableBlock) else ():
            yield from (cell for cell in row if isinstance(cell, MeasurementRef))
