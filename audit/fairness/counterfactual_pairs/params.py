"""What a plan may say to the probe ``counterfactual_pairs``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from ....core.errors import ManifestError
from ....core.files import sha256_of_file
from ....core.plan import AttributeSpec
from ....core.probes import ProbeParams
from .table import PairTable, read_pairs


class CounterfactualPairsParams(ProbeParams):
    """Which pairs, and which of them differ in nothing that should matter."""

    pairs: str = Field(
        description="CSV or Parquet with pair_id, path_a, path_b, changed, kept; optionally subject, boxes "
        "(box_a_x0 .. box_b_y1) and attributes; paths in it are relative to it"
    )
    control: str | None = Field(
        default=None,
        description="value of changed that marks pairs which differ in nothing that should matter, e.g. noise",
    )
    attributes: dict[str, AttributeSpec] | None = Field(
        default=None,
        description="attributes of the pairs, as under data; those of data that the table has unless given",
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which ``pairs`` is relative, from the validation context, and check the table."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
            try:
                self.table()
            except ManifestError as error:
                raise ValueError(str(error)) from error

    def digest_of_files(self) -> str:
        """Return a hash of the table and of the images it names."""
        file = self._folder / self.pairs
        if not file.is_file():
            return ""
        digest = hashlib.sha256(sha256_of_file(file).encode())
        for image in self.table().images:
            digest.update(sha256_of_file(image).encode())
        return digest.hexdigest()

    def table(self) -> PairTable:
        """Read the table of pairs.

        Raises:
            ManifestError: with every problem of the table at once.
        """
        wanted = tuple(spec.column or name for name, spec in (self.attributes or {}).items())
        return read_pairs(self._folder / self.pairs, control=self.control, columns=wanted)
