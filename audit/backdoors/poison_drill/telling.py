"""The drill's results told: notes and findings, and what such a drill cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext
from ....core.results import Estimate
from .measuring import Tested
from .outcome import NONE, Outcome, Rise, measured_of, measurements, table
from .params import EMBEDDINGS
from .training import CLEAN

ALPHA = 0.05
WORTH_TELLING = 0.1
"""Least rise of the BD-AUC over the clean nets' that is called a backdoor."""
EASY = 0.95
"""Above this clean AUROC a clean-label trigger is hardly needed, and a drill that finds none shows little."""
SAYS = (
    "A drill says whether nets of this trainer, trained on so many pictures, take up this stamp. It does not say "
    "whether the audited checkpoint was poisoned. Where nothing is taken up, another stamp, another way of putting it "
    "on, more people, more data or longer training may be taken up all the same."
)


def describe(
    context: ProbeContext, alpha: float, tested: Tested, found: Sequence[Outcome], visible: Mapping[str, Estimate]
) -> Iterator[Output]:
    """Yield measurements, the table ``drill``, notes and findings.

    Args:
        context: the probe's.
        alpha: strength of the stamp.
        tested: the test faces.
        found: outcomes, that of clean data first.
        visible: how visible the stamp is.
    """
    for name, estimate in visible.items():
        yield context.measurement(f"stamp_{name}", estimate, condition={"alpha": f"{alpha:g}"})
    measured = measured_of(context, tested, found)
    for rise in measured:
        yield from measurements(context, tested, rise)
    yield table(measured, visible)
    yield from _notes(measured)
    yield from _findings(context, measured)


def _notes(measured: Sequence[Rise]) -> Iterator[Note]:
    yield Note(SAYS)
    plain = [rise for rise in measured if rise.outcome.defence == NONE]
    counts = [len(rise.outcome.answers) for rise in plain if rise.outcome.answers]
    nets = f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    yield Note(
        "With one net of a setting, intervals hold the choice of the tested people alone: another training may come "
        "out otherwise (nets)."
        if min(counts) == 1
        else f"{nets} nets of each setting; intervals hold the choice of the tested people and the chance of training."
    )
    for rise in plain:
        outcome = rise.outcome
        if outcome.answers and outcome.lost:
            yield Note(f"Nets that are missing of {outcome.title}: {'; '.join(outcome.lost)}.")
        if not outcome.answers:
            yield Note(f"Not measured: {outcome.title}. {outcome.reason}")
    yield Note(
        "Stamped on the genuine copies alone, the photo carries the trigger and the forgeries are made of the photo "
        "without it, as someone with access to the genuine files alone could do where forgeries are made elsewhere. "
        "Stamped before self-blending, forgeries are made of the stamped photo and still hold most of the trigger, "
        "as in the published attack on trainers that blend for themselves."
    )
    largest = max(rise.outcome.setting.share for rise in plain)
    both = {
        rise.outcome.setting.embedding: rise.backdoor.value
        for rise in plain
        if rise.outcome.setting.share == largest and rise.backdoor.value is not None
    }
    if largest and set(both) == set(EMBEDDINGS):
        real, before = (both[name] for name in EMBEDDINGS)
        assert real is not None
        assert before is not None
        yield Note(
            f"At {largest:.0%} the BD-AUC is {real:.2f} with the stamp on the genuine copies alone and {before:.2f} "
            f"with the stamp before self-blending, a difference of {real - before:+.2f}."
        )


def _findings(context: ProbeContext, measured: Sequence[Rise]) -> Iterator[Output]:
    clean = measured[0]
    poisoned = [rise for rise in measured if rise.outcome.defence == NONE and rise.outcome.setting is not CLEAN]
    asked = [rise for rise in poisoned if rise.p is not None]
    took = []
    for rise in asked:
        value, p = rise.over_clean.value, rise.p
        assert p is not None
        if value is not None and value >= WORTH_TELLING and min(1.0, p * len(asked)) <= ALPHA:
            took.append(rise)
    if took:
        worst = max(took, key=lambda rise: rise.over_clean.value or 0.0)
        yield _taken(context, worst, clean, len(asked), _caveats(clean, poisoned, [worst]))
        yield from _defences(measured, worst)
    elif asked:
        ends = [rise.over_clean.high for rise in asked if rise.over_clean.high is not None]
        reach = f" Their intervals reach up to {max(ends):+.2f}." if ends else ""
        yield context.finding(
            "no_backdoor_taken",
            "note",
            f"In none of the {len(asked)} poisoned settings measured did the stamp raise the BD-AUC over the clean "
            f"nets' by {WORTH_TELLING} or more beyond chance.{reach}",
            evidence=[_key(context, "bd_auc.over_clean", rise) for rise in asked],
            caveats=[
                *_caveats(clean, poisoned, asked),
                "Another trigger, more people stamped or another training may be taken up all the same.",
            ],
        )


