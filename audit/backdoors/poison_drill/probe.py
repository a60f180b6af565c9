"""The probe ``poison_drill``: would the user's training take up a backdoor, and what would take it out?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....core.interruption import temporary_folder
from ....core.probes import Note, Output, ProbeContext, probe
from .material import Material, read_material
from .measuring import Tested, seen
from .outcome import NONE, Outcome
from .params import PoisonDrillParams
from .running import Drill, run_setting
from .telling import describe
from .training import CLEAN, Setting, stamped_people


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
    settings, doubled = _settings(params, len(np.unique(material.train.genuine.people)))
    drill = Drill(context, params, material, tested, settings)
    found: list[Outcome] = []
    # Forgeries and stamped photos live in this folder alone, and go with it, also when a trainer fails or all is ended.
    with (
        temporary_folder("countenance-drill-") as written,
        context.progress("trainings", len(settings) * params.nets) as advance,
    ):
        for place, setting in enumerate(settings):
            found += run_setting(drill, setting, found[0] if found else None, written / str(place))
            advance(params.nets)
    yield Note(_given(params, material, found[0]))
    yield from describe(context, params.alpha, tested, [*found, *doubled], seen(context, params, material))


def _settings(params: PoisonDrillParams, people: int) -> tuple[tuple[Setting, ...], list[Outcome]]:
    """Return what is trained on, clean data first, and what is not: shares that stamp no more people than another."""
    by_count: dict[int, float] = {}
    settings, doubled = [CLEAN], []
    for embedding in params.embeddings:
        by_count.clear()
        for share in params.shares:
            setting, count = Setting(share, embedding), stamped_people(share, people)
            if count in by_count:
                reason = f"{share:g} of {people} people are {count}, as with {by_count[count]:g}: not trained again"
                doubled.append(Outcome(setting, NONE, {}, {}, reason=reason))
                continue
            by_count[count] = share
            settings.append(setting)
    return tuple(settings), doubled


def _given(params: PoisonDrillParams, material: Material, clean: Outcome) -> str:
    """Say what was run and what it was given."""
    one = next(iter(clean.nets.values()))
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
