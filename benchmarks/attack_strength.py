"""How many faces stand under PGD here and in foolbox, at equal steps, step size and eps, on the same faces.

    python -m benchmarks attack_strength

All London faces that face_expression answers right (needs ../shared), one random start each.
"""

from __future__ import annotations

import foolbox
import torch

from countenance.audit.robustness.attacks import PGD

from .adversarial import SHARED, Scores, london

STEPS = 20
STEP = 1 / 8  # of eps
SIZES = {"1/510": 1 / 510, "1/255": 1 / 255}
BATCH = 17
FACES = 204


def main() -> None:
    """Print the table."""
    if not (SHARED / "models").is_dir():
        print("attack_strength needs the London faces in ../shared, which are not here")
        return
    torch.set_num_threads(1)
    target, pixels = london(FACES)
    names = [line.split(",")[1] for line in (SHARED / "data" / "london" / "manifest.csv").read_text().splitlines()[1:]]
    labels = torch.tensor([target.classes.index(name) for name in names])
    with torch.no_grad():
        answers = torch.cat([target.scores(part).argmax(1) for part in torch.split(pixels, BATCH)])
    right = torch.nonzero(answers == labels)[:, 0]
    model = foolbox.PyTorchModel(Scores(target).eval(), bounds=(0, 1))
    print(f"{len(right)} faces answered right; PGD with {STEPS} steps of eps / 8; faces that stand")
    print(f"{'eps':<8}{'countenance':>14}{'foolbox ' + foolbox.__version__:>16}")
    for written, eps in SIZES.items():
        torch.manual_seed(0)  # foolbox starts from torch's own generator
        ours, theirs = PGD(steps=STEPS, step_size=eps * STEP), foolbox.attacks.LinfPGD(steps=STEPS, rel_stepsize=STEP)
        standing = [0, 0]
        for rows in torch.split(right, BATCH):
            found = ours(target.scores, pixels[rows], labels[rows], rows.numpy(), eps)
            standing[0] += int((~found.flipped).sum())
            standing[1] += int((~theirs(model, pixels[rows], labels[rows], epsilons=eps)[2]).sum())
        print(f"{written:<8}{standing[0]:>14}{standing[1]:>16}")


if __name__ == "__main__":
    main()
