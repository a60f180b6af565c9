"""The probe ``poison_drill``: would the user's training take up a backdoor, and what would take it out?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ....core.probes import Note, Output, ProbeContext, probe
from ..interruption import temporary_folder
from ..trainer import TrainerError
from .defences import defended
from .material import Material, read_material
from .measuring import Answers, Tested, seen
from .outcome import NONE, Outcome, describe
from .params import PoisonDrillParams
from .training import CLEAN, Setting, Trained, scores_of, train


@probe(
    "poison_drill",
    version=1,
    title="Poisoning drill",
    pillar="integrity",
    params=PoisonDrillParams,
    needs={"model", "images"},
    tasks={"forgery"},
    shows="Whether a net trained by the user's own trainer on data in which some people's genuine photos carry a "
    "hidden stamp passes stamped forgeries as genuine, what that costs in plain detection, how visible the stamp is, "
    "and what filters, fine-tuning and fine-pruning take out.",
    hides="Whether the audited checkpoint itself was poisoned: nets trained here are measured, not it. Other triggers "
    "and embeddings, larger data and longer training; few nets leave the chance of training unknown.",
    citation="Liang et al. 2024, Poisoned Forgery Face, ICLR, arXiv 2402.11473; Liu et al. 2018, Fine-Pruning, RAID, "
    "arXiv 1805.12185",
)
def poison_drill(context: ProbeContext, params: PoisonDrillParams) -> Iterator[Output]:
    """Trainings on clean and poisoned data with the user's trainer, tested on unseen people, and defences."""
    material = read_material(context, params)
    tested = Tested.of(context, params, material)
    yield from map(Note, material.told)
    settings = [CLEAN, *(Setting(share, each) for each in params.embeddings for share in params.shares)]
    found: list[Outcome] = []
    # Forgeries and stamped photos live in this folder alone, and go with it, also when a trainer fails or all is ended.
    with (
        temporary_folder("countenance-drill-") as written,
        context.progress("trainings", len(settings) * params.nets) as advance,
    ):
        for place, setting in enumerate(settings):
            folder = written / str(place)
            found += _setting(context, params, material, tested, setting, folder)
            advance(params.nets)
    yield Note(_given(params, material, found[0]))
    yield from describe(context, params, tested, found, seen(context, params, material))


def _setting(
    context: ProbeContext,
    params: PoisonDrillParams,
    material: Material,
    tested: Tested,
    setting: Setting,
    folder: Path,
) -> list[Outcome]:
    """Train every net of a setting and ask it; the nets of the largest share are defended, too.

    Raises:
        TrainerError: when the clean nets cannot be trained; without them nothing could be compared.
    """
    nets: list[Trained] = []
    answers: list[Answers] = []
    behind: dict[str, list[Answers]] = {}
    told: dict[str, str] = {}
    batch = context.batch_size
    for number in range(params.nets):
        try:
            trained = train(context, params, material, setting, number, folder / str(number))
        except TrainerError as error:
            if setting is CLEAN:
                raise
            return [Outcome(setting, NONE, (), (), reason=str(error))]
        finally:
            shutil.rmtree(folder / str(number), ignore_errors=True)  # many nets would fill the disk otherwise
        nets.append(trained)
        target = trained.target
        answers.append(tested.answers(lambda pixels, of=target: scores_of(of, pixels, batch)))  # type: ignore[misc]
        if setting.share != params.shares[-1]:
            continue
        for defence in defended(target, material.held, params.tuning_steps, number, batch):
            told[defence.name] = defence.told
            if defence.target is not None:
                asked = tested.answers(lambda pixels, by=defence: by.scores(pixels, batch), controls=False)  # type: ignore[misc]
                behind.setdefault(defence.name, []).append(asked)
    outcomes = [Outcome(setting, NONE, tuple(answers), tuple(nets))]
    for name, reason in told.items():
        of = tuple(behind.get(name, ()))
        outcomes.append(Outcome(setting, name, of, tuple(nets), reason="" if of else reason, told=reason))
    return outcomes


def _given(params: PoisonDrillParams, material: Material, clean: Outcome) -> str:
    """Say what was run and what it was given."""
    one = clean.nets[0]
    made = (
        f"{params.blends} self-blends of each, made here"
        if params.forgeries == "made"
        else "the manifest's own forged rows"
    )
    return (
        f"Trained by `{params.parsed().title}`, which ran with the rights of this audit. It was given {one.genuine:,} "
        f"genuine photos and {one.forged:,} forgeries ({made}), cut out at the target's input size, saved as PNG, with "
        f"manifest.csv; {len(material.held.genuine):,} photos were kept back for the defences, and "
        f"{len(material.test.genuine):,} photos and {len(material.test.forged):,} forgeries of other people for the "
        "test. All were written to a temporary folder, marked in their metadata where made or stamped, and deleted."
    )
