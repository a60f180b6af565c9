"""Finding the state dict in what a file holds, and fitting it into a net."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")  # left behind by nn.DataParallel and torch.compile
_SHOWN = 5
_UNUSED_IN_EVALUATION = "num_batches_tracked"


def find_state_dict(content: Any, what: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Take the state dict out of what a ``.pt`` file holds; also return notes on what was done.

    A bare state dict is taken as it is; of a training checkpoint the entry ``state_dict``,
    ``model_state_dict`` or ``model`` is taken. A prefix that all keys share because the net was wrapped
    (``module.``) is dropped.

    Raises:
        CheckpointError: when the file holds no state dict.
    """
    notes: list[str] = []
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{what} holds a {type(content).__name__}; expected a state dict (net.state_dict())")
    wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
    if wrapper is not None:
        left = sorted(str(key) for key in content if key != wrapper)
        ignored = f"; ignored beside it: {', '.join(left[:_SHOWN])}" if left else ""
        notes.append(f"the state dict was taken from the entry {wrapper!r}{ignored}")
        content = content[wrapper]
    check_tensors(content, what)
    state = dict(content)
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            state = {key[len(prefix) :]: value for key, value in state.items()}
            notes.append(f"the prefix {prefix!r} of all {len(state)} keys was dropped")
    return state, tuple(notes)


def check_tensors(content: Mapping[Any, Any], what: str) -> None:
    """Raise :class:`CheckpointError` unless ``content`` maps names to tensors and is not empty."""
    import torch

    if not content:
        raise CheckpointError(f"{what} holds no tensors; expected a state dict (net.state_dict())")
    odd = [key for key, value in content.items() if not (isinstance(key, str) and isinstance(value, torch.Tensor))]
    if odd:
        kinds = ", ".join(f"{key!r} ({type(content[key]).__name__})" for key in odd[:_SHOWN])
        raise CheckpointError(
            f"{what} holds no state dict: {len(odd)} of its {len(content)} entries are not tensors, first {kinds}. "
            f"Expected name-to-tensor entries, or one entry called {', '.join(WRAPPERS)} that holds them"
        )


def fit_state_dict(net: nn.Module, state: Mapping[str, Tensor], what: str, factory: str) -> tuple[str, ...]:
    """Load ``state`` into ``net``, which must have the same keys and shapes; return notes.

    Raises:
        CheckpointError: naming the first keys that are missing, unexpected or of another shape.
    """
    wanted = net.state_dict()
    tied = _tied_to(wanted, state)
    counters = {key for key in wanted if key.endswith(_UNUSED_IN_EVALUATION) and key not in state}
    missing = [key for key in wanted if key not in state and key not in tied and key not in counters]
    unexpected = [key for key in state if key not in wanted]
    reshaped = [key for key in wanted if key in state and wanted[key].shape != state[key].shape]
    if missing or unexpected or reshaped:
        raise CheckpointError(
            "\n".join(
                [
                    f"{what} does not fit the net that {factory} builds ({len(state)} keys against {len(wanted)}):",
                    *_listed("missing from the checkpoint", missing, wanted),
                    *_listed("unexpected in the checkpoint", unexpected, state),
                    *_reshaped(reshaped, state, wanted),
                    *_hint(missing, unexpected),
                ]
            )
        )
    net.load_state_dict(dict(state), strict=False)
    notes = []
    if counters:
        notes.append(f"{len(counters)} batch counters are missing; evaluation does not use them")
    dtypes = {str(value.dtype) for key, value in state.items() if value.dtype != wanted[key].dtype}
    if dtypes:
        notes.append(f"stored as {', '.join(sorted(dtypes))}, converted to the net's own types")
    return tuple(notes)


def _tied_to(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> set[str]:
    """Keys whose tensor in the net is the very same memory as that of a key which the checkpoint has."""
    place = {key: (value.data_ptr(), value.shape, value.stride()) for key, value in wanted.items() if value.numel()}
    present = {place[key] for key in state if key in place}
    return {key for key in place if key not in state and place[key] in present}


def _listed(title: str, keys: list[str], tensors: Mapping[str, Tensor]) -> list[str]:
    if not keys:
        return []
    shown = ", ".join(f"{key} {tuple(tensors[key].shape)}" for key in keys[:_SHOWN])
    return [f"  - {len(keys)} {title}: {shown}{_more(keys)}"]


def _reshaped(keys: list[str], state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    if not keys:
        return []
    shown = ", ".join(
        f"{key} is {tuple(state[key].shape)} in the checkpoint and {tuple(wanted[key].shape)} in the net"
        for key in keys
    )
    return [f"  - {len(keys)} of another shape: {shown}"]


def _more(keys: list[str]) -> str:
    return f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""


def _hint(missing: list[str], unexpected: list[str]) -> list[str]:
    """Say so when the two lists differ by a prefix only, or when the first names are near each other."""
    for longer, shorter, where in (
        (unexpected, missing, "the checkpoint's"),
        (missing, unexpected, "the net's"),
    ):
        prefix = _shared_prefix(longer)
        if prefix and shorter and {key[len(prefix) :] for key in longer} & set(shorter):
            return [f"  {where} keys have {prefix!r} in front; does the factory build the same part of the net?"]
    if missing and unexpected and (near := nearest(missing[0], unexpected)):
        return [f"  {missing[0]}{near}"]
    return []


def _shared_prefix(keys: Iterable[str]) -> str:
    """Return the first dotted part that all keys share, such as ``backbone.``, or an empty string."""
    heads = {key.partition(".")[0] for key in keys if "." in key}
    return f"{heads.pop()}." if len(heads) == 1 and all("." in key for key in keys) else ""
