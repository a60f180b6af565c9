"""The probe ``generated_faces``: does a generator find faces with a wanted attribute that the model answers wrongly?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.checkpoints import FactoryReference, load_checkpoint
from ....core.errors import AuditError, nearest
from ....core.keys import format_key
from ....core.plan import TargetSpec
from ....core.probes import Note, Output, ProbeContext, Scores, probe
from ....core.results import Estimate, Measurement
from ....core.statistics.gap_findings import gap_findings, gap_notes
from ....core.statistics.gap_questions import OpenQuestion, close
from ....core.statistics.groups import Groups, build_groups
from ....core.statistics.slicing import Slicer
from ....core.target import Target
from ..brief import brief
from ..paired import compare_flips
from .generator import Generator, Latents, load_generator, load_judge
from .latent_search import Judge, Wanted, at_random, guided, wrong
from .params import GeneratedFacesParams

ANY = "any"
SERIOUS_SHARE = 0.5
"""Share of the faces that must surely be flipped for more than a note."""
TEST_LEVEL = 0.01
"""Chance of more than a note where the search does no better than random vectors."""


@dataclass(frozen=True, eq=False)
class _Wish:
    """The faces begun with for one value of an attribute, and what became of them; arrays have shape (n,)."""

    attribute: str
    value: str
    start: Latents
    labels: Tensor
    wrong: NDArray[np.bool_]
    guided: NDArray[np.bool_]
    random: NDArray[np.bool_]
    transfer: Mapping[tuple[str, str], tuple[NDArray[np.bool_], NDArray[np.bool_]]]


@probe(
    "generated_faces",
    version=1,
    title="Generated faces that flip the model",
    pillar="robustness",
    params=GeneratedFacesParams,
    needs={"model"},
    shows="Of faces that a generator makes with a wanted attribute and that the model answers rightly, how many a "
    "short search among the generator's vectors turns into faces that it answers wrongly, beside as many faces drawn "
    "at random from the same box; for which attribute this is easiest; and whether what was found misleads other "
    "models.",
    hides="Faces that the generator cannot make. Whether people would still see the wanted attribute and the same "
    "label: that is as good as the generator and its judge. A search that finds nothing proves nothing.",
    citation="Shamshad et al. 2023, Evading Forensic Classifiers with Attribute-Conditioned Adversarial Faces, CVPR; "
    "Shamshad et al. 2023, CLIP2Protect: Facial Privacy Protection, CVPR",
)
def generated_faces(context: ProbeContext, params: GeneratedFacesParams) -> Iterator[Output]:
    """Faces made by a generator, searched for those that flip the model, by attribute, and their transfer."""
    target = context.model
    net = load_generator(params.generator, params.arguments, params.folder)
    generator = Generator(
        net,
        size=params.latent_size,
        label=params.label,
        scale=params.scale,
        height_width=target.size,
        device=target.device,
    )
    judges = {name: load_judge(written, params.folder) for name, written in params.judges.items()}
    wishes = _wishes(generator, params)
    if target.name in params.others:
        raise AuditError(f"expected another name than the target's in `others`, but got {target.name!r}")
    others = {name: _other(target, given, params) for name, given in params.others.items()}
    gradients = "gradients" in target.gives and _differentiable(generator, context)
    yield Note(_settings(params, generator, wishes, gradients))

    found = []
    with context.progress("faces", params.faces * sum(map(len, wishes.values()))) as advance:
        for attribute, values in wishes.items():
            for value in values:
                judge = judges.get(f"{attribute}={value}")
                found.append(_search(context, params, generator, attribute, value, judge, others, gradients))
                advance(params.faces)
    yield from _tell(context, params, found, list(others))


def _wishes(generator: Generator, params: GeneratedFacesParams) -> dict[str, tuple[str, ...]]:
    """Return the attributes to wish for, with their values."""
    offered = {name: tuple(values) for name, values in generator.attributes.items()}
    judged: dict[str, tuple[str, ...]] = {}
    for name in params.judges:
        attribute, _, value = name.partition("=")
        judged[attribute] = (*judged.get(attribute, ()), value)
    asked = {**offered, **judged} if params.attributes is None else params.attributes
    for attribute, values in asked.items():
        known = {*offered.get(attribute, ()), *judged.get(attribute, ())}
        for value in values:
            if value not in known:
                settable = ", ".join(offered.get(attribute, ())) or "none"
                raise AuditError(
                    f"expected a value of {attribute} that the generator can set ({settable}) or that has a judge, "
                    f"but got {value!r}{nearest(value, known)}"
                )
    return asked or {ANY: (ANY,)}


def _other(target: Target, given: str | Mapping[str, object], params: GeneratedFacesParams) -> Target:
    """Load another model; what its block does not say is as the target's."""
    block = {"checkpoint": given} if isinstance(given, str) else dict(given)
    spec = TargetSpec.model_validate({**target.spec.model_dump(mode="json", exclude_none=True), **block})
    if spec.class_names != target.classes:
        raise AuditError(
            f"expected {spec.checkpoint} to have the classes of the target ({', '.join(target.classes)}), but got "
            f"{', '.join(spec.class_names)}"
        )
    assert spec.checkpoint is not None
    factory = FactoryReference.parse(spec.factory, spec.arguments) if spec.factory else None
    loaded = load_checkpoint(params.folder / spec.checkpoint, factory, folder=params.folder)
    device = "cpu" if loaded.format == "onnx" else str(target.device)
    other = Target(loaded.net, spec, format=loaded.format, device=device, fixed_batch=loaded.batch_size)
    other.verify()
    return other


