"""``countenance report`` and ``countenance card``: make the documents again from a run folder, without torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import EXIT_GATE_FAILED, EXIT_OK, AuditError, UsageError, nearest
from .console import say

if TYPE_CHECKING:
    from ..cards.check import CardCheck

FORMATS = ("md", "html", "json", "all")


def write_documents(folder: Path) -> list[Path]:
    """Write report and card into the run folder and return their paths."""
    from ..cards import write_card
    from ..reports import write_report

    return [write_report(folder), write_card(folder)]


def report(run: Path) -> int:
    """Write report.html."""
    from ..reports import write_report

    with _writing():
        say(f"wrote {write_report(folder_of(run))}")
    return EXIT_OK


def card(run: Path, file: Path | None = None, form: str | None = None, check: bool = False) -> int:
    """Write the card into the run folder or to ``file``; or check that it says what its evidence says.

    Args:
        run: the run folder, or its results.json.
        file: a card elsewhere, such as the README.md of a model's repository.
        form: ``md``, ``html``, ``json`` or ``all``; by the name of ``file``, else ``md``.
        check: compare the card that is there, and write nothing.

    Returns:
        The exit code: 1 when a checked card and its evidence do not agree.

    Raises:
        UsageError: when formats and file do not fit, the file is no card, or cannot be written.
    """
    from ..cards.check import check_card, format_of, is_card
    from ..cards.document import CARD_FILES, card_of, rendered

    folder = folder_of(run)
    if form is not None and form not in FORMATS:
        raise UsageError(f"there is no format {form!r}{nearest(form, FORMATS)}; there is {', '.join(FORMATS)}")
    if file is not None and form not in (None, format_of(file)):
        raise UsageError(f"{file} is by its name of the format {format_of(file)}: leave out --format")
    wanted = [name for name in CARD_FILES if form in (name, "all") or (form is None and name == "md")]
    if check:
        return _check([check_card(folder, path) for path in _to_check(folder, file, form)])
    if file is not None and file.is_file() and not is_card(file):
        raise UsageError(f"{file} is there and is no card of countenance: name another file, or remove it first")
    made = card_of(folder)
    for fault in made.faults:
        say(f"mind: {fault}")
    targets = {file: format_of(file)} if file is not None else {folder / CARD_FILES[name]: name for name in wanted}
    from ..core.files import write_atomically

    with _writing():
        for path, name in targets.items():
            write_atomically(path, rendered(made, name))
            say(f"wrote {path}")
    return EXIT_OK


def _to_check(folder: Path, file: Path | None, form: str | None) -> list[Path]:
    """Return the cards to check: the one named, those of the format, or all that stand in the folder."""
    from ..cards.document import CARD_FILES

    if file is not None:
        return [file]
    if form == "all":
        return [folder / name for name in CARD_FILES.values()]
    chosen = {folder / name: key for key, name in CARD_FILES.items()}
    if form is not None:
        return [path for path, key in chosen.items() if key == form]
    return [path for path, key in chosen.items() if key == "md" or path.is_file()]


def _check(found: list[CardCheck]) -> int:
    for check in found:
        if check.agrees:
            say(f"{check.file} agrees with its evidence")
            continue
        say(f"{check.file} does not agree with its evidence:")
        for fault in check.evidence:
            say(f"  {fault}")
        for number in check.numbers:
            say(f"  {number.key}: the card says {number.card}, the results {number.results}")
        for text in check.texts:
            say(f"  {text}")
        if not check.numbers and not check.texts:
            say("  what it shows is the same; write it again so that it names the evidence of now")
    if all(check.agrees for check in found):
        return EXIT_OK
    say("countenance card RUN writes the card again from the run folder; a statement of the author goes into card.yaml")
    return EXIT_GATE_FAILED


@contextmanager
def _writing() -> Iterator[None]:
    """Tell an output that cannot be written as what it is here: a fault of the command, not of an audit."""
    try:
        yield
    except AuditError as error:
        raise UsageError(f"{error}: choose a place that can be written") from error


def folder_of(run: Path) -> Path:
    """Return the run folder, also when its results.json was named."""
    return run.parent if run.is_file() else run
