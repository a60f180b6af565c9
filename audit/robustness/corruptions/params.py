"""What a plan may say to the probe ``corruptions``."""

from __future__ import annotations

from pydantic import Field, field_validator

from ....core.errors import nearest
from ....core.probe_params import one_or_many
from ..conditions import ConditionParams
from .catalogue import ALL, CORRUPTIONS, GROUPS, SEVERITIES


class CorruptionParams(ConditionParams):
    """Which corruptions to try, and how severe."""

    corruptions: tuple[str, ...] = Field(
        default=(ALL,),
        min_length=1,
        description=f"names of corruptions, or of several together: {', '.join(GROUPS)}",
    )
    severities: tuple[int, ...] = Field(default=SEVERITIES, min_length=1, description="1 (mild) to 5 (severe)")

    _one_or_many = field_validator("corruptions", "severities", mode="before")(one_or_many)

    @field_validator("corruptions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [*GROUPS, *CORRUPTIONS]
        for name in value:
            if name not in known:
                raise ValueError(f"expected one of {', '.join(known)}, but got {name!r}{nearest(name, known)}")
        return value

    @field_validator("severities")
    @classmethod
    def _within_tables(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for severity in value:
            if severity not in SEVERITIES:
                raise ValueError(
                    f"expected severities from 1 (mild) to 5 (severe), the five of the tables, but got {severity}"
                )
        if len(set(value)) < len(value):
            raise ValueError(f"expected each severity once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @property
    def names(self) -> tuple[str, ...]:
        """The corruptions to try, each once, in the order of the tables."""
        asked = {name for each in self.corruptions for name in GROUPS.get(each, (each,))}
        return tuple(name for name in CORRUPTIONS if name in asked)
