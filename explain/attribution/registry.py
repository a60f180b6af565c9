"""Every attribution method by name, and how to build those that a plan asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...core.errors import UsageError, nearest
from ...core.target import Target
from . import attention, black_box, cams, gradients, package_cams
from .method import AttributionSettings, Build, Built, Explainer, Family, MethodInfo

_FAMILIES: Mapping[Family, tuple[Mapping[str, MethodInfo], Build]] = MappingProxyType(
    {
        "cam": (cams.METHODS, cams.build),
        "package_cam": (package_cams.METHODS, package_cams.build),
        "attention": (attention.METHODS, attention.build),
        "black_box": (black_box.METHODS, black_box.build),
        "gradient": (gradients.METHODS, gradients.build),
    }
)

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {name: info for methods, _ in _FAMILIES.values() for name, info in methods.items()}
)
"""Every method by name, family by family."""


EVERY = "all"
"""Stands for every method where methods are named."""


def expand_methods(names: Sequence[str]) -> tuple[str, ...]:
    """Return methods for names of methods, of families (all their methods) and ``all``; each once, in order.

    Raises:
        UsageError: naming those that are none of these, each with the nearest that is.
    """
    found: list[str] = []
    unknown = []
    for name in names:
        members = [method for method, info in METHODS.items() if name in (method, info.family) or name == EVERY]
        if members:
            found += members
        else:
            unknown.append(name)
    if unknown:
        known = [*METHODS, *_FAMILIES, EVERY]
        told = "; ".join(f"{name!r}{nearest(name, known)}" for name in unknown)
        raise UsageError(
            f"expected attribution methods out of {', '.join(METHODS)}, or one of the families "
            f"{', '.join(_FAMILIES)}, or {EVERY}, but got {told}"
        )
    return tuple(dict.fromkeys(found))


def check_methods(names: Sequence[str]) -> None:
    """Check that every name is a method.

    Raises:
        UsageError: naming those that are none, each with the nearest that is.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        told = "; ".join(f"{name!r}{nearest(name, METHODS)}" for name in unknown)
        raise UsageError(f"expected attribution methods out of {', '.join(METHODS)}, but got {told}")


def build_explainers(
    target: Target,
    names: Sequence[str],
    *,
    layer: str | None = None,
    batch_size: int = 16,
    settings: AttributionSettings | None = None,
) -> Built:
    """Build the explainers of several methods; those of one family share their passes.

    Args:
        target: the model under audit.
        names: of the methods.
        layer: dotted name of the layer to explain by, for methods that use one; found in the net unless given.
        batch_size: faces, or perturbed copies of one, that the net is given at once.
        settings: of the methods.

    Raises:
        UsageError: if a name is no method.
        LayerError: if the named layer does not exist or cannot be explained by.
    """
    check_methods(names)
    explainers: list[Explainer] = []
    unavailable: dict[str, str] = {}
    for family, (_, build) in _FAMILIES.items():
        wanted = [name for name in dict.fromkeys(names) if METHODS[name].family == family]
        possible = []
        for name in wanted:
            missing = METHODS[name].needs - target.gives
            if missing:
                unavailable[name] = f"the model gives no {' and no '.join(sorted(missing))} ({target.format})"
            else:
                possible.append(name)
        if possible:
            built = build(
                target, possible, layer=layer, batch_size=batch_size, settings=settings or AttributionSettings()
            )
            explainers += built.explainers
            unavailable |= built.unavailable
    return Built(tuple(explainers), unavailable)
