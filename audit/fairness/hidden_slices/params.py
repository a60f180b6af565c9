"""Settings of the search for hidden slices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ....core.probes import ProbeParams

PictureFeature = Literal["quality", "looks", "embedding"]


class HiddenSlicesParams(ProbeParams):
    """What slices are made of, and how many are tested."""

    depth: int = Field(default=3, ge=1, le=4, description="most features that are combined")
    confirm: int = Field(default=10, ge=1, le=50, description="most slices that are tested on the other people")
    pictures: tuple[PictureFeature, ...] = Field(
        default=("quality", "looks", "embedding"),
        description="what is taken from the pictures: quality (brightness, contrast, sharpness, size of the face, turn "
        "of the head), looks (clusters of small grey pictures), embedding (clusters of what the model's head is given)",
    )
    clusters: tuple[int, ...] = Field(default=(4, 8, 16), min_length=1, description="numbers of clusters to try")
    layer: str | None = Field(default=None, description="layer whose output is the embedding; found unless given")
    faces: int = Field(
        default=20_000, ge=100, description="most faces whose pictures are read; of more, a random part of the people"
    )
    permutations: int = Field(default=1999, ge=499, le=20_000, description="of the test of each slice")

    @field_validator("clusters")
    @classmethod
    def _several(cls, clusters: tuple[int, ...]) -> tuple[int, ...]:
        if min(clusters) < 2 or max(clusters) > 100 or len(set(clusters)) < len(clusters):
            raise ValueError(f"clusters are {list(clusters)}, expected different numbers from 2 to 100")
        return clusters
