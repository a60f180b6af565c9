"""The clean nets of the same recipe that a target is compared with: from a folder, or trained now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ....core.errors import AuditError
from ....core.interruption import temporary_folder
from ....core.target import Target
from ..kept_nets import kept_checkpoints
from ..trainer import Trainer, TrainerError, Written, load_trained, run_trainer
from .answers import Answers, degenerate
from .job import Source, Task
from .likeness import near_copies
from .params import FEWEST_FACES, SUFFIXES


@dataclass(frozen=True, eq=False)
class Reference:
    """One reference net: its name, the loaded net, and where another process finds it."""

    name: str
    target: Target
    source: Source


@dataclass(eq=False)
class References:
    """The reference nets, and what was left out with the reason."""

    nets: list[Reference] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: Path, like: Target, folder: Path, name: str = "") -> None:
        """Load a checkpoint as the target is loaded; one that does not load so, or is known already, is left out."""
        name = name or path.name
        try:
            target = load_trained(path, like, folder)
        except TrainerError as error:
            self.left_out.append((name, str(error.__cause__ or error)))
            return
        known = {like.name: like, **{each.name: each.target for each in self.nets}}
        for other, earlier in known.items():
            if same_net(target, earlier):
                what = "the audited net itself" if earlier is like else f"the same net as {other}"
                self.left_out.append((name, f"{what}: it would only tell how a net compares with its own copy"))
                return
        self.nets.append(Reference(name, target, Source.of(target, path, folder)))


def same_net(one: Target, other: Target) -> bool:
    """Tell whether two targets are the same file, or answer the same fixed input with the same bytes."""
    by_file = bool(one.sha256) and one.sha256 == other.sha256
    return by_file or (bool(one.response_sha256) and one.response_sha256 == other.response_sha256)


def from_folder(folder: Path, like: Target, plan_folder: Path) -> References:
    """Load every checkpoint of a folder, in the order of their names, and those that a trainer wrote and were kept.

    Raises:
        AuditError: when there is no such folder, or the record of a training in it does not fit its checkpoint.
    """
    if not folder.is_dir():
        raise AuditError(f"expected `references` to be a folder of checkpoints, but there is no folder {folder}")
    references = References()
    for path in kept_checkpoints(folder, SUFFIXES):
        references.add(path, like, plan_folder, name=path.relative_to(folder).as_posix())
    return references


@contextmanager
def trained(
    trainer: Written,
    data: Path,
    like: Target,
    *,
    count: int,
    seeds: Sequence[int],
    timeout: float | None,
    plan_folder: Path,
    keep: Path | None,
    advance: Callable[[int], None],
) -> Iterator[References]:
    """Train reference nets on clean data, and delete them at the end unless they are kept.

    Args:
        trainer: as :func:`~..trainer.run_trainer` takes it.
        data: folder with ``manifest.csv`` and the images.
        like: the audited target.
        count: how many nets.
        seeds: one for each.
        timeout: seconds for each.
        plan_folder: to which the trainer's files are relative.
        keep: folder that the checkpoints are left in, or ``None``.
        advance: is told after each net.

    Raises:
        TrainerError: when the trainer fails or writes nothing.
    """
    known = Trainer.parse(trainer, plan_folder)
    with temporary_folder("countenance-references-") as temporary:
        home = keep or temporary
        references = References()
        for place in range(count):
            out = home / f"net-{place:02d}"
            path = run_trainer(known, data, out, seed=seeds[place], timeout=timeout, folder=plan_folder)
            references.add(path, like, plan_folder, name=out.name)
            advance(1)
        yield references


def screened(
    references: References, own: Answers, task: Task, names: Sequence[str]
) -> tuple[References, list[Answers]]:
    """Ask the references, and leave out those that tell nothing: at chance, of one answer, or near copies.

    Args:
        references: as loaded.
        own: what the target answers.
        task: the faces, and the classes that are sought.
        names: of the classes.

    Returns:
        The references that stay, with what was left out before and now, and their answers.
    """
    left = References([], list(references.left_out))
    answered: list[Answers] = []
    for each in references.nets:
        answers = Answers.of(each.target, task)
        why = degenerate(answers, names)
        few = [names[aim] for aim in task.aims if answers.others(aim) < FEWEST_FACES]
        if why or few:
            told = why or f"fewer than {FEWEST_FACES} faces are not answered as {few[0]} by it"
            left.left_out.append((each.name, told))
            continue
        left.nets.append(each)
        answered.append(answers)
    copies = near_copies(own.logits, [each.logits for each in answered])
    for place, (other, distance, usual) in copies.items():
        of = "the audited net" if other is None else left.nets[other].name
        told = (
            f"a near copy of {of}: its logits lie {distance:.2g} from that one's (1 - r), where {usual:.2g} is usual "
            "between these nets, so that sizes would scatter less than over seeds"
        )
        left.left_out.append((left.nets[place].name, told))
    stay = [place for place in range(len(answered)) if place not in copies]
    return References([left.nets[place] for place in stay], left.left_out), [answered[place] for place in stay]
