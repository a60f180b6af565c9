"""Are layers of the net left in training mode, or made so that they act as if they were?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from ...core.results import Estimate
from ...core.target import Target
from .material import Material
from .verdicts import Check, not_checked

TITLE = "train mode left on"
NAMED = 3
FACES = 4


@dataclass(frozen=True)
class Modes:
    """Modules of the net by what they do now.

    Attributes:
        batch_norm: normalise by the statistics of the batch (or of the picture, where they keep none).
        dropout: drop values at random.
        training: are in training mode, of whatever kind.
        modules: how many modules were looked at; 0 where the net has none to look at.
    """

    batch_norm: tuple[str, ...] = ()
    dropout: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    modules: int = 0

    @property
    def batch_norm_told(self) -> str:
        """The batch-normalising layers by name."""
        return _named(self.batch_norm)

    @property
    def dropout_told(self) -> str:
        """The dropping layers by name."""
        return _named(self.dropout)


def modes_of(target: Target) -> Modes:
    """Look at the modules of a target's net.

    An exported graph (``.pt2``) keeps the mode it was exported in and says nothing of it; an ``.onnx`` one has no
    modules. Instance normalisation without running statistics is the picture's own business and is not listed.
    """
    if not isinstance(target.net, nn.Module) or target.format == "pt2":
        return Modes()
    named = [(name or "the net itself", module) for name, module in target.net.named_modules()]
    instance = nn.modules.instancenorm._InstanceNorm
    norms = [
        name
        for name, module in named
        if isinstance(module, _NormBase)
        and not isinstance(module, instance)
        and (module.training or module.running_mean is None)
    ]
    drops = [
        name
        for name, module in named
        if module.training and (isinstance(module, nn.RReLU) or (isinstance(module, _DropoutNd) and module.p > 0))
    ]
    training = [name for name, module in named if module.training]
    return Modes(tuple(norms), tuple(drops), tuple(training), len(named))


def mode(material: Material, modes: Modes) -> Check:
    """Say which layers are in training mode, and whether answering changes what the net holds."""
    context = material.context
    if modes.modules == 0:
        kept = "a .pt2 graph keeps the mode it was exported in" if material.target.format == "pt2" else "it has none"
        why = f"the modules of this net cannot be looked at ({kept}); asking twice and in batches shows what they do"
        estimate = Estimate.not_measured(why)
        return not_checked("train_mode", TITLE, why, (context.measurement("modules_in_training", estimate),))
    acting = (*modes.batch_norm, *modes.dropout)
    count = Estimate(value=float(len(modes.training)), n=modes.modules, unit="modules")
    told = context.measurement("modules_in_training", count, direction="lower")
    written = _written_to(material)
    if acting or written:
        kinds = []
        if modes.batch_norm:
            kinds.append(f"{modes.batch_norm_told} normalise by the batch and not by what training recorded")
        if modes.dropout:
            kinds.append(f"{modes.dropout_told} drop values at random")
        if written:
            kinds.append(f"answering changes what the net holds ({_named(written)})")
        return Check(
            "train_mode",
            TITLE,
            "differs",
            "; ".join(kinds),
            "Call net.eval() where the net is built, and leave the mode alone in its forward",
            measurements=(told,),
        )
    if modes.training:
        return Check(
            "train_mode",
            TITLE,
            "differs",
            f"{len(modes.training):,} of {modes.modules:,} modules are in training mode ({_named(modes.training)}), "
            "none of them a normalising or dropping layer of torch",
            "Call net.eval() where the net is built; layers of your own may act on the mode",
            severity="low",
            measurements=(told,),
        )
    seen = f"none of {modes.modules:,} modules is in training mode, and answering changes nothing in the net"
    return Check("train_mode", TITLE, "holds", seen, measurements=(told,))


def _written_to(material: Material) -> tuple[str, ...]:
    """Return the buffers and parameters that a few answers change; they are put back."""
    net = material.target.net
    assert isinstance(net, nn.Module)
    before = {name: value.detach().clone() for name, value in net.state_dict().items() if torch.is_tensor(value)}
    material.ask(material.some(FACES))
    changed = []
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if torch.is_tensor(value) and not torch.equal(value, before[name]):
                changed.append(name)
                value.copy_(before[name])
    return tuple(changed)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
