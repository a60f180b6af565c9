"""The reference net: small, plain, and made so that a class activation map can be read."""

from __future__ import annotations

import torch
from safetensors.torch import load
from torch import Tensor, nn

INPUT_SIZE = 96
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)


class DrawnFaceNet(nn.Module):
    """Seven-class expression net for drawn faces.

    Takes pixels (n, 3, 96, 96), normalised with mean 0.5 and standard deviation 0.25, and returns logits (n, 7) in
    the order of `expression.EXPRESSIONS`. The last feature map, after `features`, is (n, 64, 12, 12); it is averaged
    over the picture and read by one linear layer, so CAM, GradCAM and the class's own evidence agree.
    """

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(3, 16, stride=2),
            *_block(16, 32, stride=2),
            *_block(32, 48, stride=2),
            *_block(48, 64, stride=1),
            *_block(64, 64, stride=1),
        )
        self.head = nn.Linear(64, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (n, classes) of normalised pixels (n, 3, h, w)."""
        maps: Tensor = self.features(pixels)
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return (
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def normalise(pixels: Tensor) -> Tensor:
    """Turn RGB bytes (n, h, w, 3) into what the net takes, (n, 3, h, w)."""
    scaled = pixels.permute(0, 3, 1, 2).to(torch.float32).div(255)
    return ((scaled - MEAN[0]) / STD[0]).contiguous()


def load_net(checkpoint: bytes) -> DrawnFaceNet:
    """Build the net of a `.safetensors` state dict, in evaluation mode."""
    net = DrawnFaceNet()
    net.load_state_dict(load(checkpoint))
    return net.eval()
