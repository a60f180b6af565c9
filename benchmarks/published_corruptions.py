"""Lets the package ``imagecorruptions`` (Michaelis et al. 2019), untouched, run beside current libraries.

It imports modules that are gone (``pkg_resources``, ``scipy.ndimage.interpolation``) and uses names that numpy and
scikit-image have dropped. Those are put back while it is imported and run, and taken away again.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float64]


def load() -> ModuleType:
    """Import the package's module of corruptions."""
    import scipy.ndimage
    import skimage.color
    import skimage.filters
    import skimage.util

    resources = ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: str(_folder_of(package) / name)  # type: ignore[attr-defined]
    interpolation = ModuleType("scipy.ndimage.interpolation")
    interpolation.map_coordinates = scipy.ndimage.map_coordinates  # type: ignore[attr-defined]
    names = {"pkg_resources": resources, "scipy.ndimage.interpolation": interpolation}
    known = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        module = importlib.import_module("imagecorruptions.corruptions")
    finally:
        for name, before in known.items():
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before

    def gaussian(image: Picture, sigma: Any, multichannel: bool = False, **options: Any) -> Picture:
        channel = -1 if multichannel else None
        if not multichannel and image.dtype == np.float32:
            options["preserve_range"] = True
        blurred: Picture = skimage.filters.gaussian(image, sigma, channel_axis=channel, **options)
        return blurred

    def random_noise(image: Picture, **options: Any) -> Picture:
        seed = int(np.random.randint(2**31))  # else it would draw from a generator that nobody can seed
        noisy: Picture = skimage.util.random_noise(image, rng=seed, **options)
        return noisy

    module.gaussian = gaussian  # type: ignore[attr-defined]
    module.sk = SimpleNamespace(  # type: ignore[attr-defined]
        util=SimpleNamespace(random_noise=random_noise), color=skimage.color
    )
    return module


def _folder_of(module: str) -> Path:
    file = sys.modules[module].__file__
    assert file is not None
    return Path(file).parent


@contextmanager
def _dropped_names() -> Iterator[None]:
    """Give numpy its old name of a type back for a while."""
    had = hasattr(np, "float_")
    if not had:
        np.float_ = np.float64  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if not had:
            del np.float_


def published(name: str) -> Callable[[NDArray[np.uint8], int], Picture]:
    """Return one corruption: a picture (h, w, 3) of bytes and a severity to values 0..1, shape (h, w, 3).

    Chance comes from numpy's global state: seed it with ``numpy.random.seed``.
    """
    function = getattr(load(), name)

    def apply(picture: NDArray[np.uint8], severity: int) -> Picture:
        with _dropped_names():
            return np.asarray(function(Image.fromarray(picture), severity), dtype=np.float64) / 255

    return apply
