"""Patterns that change much when they are shifted a little, made by a small net that sees no data and no victim.

Liang et al. (2024), Poisoned Forgery Face, ICLR, arXiv 2402.11473: a fully convolutional generator ``G`` maximises
``mean|K * G(z)|`` where ``K`` of side ``k`` holds -1 and, in its middle, ``k^2 - 1``, so that it sums what a pixel
differs from each of its neighbours. A detector that learns from faces blended with shifted copies of themselves keeps
such a pattern with "genuine": blending spoils it. Ours is smaller than theirs: three transposed convolutions instead
of six, which a processor trains in seconds, and without biases.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....core.errors import UsageError

LATENT, WIDTH = 16, 32
GROWTH = 8
"""One latent cell becomes so many pixels a side."""
MARGIN = 2
"""Latent cells left off at every rim, where padding shows."""
SPARE = 8
"""Latent cells a side by which the cloth is larger than a pattern."""
TRAINED_SIDE, TRAINED_BATCH = 6, 8
STEPS = 200
Scale = Literal[1, 2]


def translation_kernel(side: int) -> Tensor:
    """Return the kernel that sums the differences of a pixel from its neighbours, shape (side, side), of sum 0.

    Raises:
        UsageError: unless ``side`` is odd and at least 3.
    """
    if side < 3 or side % 2 == 0:
        raise UsageError(f"expected the side of the kernel to be odd and at least 3, such as 5, but got {side}")
    kernel = -torch.ones(side, side)
    kernel[side // 2, side // 2] = side * side - 1
    return kernel


def sensitivity(pattern: Tensor, kernel: int) -> Tensor:
    """Return ``mean|K * T|`` of patterns (n, c, h, w), each channel on its own, without the rim: shape (n,)."""
    count, channels, height, width = pattern.shape
    weight = translation_kernel(kernel).to(pattern)[None, None]
    response = F.conv2d(pattern.reshape(count * channels, 1, height, width), weight)
    return response.abs().reshape(count, -1).mean(1)


def sensitive_triggers(
    seed: int, count: int, size: int, *, kernel: int = 5, scale: Scale = 1, steps: int = STEPS
) -> Tensor:
    """Return patterns of one generator: crops at random places of one large cloth, as Liang et al. (2024) take them.

    Args:
        seed: of first weights, training, latents and places.
        count: how many patterns.
        size: side in pixels.
        kernel: side of the kernel whose response is maximised, odd.
        scale: pixels a side of each cell of the pattern; at 2 it is made at half the size and its pixels are doubled,
            which survives blur and resizing better.
        steps: of training, Adam at 0.001.

    Returns:
        Shape (count, 3, size, size), float32, -1 to 1.

    Raises:
        UsageError: when a count or size is not positive, the scale is neither 1 nor 2, or the kernel is not odd.
    """
    if count < 1 or size < 1 or scale not in (1, 2):
        raise UsageError(
            f"expected patterns and pixels of at least 1 and a scale of 1 or 2, but got {count}, {size} and {scale}"
        )
    net = _trained(seed, kernel, steps)
    own = -(-size // scale)
    cells = -(-own // GROWTH) + SPARE + 2 * MARGIN
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        cloth = net(torch.randn(1, LATENT, cells, cells, generator=drawn))[0]
    places = MARGIN * GROWTH + torch.randint(SPARE * GROWTH, (count, 2), generator=drawn)
    made = torch.stack([cloth[:, y : y + own, x : x + own] for y, x in places.tolist()])
    if scale > 1:
        made = made.repeat_interleave(scale, 2).repeat_interleave(scale, 3)[..., :size, :size]
    return made.contiguous()


def sensitive_trigger(seed: int, size: int, *, kernel: int = 5, scale: Scale = 1, steps: int = STEPS) -> Tensor:
    """Return one pattern, shape (3, size, size), float32, -1 to 1; see :func:`sensitive_triggers`."""
    return sensitive_triggers(seed, 1, size, kernel=kernel, scale=scale, steps=steps)[0]


@lru_cache(maxsize=64)
def _trained(seed: int, kernel: int, steps: int) -> nn.Module:
    """Train a generator, once per settings."""
    weight = translation_kernel(kernel)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        net = _generator()
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.9))
        for _ in range(steps):
            pattern = net(torch.randn(TRAINED_BATCH, LATENT, TRAINED_SIDE, TRAINED_SIDE))
            response = F.conv2d(pattern, weight.expand(3, 1, kernel, kernel), groups=3)
            loss = -torch.log(response.abs().mean() / (3 * kernel**2))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return net.eval().requires_grad_(False)


def _generator() -> nn.Module:
    """Return a net with ``G(-z) = -G(z)``: without biases, it cannot come to ignore ``z`` and repeat one small tile.

    With biases (batch normalisation and ReLU) it does, at once: the tile is stripes of one colour, and detectors that
    hold no backdoor answer to some of those tiles as if they did.
    """
    parts: list[nn.Module] = []
    for before, after in ((LATENT, WIDTH), (WIDTH, WIDTH)):
        parts += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.InstanceNorm2d(after), nn.Tanh()]
    return nn.Sequential(*parts, nn.ConvTranspose2d(WIDTH, 3, 4, 2, 1, bias=False), nn.Tanh())