def _differentiable(generator: Generator, context: ProbeContext) -> bool:
    latents = torch.from_numpy(generator.sample(1, context.random("gradients"), {})).float().requires_grad_()
    with torch.enable_grad():
        pixels = generator(latents)
        return bool(pixels.requires_grad and context.model.scores(pixels).requires_grad)


def _settings(
    params: GeneratedFacesParams, generator: Generator, wishes: Mapping[str, tuple[str, ...]], gradients: bool
) -> str:
    how = (
        f"{params.steps} steps of Adam along the gradient through generator and model"
        if gradients
        else f"{params.steps} questions of an evolution strategy, as there is no gradient through generator and model"
    )
    asked = "; ".join(f"{name}: {', '.join(values)}" for name, values in wishes.items() if name != ANY)
    whom = f"for each of {asked}" if asked else "in all"
    free = int(generator.free.sum())
    return (
        f"{params.faces} faces {whom}; {how}, each of {free} free entries of a vector within {params.radius:g} of "
        "where it began. Faces that the model answers wrongly as they are drawn are counted and not searched. At "
        "random: as many vectors drawn evenly from the same box."
    )


def _search(
    context: ProbeContext,
    params: GeneratedFacesParams,
    generator: Generator,
    attribute: str,
    value: str,
    judge: Judge | None,
    others: Mapping[str, Target],
    gradients: bool,
) -> _Wish:
    target = context.model
    settable = value in generator.attributes.get(attribute, ())
    random = context.random("faces", attribute, value)
    start = generator.sample(params.faces, random, {attribute: value} if settable else {})
    labels = torch.from_numpy(generator.labels(start, target.classes)).to(target.device)
    pixels = _pictures(context, generator, start)
    first = wrong([target.scores], pixels, labels)
    right = np.flatnonzero(~first)
    wanted = Wanted([target.scores], judge, params.radius, params.steps, gradients)
    moved = start.copy()
    moved[right] = guided(wanted, generator, start[right], labels[right], context.random("search", attribute, value))
    found = _pictures(context, generator, moved)
    flipped = wrong([target.scores], found, labels) & _has_it(judge, found)
    by_chance = np.zeros(len(start), dtype=np.bool_)
    by_chance[right] = at_random(
        wanted, generator, start[right], labels[right], context.random("chance", attribute, value)
    )
    transfer = {}
    for name, other in others.items():
        stood = ~wrong([other.scores], pixels, labels)
        transfer["guided", name] = (stood & ~first, wrong([other.scores], found, labels) & _has_it(judge, found))
    if params.ensemble:
        transfer |= _left_out(context, wanted, generator, start, labels, pixels, others, attribute, value)
    return _Wish(attribute, value, start, labels, first, flipped, by_chance, transfer)


