"""One pass over the faces: every eps, the noise of the same size, and the checks of the attack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.probes import ProbeContext
from .attacks import Attack, answers_right, ball
from .attacks.objective import has_answer
from .black_box import BlackBox
from .ledger import Ledger, answers_differently, verify
from .stopping import Floors
from .tiers import Ensemble, Staged
from .unlimited import Unlimited


@dataclass(frozen=True)
class Search:
    """What to do to the faces.

    Attributes:
        attack: which attack, or tier of attacks.
        eps: sizes of the change, ascending.
        carry: a face that a smaller eps has flipped counts as flipped by the larger ones, and is not attacked again.
        noise_seed: decides the noise of the same size.
    """

    attack: Attack
    eps: tuple[float, ...]
    carry: bool
    noise_seed: int


@dataclass(frozen=True)
class Checks:
    """Further searches that show whether the attack did its work.

    Attributes:
        unlimited: may set any pixel values; ``None`` where there are no gradients to follow.
        black_box: asks for answers only; ``None`` where the attack itself does no more.
    """

    unlimited: Unlimited | None
    black_box: BlackBox | None


def search(context: ProbeContext, found: Search, rows: NDArray[np.int64], checks: Checks, floors: Floors) -> Ledger:
    """Go through the faces once, batch by batch, and try every eps on those answered right.

    Args:
        context: of the probe.
        found: what to do.
        rows: positions of the faces, shape (n,), ascending.
        checks: are tried on faces that stood.
        floors: say when the search at an eps may stop.
    """
    target, scores = context.model, context.model.scores
    ledger = Ledger(rows, len(found.eps))
    seen = np.zeros(len(rows), dtype=np.bool_)
    with context.progress("faces", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows):
            pixels = batch.pixels.to(target.device)
            labels = torch.from_numpy(context.predictions.labels[batch.rows]).to(target.device)
            places = np.searchsorted(rows, batch.rows)
            with torch.no_grad():
                logits = scores(pixels)
            right = answers_right(logits, labels)
            ledger.answers[places] = torch.where(has_answer(logits), logits.argmax(1), -1).cpu().numpy()
            kept = right.cpu().numpy()
            ledger.clean[places] = kept
            ledger.unstable[places] = answers_differently(scores, pixels, logits)
            seen[places] = True
            advance(len(batch.rows))
            if not kept.any():
                continue
            pixels, labels, attacked, places = pixels[right], labels[right], batch.rows[kept], places[kept]
            standing = np.ones(len(places), dtype=np.bool_)
            for level, eps in enumerate(found.eps):
                around = ball(found.attack.norm, pixels, eps)
                with torch.no_grad():
                    logits = scores(around.control(found.noise_seed, attacked))
                ledger.under_noise[level, places] = answers_right(logits, labels).cpu().numpy()
                if ledger.stopped[level]:
                    ledger.right[level, places] = standing
                    continue
                tried = torch.from_numpy(np.flatnonzero(standing)).to(pixels.device)
                if len(tried):
                    outcome = found.attack(scores, pixels[tried], labels[tried], attacked[standing], eps)
                    verified = verify(scores, pixels[tried], labels[tried], outcome, eps, found.attack.norm)
                    ledger.note(level, places[standing], verified)
                    if isinstance(outcome, Staged):
                        ledger.stage[level, places[standing]] = outcome.stage.cpu().numpy()
                if found.carry:
                    standing = ledger.right[level, places]
                ledger.stopped[level] = floors.decided(level, ledger.right[level] | ~seen)
            last = ledger.right[-1, places] & ledger.tried[-1, places]
            if checks.unlimited is not None:
                checks.unlimited.try_on(scores, pixels, labels, attacked, last)
            if checks.black_box is not None:
                if isinstance(found.attack, Ensemble) and not found.attack.stages[-1].white_box:
                    stage = ledger.stage[-1, places]
                    reached = ledger.tried[-1, places] & ((stage < 0) | (stage == len(found.attack.stages) - 1))
                    checks.black_box.note(attacked[reached], stage[reached] >= 0)
                else:
                    checks.black_box.try_on(scores, pixels, labels, attacked, last, found.eps[-1])
    return ledger
