"""The commands and their help; what each does is in its own module."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from .console import set_verbose

app = typer.Typer(
    name="countenance",
    help="Audit a model that reads faces: explain, slice, probe, and compile a model card.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or its results.json.")]
JunitOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write gates and probes as JUnit XML.")]
SarifOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write what to look at as SARIF 2.1.0.")]
SarifBaselineOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="An earlier SARIF file: tell what is new, updated and gone.")
]
CodeQualityOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a code-quality report of GitLab.")]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"countenance {__version__}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the log and, for our own faults, where.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""
    set_verbose(verbose)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("countenance-demo"),
    subjects: Annotated[int, typer.Option(min=12, help="Drawn people, each with seven expressions.")] = 144,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the drawn people.")] = 1,
    overwrite: Annotated[bool, typer.Option(help="Start again in a folder of an earlier demo.")] = False,
) -> int:
    """Audit two small nets on drawn faces, one with planted faults, and compare them."""
    from .demo import demo as command

    return command(out, subjects, seed, overwrite)


@app.command()
def init(
    checkpoint: Annotated[
        Path | None, typer.Argument(help=".safetensors, .pt, .pt2 or .onnx, or a predictions table.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet, one row per face; not needed for a predictions table.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; audit.yaml unless given, or gates.yaml with --gates-from.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    gates_from: Annotated[Path | None, typer.Option(metavar="RUN", help="Write gates that this run passes.")] = None,
) -> int:
    """Write a commented starting plan, and a card.yaml with questions for the author; or gates from a run."""
    from .init import init as command

    return command(checkpoint, manifest, out, overwrite, gates_from)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="PLAN...", help="Plans, or files of gates by themselves.")],
) -> int:
    """Look plans through, with the cards they name, without auditing anything; exit 2 when one is wrong."""
    from .check import check as command

    return command(files)


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME-OF-THE-PLAN-FILE unless given.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on with a broken-off run.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Start again in an existing run folder.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with 4 when a gate is inconclusive.")] = False,
    trust_checkpoint: Annotated[
        bool, typer.Option("--trust-checkpoint", help="Load the checkpoint even if that could run code from it.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write report.html and MODEL_CARD.md.")] = True,
    junit: JunitOption = None,
    sarif: SarifOption = None,
    sarif_baseline: SarifBaselineOption = None,
    code_quality: CodeQualityOption = None,
) -> int:
    """Audit a model as a plan says."""
    from ..reports.ci import CiFiles
    from .run import run as command

    files = CiFiles(junit, sarif, sarif_baseline, code_quality)
    return command(plan, out, resume, overwrite, strict, trust_checkpoint, report, files)


@app.command()
def report(run: RunArgument) -> int:
    """Make report.html again from a run folder."""
    from .documents import report as command

    return command(run)


@app.command()
def card(
    run: RunArgument,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="CARD", help="A card elsewhere, such as a README.md; the run folder's unless given."),
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="md, html, json or all.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when the card no longer says what the results say.")
    ] = False,
) -> int:
    """Make MODEL_CARD.md again from a run folder, or check that a card agrees with it."""
    from .documents import card as command

    return command(run, file, form, check)


@app.command()
def gate(
    run: RunArgument,
    plan: Annotated[
        Path | None, typer.Option(help="Take gates, waivers and baseline of this plan or file of gates.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="The run that gates on a change compare with.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Judge waivers as of this day, 2027-05-01; today else.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 4 when a gate is inconclusive.")] = False,
    junit: JunitOption = None,
    sarif: SarifOption = None,
    sarif_baseline: SarifBaselineOption = None,
    code_quality: CodeQualityOption = None,
) -> int:
    """Judge the gates on a run's results; exit 1 when one fails."""
    from ..reports.ci import CiFiles
    from .gate import gate as command

    return command(run, plan, baseline, as_of, strict, CiFiles(junit, sarif, sarif_baseline, code_quality))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two or more run folders, the baseline first.")],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page.")] = None,
    every: Annotated[bool, typer.Option("--all", help="List every measurement, not only those that differ.")] = False,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with 1 when a run is worse than the first.")
    ] = False,
) -> int:
    """Compare runs, measurement by measurement, face by face where the faces are the same."""
    from .compare import compare as command

    return command(runs, out, every, fail_on_regression)