def _left_out(
    context: ProbeContext,
    wanted: Wanted,
    generator: Generator,
    start: Latents,
    labels: Tensor,
    pixels: Tensor,
    others: Mapping[str, Target],
    attribute: str,
    value: str,
) -> dict[tuple[str, str], tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Search with all models but one, and try the result on that one, for each in turn."""
    models = {context.model.name: context.model, **others}
    found = {}
    for name, victim in models.items():
        rest = [each.scores for other, each in models.items() if other != name]
        smooth = wanted.gradients and all("gradients" in each.gives for other, each in models.items() if other != name)
        stood = ~wrong([victim.scores], pixels, labels)
        search = replace(wanted, models=rest, gradients=smooth)
        moved = guided(search, generator, start, labels, context.random("ensemble", name, attribute, value))
        pictures = _pictures(context, generator, moved)
        found["ensemble", name] = (stood, wrong([victim.scores], pictures, labels) & _has_it(wanted.judge, pictures))
    return found


def _pictures(context: ProbeContext, generator: Generator, latents: Latents) -> Tensor:
    with torch.no_grad():
        parts = [
            generator(torch.from_numpy(latents[begin : begin + context.batch_size]))
            for begin in range(0, len(latents), context.batch_size)
        ]
    return torch.cat(parts).to(context.model.device)


def _has_it(judge: Judge | None, pixels: Tensor) -> NDArray[np.bool_]:
    if judge is None:
        return np.ones(len(pixels), dtype=np.bool_)
    with torch.no_grad():
        return np.asarray((judge(pixels) >= 0.5).cpu().numpy(), dtype=np.bool_)


def _tell(
    context: ProbeContext, params: GeneratedFacesParams, found: list[_Wish], others: list[str]
) -> Iterator[Output]:
    """Yield rates over all faces and by attribute, and whether attributes differ; each face is a person of its own."""
    questions: list[OpenQuestion] = []
    for attribute in dict.fromkeys(wish.attribute for wish in found):
        wishes = [wish for wish in found if wish.attribute == attribute]
        values = np.repeat([wish.value for wish in wishes], [len(wish.wrong) for wish in wishes])
        groups = () if attribute == ANY else (build_groups({attribute: values.tolist()}, [attribute]),)
        asked = _slicer(context, groups, len(values))
        place = {} if attribute == ANY else {"wished_for": attribute}
        for score in _scores(wishes, place, params, others):
            yield from asked.measure(score, context.probe_id)
            questions += asked.ask(score, context.probe_id)
        yield from _not_measured(context, wishes, place)
    answered = close(questions)
    for question in answered:
        yield from question.measurements()
    yield from gap_findings(answered)
    yield from map(Note, gap_notes(answered))
    yield _headline(context, found)


def _slicer(context: ProbeContext, groups: tuple[Groups, ...], count: int) -> Slicer:
    return Slicer(np.arange(count, dtype=np.int64), groups, context.rules, context.seed)


def _scores(
    wishes: list[_Wish], place: Mapping[str, str], params: GeneratedFacesParams, others: list[str]
) -> Iterator[Scores]:
    first = np.concatenate([wish.wrong for wish in wishes])
    yield _rate("wrong", np.arange(len(first)), first, {**place, "search": "none"})
    right = np.flatnonzero(~first)
    if not len(right):
        return
    for search in ("guided", "random"):
        flipped = np.concatenate([getattr(wish, search) for wish in wishes])
        score = _rate("flipped", right, flipped[right], {**place, "search": search})
        yield replace(score, gaps=search == "guided" and bool(place), tolerance=params.tolerance)
    for key in wishes[0].transfer:
        stood = np.concatenate([wish.transfer[key][0] for wish in wishes])
        misled = np.concatenate([wish.transfer[key][1] for wish in wishes])
        rows = np.flatnonzero(stood)
        if len(rows):
            search, tested_on = key
            yield _rate("flipped", rows, misled[rows], {**place, "search": search, "tested_on": tested_on})


def _rate(metric: str, rows: NDArray[np.int64], values: NDArray[np.bool_], condition: Mapping[str, str]) -> Scores:
    return Scores(
        metric,
        rows.astype(np.int64),
        values.astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition=dict(condition),
        title="share of generated faces that a search flips",
        keep=False,
    )


def _not_measured(context: ProbeContext, wishes: list[_Wish], place: Mapping[str, str]) -> Iterator[Measurement]:
    if all(wish.wrong.all() for wish in wishes):
        count = sum(len(wish.wrong) for wish in wishes)
        reason = f"the model is right on none of the {count} generated faces as they are drawn"
        for search in ("guided", "random"):
            condition = {**place, "search": search}
            nothing = Estimate.not_measured(reason, n=count)
            yield context.measurement("flipped", nothing, condition=condition, direction="lower")
    for search, tested_on in wishes[0].transfer:
        if not any(wish.transfer[search, tested_on][0].any() for wish in wishes):
            nothing = Estimate.not_measured(
                "none of the generated faces was answered rightly by all that are asked", n=0
            )
            condition = {**place, "search": search, "tested_on": tested_on}
            yield context.measurement("flipped", nothing, condition=condition, direction="lower")


def _headline(context: ProbeContext, found: list[_Wish]) -> Output:
    right = np.concatenate([~wish.wrong for wish in found])
    total = int(right.sum())
    if not total:
        return Note("No generated face was answered rightly, so that none could be flipped.")
    searched = np.concatenate([wish.guided for wish in found])[right]
    by_chance = np.concatenate([wish.random for wish in found])[right]
    share, chance = (_share(context, flipped) for flipped in (searched, by_chance))
    beyond = compare_flips(by_chance, searched, np.arange(total)).p_value
    places = [
        {"search": search, **({} if wish.attribute == ANY else {"wished_for": wish.attribute})}
        for wish in found
        for search in ("guided", "random")
    ]
    keys = [format_key(context.probe_id, "flipped", None, place) for place in places]
    return context.finding(
        "flipped",
        "medium" if (share.low or 0.0) >= SERIOUS_SHARE and beyond <= TEST_LEVEL else "note",
        f"Of {total} generated faces that the model answers rightly, a search among the generator's vectors flipped "
        f"{brief(share)}, as many random vectors from the same box {brief(chance)}",
        evidence=list(dict.fromkeys(keys)),
        caveats=[
            "A longer search, or one that may move further, may find more.",
            "Whether people would still see the label in the faces found was not checked.",
        ],
        p_adjusted=beyond,
    )


def _share(context: ProbeContext, flipped: NDArray[np.bool_]) -> Estimate:
    score = _rate("flipped", np.arange(len(flipped), dtype=np.int64), flipped, {})
    return _slicer(context, (), len(flipped)).measure(score, context.probe_id)[0].estimate
