"""The trainings of the drill, setting by setting; a net that is lost costs itself alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ....core.probes import ProbeContext
from ..trainer import TrainerError
from .defences import defended
from .material import Material
from .measuring import Answers, Tested
from .outcome import NONE, Outcome
from .params import PoisonDrillParams
from .training import DivergedError, Setting, Trained, scores_of, train


@dataclass(frozen=True, eq=False)
class Drill:
    """What every training of the drill shares.

    Attributes:
        context: the probe's.
        params: as the plan says.
        material: pictures of all parts.
        tested: the test faces.
        settings: clean data first, then what is poisoned, by share.
    """

    context: ProbeContext
    params: PoisonDrillParams
    material: Material
    tested: Tested
    settings: tuple[Setting, ...]

    def answers(self, trained: Trained) -> Answers:
        """Ask a net about all test faces."""
        batch = self.context.batch_size
        return self.tested.answers(lambda pixels: scores_of(trained.target, pixels, batch))


@dataclass(eq=False)
class _Gathered:
    """The nets of a setting by number, what they answered, and those that were lost."""

    nets: dict[int, Trained] = field(default_factory=dict)
    answers: dict[int, Answers] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def run_setting(drill: Drill, setting: Setting, clean: Outcome | None, folder: Path) -> list[Outcome]:
    """Train every net of a setting and ask it; the nets of the largest share are defended, too.

    A net with NaN outputs, or one that is no other than an earlier one, is lost. A trainer that fails is not run again
    for this setting: it would fail again, and a training may take hours.

    Args:
        drill: what all settings share.
        setting: what is trained on.
        clean: the outcome of clean data; ``None`` when that is what is run.
        folder: to work in.

    Raises:
        TrainerError: when no net of clean data comes out; without them nothing could be compared.
    """
    gathered = _Gathered()
    behind: dict[str, dict[int, Answers]] = {}
    told: dict[str, str] = {}
    gone: dict[str, list[str]] = {}
    count = drill.params.nets
    for number in range(count):
        name = f"net {number + 1}"
        try:
            trained = train(drill.context, drill.params, drill.material, setting, number, folder / str(number))
            answers = drill.answers(trained)
            alike = _alike(trained, answers, gathered, clean)
            if alike:
                gathered.lost.append(f"{name} {alike}")
                continue
            gathered.nets[number], gathered.answers[number] = trained, answers
        except DivergedError as error:
            gathered.lost.append(f"{name}: {error}")
            continue
        except TrainerError as error:
            if clean is None and not gathered.nets:
                raise
            untried = f"; {count - number - 1} more were not tried" if number + 1 < count else ""
            gathered.lost.append(f"{name}: {error}{untried}")
            break
        finally:
            shutil.rmtree(folder / str(number), ignore_errors=True)  # many nets would fill the disk otherwise
        if setting.share == drill.settings[-1].share:
            _defend(drill, number, trained, behind, told, gone)
    if not gathered.nets and clean is None:
        raise TrainerError(f"no net of clean data can be compared with: {'; '.join(gathered.lost)}")
    lost = tuple(gathered.lost)
    reason = "" if gathered.nets else "; ".join(lost)
    outcomes = [Outcome(setting, NONE, gathered.answers, gathered.nets, lost=lost, reason=reason)]
    for name, text in told.items():
        of, missing = behind.get(name, {}), "; ".join(gone.get(name, ()))
        both = "; ".join(part for part in (text, missing) if part)
        outcomes.append(Outcome(setting, name, of, gathered.nets, reason="" if of else missing, told=both))
    return outcomes


def _defend(
    drill: Drill,
    number: int,
    trained: Trained,
    behind: dict[str, dict[int, Answers]],
    told: dict[str, str],
    gone: dict[str, list[str]],
) -> None:
    """Ask a net again behind every defence, and note those that cannot be had or after which it gives NaN."""
    batch = drill.context.batch_size
    for defence in defended(trained.target, drill.material.held, drill.params.tuning_steps, number, batch):
        told.setdefault(defence.name, "")
        if defence.target is None:
            reasons = gone.setdefault(defence.name, [])
            reasons += [] if defence.told in reasons else [defence.told]
            continue
        try:
            asked = drill.tested.answers(lambda pixels, by=defence: by.scores(pixels, batch), controls=False)  # type: ignore[misc]
        except DivergedError as error:
            gone.setdefault(defence.name, []).append(f"net {number + 1}: {error}")
            continue
        told[defence.name] = defence.told
        behind.setdefault(defence.name, {})[number] = asked


def _alike(trained: Trained, answers: Answers, gathered: _Gathered, clean: Outcome | None) -> str:
    """Say of a net that came out whether it is one that was there before, so that nothing can be read from it."""
    for other, earlier in gathered.nets.items():
        if _same(trained, answers, earlier, gathered.answers[other]):
            return f"is the same as net {other + 1}: the trainer does not use the seed that it is given"
    if clean is None:
        return ""
    for other, earlier in clean.nets.items():
        if _same(trained, answers, earlier, clean.answers[other]):
            return (
                f"is the same as net {other + 1} of clean data: the trainer does not train on the pictures that it is "
                "given, or the stamp did not reach it"
            )
    return ""


def _same(one: Trained, here: Answers, other: Trained, there: Answers) -> bool:
    """Tell whether two nets are one file, or give every test face the same score to the last digit."""
    if one.target.sha256 and one.target.sha256 == other.target.sha256:
        return True
    return all(np.array_equal(getattr(here, kind), getattr(there, kind)) for kind in ("genuine", "forged", "stamped"))
