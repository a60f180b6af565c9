"""The nets of a seed, trained once and kept: an audit of them can be repeated without training them again.

They are kept in the folder that ``STUDY_NETS`` names, ``studies/nets`` unless it is set. The name of a file holds all
that the nets follow from; a change of how they are trained raises `VERSION`.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from countenance.synth.nets import DrawnFaceNet
from countenance.synth.shortcut_nets import NETS, train_nets

VERSION = 1


def nets_of(seed: int) -> dict[str, DrawnFaceNet]:
    """Return the three nets of a seed, read from the folder or trained and put there."""
    file = Path(os.environ.get("STUDY_NETS", "studies/nets")) / f"planted-v{VERSION}-{seed}.safetensors"
    if not file.is_file():
        torch.set_num_threads(1)
        trained = train_nets(seed)
        state = {f"{name}/{key}": value for name, net in trained.items() for key, value in net.state_dict().items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        save_file(state, part)
        part.replace(file)  # whole or not at all
    kept, nets = load_file(file), {}
    for name in NETS:
        net = DrawnFaceNet()
        net.load_state_dict({key.removeprefix(f"{name}/"): kept[key] for key in kept if key.startswith(f"{name}/")})
        nets[name] = net.eval()
    return nets
