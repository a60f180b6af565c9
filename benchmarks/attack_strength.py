"""How many faces stand under our attacks and under those of foolbox and ART, for the same threat.

    python -m benchmarks attack_strength
    python -m benchmarks.attack_strength --faces 204 --steps 20 --nets london flawed twin plain resistant

The same faces (those answered right), norm, eps, steps and one start each; each library's steps are those it was made
for (PGD: 2.5 eps / steps). Nets: face_expression on London faces (needs ../shared), the two demonstration nets on drawn
faces, and a small net trained to resist beside its plain twin. APGD-T and FAB-T try each other class in turn and take
that many times as long; foolbox's minimum-norm attacks count as successful within eps, and FMN has five times as many
steps. A face stands under all attacks of a side when none of them flips it.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import foolbox
import numpy as np
import torch
from art.attacks.evasion import AutoProjectedGradientDescent, ProjectedGradientDescentPyTorch
from torch import Tensor, nn

from countenance.audit.robustness.attacks import APGD, FAB, PGD, Attack, Norm
from countenance.core.plan import InputSpec
from countenance.core.target import Target
from countenance.synth.dataset import draw_crops
from countenance.synth.demo import shipped
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.nets import load_net
from countenance.synth.resistant_nets import SIZE, Effort, held_out, pixels_of, train_nets

from .adversarial import SHARED, art_model, art_norm, foolbox_model, london, make_target

NETS = ("london", "flawed", "twin", "plain", "resistant")
EPS: dict[str, tuple[tuple[Norm, str], ...]] = {
    "london": (("linf", "1/510"), ("l2", "0.15")),
    "flawed": (("linf", "1/255"), ("l2", "0.4")),
    "twin": (("linf", "1/255"), ("l2", "0.4")),
    "plain": (("linf", "1/510"), ("l2", "0.1")),
    "resistant": (("linf", "8/255"), ("l2", "1")),
}
FACES, STEPS, BATCH = 42, 20, 14
Contender = Callable[[], Tensor]
THEIRS = ("foolbox", "ART")


@dataclass(frozen=True)
class Case:
    """A net and faces that it answers right."""

    target: Target
    pixels: Tensor
    labels: Tensor


def case(name: str, faces: int) -> Case | None:
    """Return a net with at most so many faces; ``None`` where the London faces are not here."""
    if name == "london":
        if not (SHARED / "models").is_dir():
            return None
        target, pixels = london(204)
        lines = (SHARED / "data" / "london" / "manifest.csv").read_text().splitlines()[1:]
        labels = torch.tensor([target.classes.index(line.split(",")[1]) for line in lines])
        chosen = torch.linspace(0, len(labels) - 1, min(faces, len(labels))).long()
        return _right(target, pixels[chosen], labels[chosen])
    people = -(-faces // len(EXPRESSIONS))
    if name in ("flawed", "twin"):
        crops = draw_crops(people, len(EXPRESSIONS), 77_000, 96)
        net: nn.Module = load_net(shipped(f"{name}.safetensors"))
    else:
        crops = held_out(0, Effort(held_out=people))
        net = train_nets(0, only=name)[name]
    given = InputSpec(size=96 if name in ("flawed", "twin") else SIZE, mean=[0.5], std=[0.25])
    target = make_target(net, list(EXPRESSIONS), given)
    return _right(target, pixels_of(crops), torch.from_numpy(crops.labels))


def _right(target: Target, pixels: Tensor, labels: Tensor) -> Case:
    target.net.requires_grad_(False)
    with torch.no_grad():
        answers = torch.cat([target.scores(part).argmax(1) for part in torch.split(pixels, BATCH)])
    return Case(target, pixels[answers == labels], labels[answers == labels])


def contenders(case: Case, norm: Norm, eps: float, steps: int) -> dict[str, Contender]:
    """Return all attacks by name; each call returns which faces stand."""
    parts = list(torch.split(torch.arange(len(case.labels)), BATCH))
    for_foolbox, for_art = foolbox_model(case.target), art_model(case.target, case.pixels)

    def ours(attack: Attack) -> Contender:
        def run() -> Tensor:
            found = (
                attack(case.target.scores, case.pixels[part], case.labels[part], part.numpy(), eps) for part in parts
            )
            return torch.cat([~each.flipped for each in found])

        return run

    def with_foolbox(attack: foolbox.Attack) -> Contender:
        def run() -> Tensor:
            torch.manual_seed(0)  # it starts from torch's own generator
            found = (attack(for_foolbox, case.pixels[part], case.labels[part], epsilons=eps)[2] for part in parts)
            return torch.cat([~each for each in found])

        return run

    def with_art(attack: ProjectedGradientDescentPyTorch | AutoProjectedGradientDescent) -> Contender:
        def run() -> Tensor:
            np.random.seed(0)  # it starts from NumPy's global generator
            standing = []
            for part in parts:
                found = attack.generate(case.pixels[part].numpy(), case.labels[part].numpy())
                standing.append(torch.from_numpy(for_art.predict(found).argmax(1)) == case.labels[part])
            return torch.cat(standing)

        return run

    def art_apgd(loss: str) -> Contender:
        return with_art(
            AutoProjectedGradientDescent(for_art, eps_step=2 * eps, nb_random_init=1, loss_type=loss, **common)
        )

    common = {"norm": art_norm(norm), "eps": eps, "max_iter": steps, "batch_size": BATCH, "verbose": False}
    art_pgd = ProjectedGradientDescentPyTorch(for_art, eps_step=2.5 * eps / steps, num_random_init=1, **common)
    theirs = foolbox.attacks
    linf = norm == "linf"
    pgd = (theirs.LinfPGD if linf else theirs.L2PGD)(steps=steps, rel_stepsize=2.5 / steps)
    return {
        "PGD": ours(PGD(norm, steps=steps)),
        "PGD, foolbox": with_foolbox(pgd),
        "PGD, ART": with_art(art_pgd),
        "APGD-CE": ours(APGD("ce", norm, steps=steps)),
        "APGD-CE, ART": art_apgd("cross_entropy"),
        "APGD-DLR": ours(APGD("dlr", norm, steps=steps)),
        "APGD-DLR, ART": art_apgd("difference_logits_ratio"),
        "APGD-T": ours(APGD("targeted_dlr", norm, steps=steps)),
        "FAB-T": ours(FAB(norm, steps=steps)),
        "FMN, foolbox": with_foolbox((theirs.LInfFMNAttack if linf else theirs.L2FMNAttack)(steps=5 * steps)),
        "DeepFool, foolbox": with_foolbox((theirs.LinfDeepFoolAttack if linf else theirs.L2DeepFoolAttack)()),
    }


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=FACES, help=f"faces of each net (default {FACES})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"gradient steps (default {STEPS})")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning, module="art")
    began = False
    for name in asked.nets:
        found = case(name, asked.faces)
        if found is None:
            print(f"{name} needs the London faces in ../shared, which are not here", file=sys.stderr)
            continue
        for norm, written in EPS[name]:
            entrants = contenders(found, norm, float(Fraction(written)), asked.steps)
            if not began:
                print("| net | norm, eps | faces | " + " | ".join(entrants) + " | all of ours | all of theirs |")
                print("|---" * (5 + len(entrants)) + "|", flush=True)
                began = True
            standing = {entrant: run() for entrant, run in entrants.items()}
            by_theirs = {entrant: entrant.endswith(THEIRS) for entrant in entrants}
            both = [
                torch.stack([standing[each] for each in entrants if by_theirs[each] is who]) for who in (False, True)
            ]
            counts = [int(each.sum()) for each in (*standing.values(), *(stack.all(0) for stack in both))]
            cells = [name, f"{norm} {written}", str(len(found.labels)), *map(str, counts)]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