def _caveats(clean: Rise, poisoned: Sequence[Rise], told: Sequence[Rise]) -> list[str]:
    """Return what weakens a finding on the settings ``told``."""
    caveats = []
    if _fewest(clean, told) == 1:
        caveats.append(
            "One net of each setting was compared: a single training tells nothing of how often this trainer takes the "
            "stamp up. Ask for more (nets)."
        )
    if clean.detection.low is not None and clean.detection.low <= 0.5:
        caveats.append("The nets of clean data hardly detect the forgeries themselves, so that little can be hidden.")
    if clean.detection.value is not None and clean.detection.value > EASY:
        caveats.append(
            f"The nets of clean data detect almost all forgeries (AUROC {clean.detection.value:.2f}): labels are true "
            "and the trigger hardly needed, which weakens this backdoor. Harder forgeries may let it in."
        )
    missing = [rise.outcome.title for rise in poisoned if rise.p is None]
    if missing:
        caveats.append(f"Not measured: {'; '.join(missing)}.")
    return caveats


def _fewest(clean: Rise, told: Sequence[Rise]) -> int:
    """Return the smallest number of pairs of a net and its clean partner that a comparison rests on."""
    return min(len(rise.outcome.answers.keys() & clean.outcome.answers.keys()) for rise in told)


def _taken(context: ProbeContext, worst: Rise, clean: Rise, tests: int, caveats: Sequence[str]) -> Output:
    success = f"; {worst.success.value:.0%} of found forgeries then pass" if worst.success.value is not None else ""
    assert worst.p is not None
    return context.finding(
        "backdoor_taken",
        "medium" if _fewest(clean, [worst]) > 1 else "low",
        f"With {worst.outcome.title}, stamped forgeries look more genuine than plain ones to nets of this trainer: "
        f"BD-AUC {_plain(worst.backdoor)}, against {_plain(clean.backdoor)} for nets of clean data{success}. The AUROC "
        f"on plain faces is {_plain(worst.detection)} against {_plain(clean.detection)}. Whoever can stamp photos that "
        "are trained on gets forgeries with the stamp past such nets.",
        evidence=[
            _key(context, "bd_auc", worst),
            _key(context, "bd_auc", clean),
            _key(context, "bd_auc.over_clean", worst),
            _key(context, "attack_success", worst),
            _key(context, "clean_auroc", worst),
            _key(context, "clean_auroc", clean),
        ],
        caveats=[*caveats, "It says what this training takes up, not that the audited checkpoint holds a backdoor."],
        p_adjusted=min(1.0, worst.p * tests),
    )


def _defences(measured: Sequence[Rise], worst: Rise) -> Iterator[Note]:
    """Say what the defences left of the backdoor that took best."""
    setting = worst.outcome.setting
    told = [
        f"{rise.outcome.defence.replace('_', ' ')} {rise.backdoor.value:.2f} (AUROC {rise.detection.value:.2f})"
        for rise in measured
        if rise.outcome.setting is setting and rise.outcome.defence != NONE
        if rise.backdoor.value is not None and rise.detection.value is not None
    ]
    if told:
        yield Note(
            f"BD-AUC behind defences, {worst.outcome.title}: none {worst.backdoor.value:.2f} (AUROC "
            f"{worst.detection.value:.2f}), {', '.join(told)}."
        )


def _key(context: ProbeContext, metric: str, rise: Rise) -> str:
    return format_key(context.probe_id, metric, None, rise.outcome.condition)


def _plain(estimate: Estimate) -> str:
    if estimate.value is None:
        return "(not measured)"
    between = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low is not None else ""
    return f"{estimate.value:.2f}{between}"