@app.command()
def probes(name: Annotated[str | None, typer.Argument(help="Tell all about one probe.")] = None) -> int:
    """List the probes: what each shows and hides, needs and takes."""
    from .probes import probes as command

    return command(name)


@app.command()
def law(
    provision: Annotated[str | None, typer.Argument(metavar="ID", help="Tell all about one, e.g. AIA-5-1-f.")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Say what this run folder holds for it, and what is missing.")
    ] = None,
) -> int:
    """List provisions of law and standards that an audit can be evidence for. A pointer, not legal advice."""
    from .law import law as command

    return command(provision, run)


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="plan, card or results.")] = "plan",
) -> int:
    """Print a JSON Schema, for editors."""
    from .schema import schema as command

    return command(what)


@app.command()
def agreement(
    heatmaps: Annotated[Path, typer.Argument(help="Folder of grey images NAME_EXPRESSION.png.")],
    masks: Annotated[Path, typer.Argument(help="Folder of masks EXPRESSION.png or mask_EXPRESSION.png.")],
    out: Annotated[Path | None, typer.Option(help="Write the table as CSV.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write table and dendrograms as an HTML page.")] = None,
) -> int:
    """Score a folder of heatmaps against a folder of masks (Otsu threshold, IoU) beside nulls; compare networks."""
    from .agreement import agreement as command

    return command(heatmaps, masks, out, page)


@app.command()
def forge(
    source: Annotated[Path, typer.Argument(metavar="PLAN-OR-MANIFEST", help="Whose faces are forged.")],
    out: Annotated[Path, typer.Option(help="Folder to write into; must not hold a manifest yet.")],
    methods: Annotated[str, typer.Option(help="Kinds of forgery, with commas between them; the usual ones else.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is drawn.")] = 0,
    landmarks: Annotated[
        Path | None, typer.Option(help="With a manifest: .npz with 68 or 478 points of each picture.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels, a multiple of 16.")] = 256,
    quality: Annotated[int, typer.Option(min=1, max=95, help="JPEG quality of all pictures, forged or not.")] = 90,
    faces: Annotated[int, typer.Option(min=1, max=20000, help="Most faces to forge, spread over people.")] = 2000,
) -> int:
    """Make marked forgeries of faces, with masks and a manifest, and keep them to test detectors with."""
    from .forge import forge as command

    return command(source, out, methods, seed, landmarks, size, quality, faces)


@app.command()
def slices(
    table: Annotated[Path, typer.Argument(help="Parquet table of predictions, of any length.")],
    task: Annotated[str, typer.Option(help="expression, forgery, action_units or valence_arousal.")],
    classes: Annotated[
        str, typer.Option(help="Classes or action units, with commas between them; those of the columns p_NAME else.")
    ] = "",
    by: Annotated[list[str] | None, typer.Option(help="Attribute to group by; may be repeated.")] = None,
    cross: Annotated[list[str] | None, typer.Option(help="Attributes to cross, a,b; may be repeated.")] = None,
    bins: Annotated[list[str] | None, typer.Option(help="Cut a numeric attribute: age=0,30,45,200.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the person; `subject` where there is one.")] = None,
    label: Annotated[str, typer.Option(help="Column of the label.")] = "label",
    rename: Annotated[list[str] | None, typer.Option(help="A label of the table: happiness=happy.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Metric to measure; all unless given.")] = None,
    only: Annotated[list[str] | None, typer.Option("--of", help="Class or unit to measure; all unless given.")] = None,
    min_people: Annotated[int, typer.Option(min=1, help="People a group needs to be measured.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write every number, as .csv or .md.")] = None,
) -> int:
    """Measure the groups of a table of predictions too large for memory, with intervals that count people."""
    from .slices import slices as command

    return command(
        table,
        task,
        classes,
        by or [],
        cross or [],
        bins or [],
        subject,
        label,
        rename or [],
        metric,
        only,
        min_people,
        out,
    )
