"""What a plan may say to a probe: the base of every probe's parameters."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Need = Literal["model", "gradients", "layers", "images", "labels", "landmarks"]


def one_or_many(value: Any) -> Any:
    """Take a single value for a list of one, as people write it in a plan; for ``field_validator(mode="before")``."""
    return (value,) if isinstance(value, (str, int, float)) else value


class ProbeParams(BaseModel):
    """Base of a probe's parameters: frozen, unknown names refused, and NaN and infinity, which JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    compares_groups: ClassVar[bool] = True
    """Whether ``tolerance``, where there is one, is that of a gap between groups of the audited faces."""

    def digest_of_files(self) -> str:
        """Return a hash of the files the parameters name, so that going on notices a changed one; empty for none."""
        return ""

    def further_needs(self) -> frozenset[Need]:
        """Return what these parameters need of target and faces beyond what the probe always needs."""
        return frozenset()

    def without_gradients(self) -> str:
        """Return what to ask for instead where the target gives no gradients; empty when there is nothing."""
        return ""
