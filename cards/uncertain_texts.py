"""Titles and meanings of what the probe ``uncertain_attributes`` measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_WAYS: Mapping[str, tuple[str, str]] = {
    "corrected": ("{}, label errors undone", "rate of the true group, as the known errors of the groups give it"),
    "uncorrected": ("{} as assigned", "rate of the group as assigned"),
    "second_annotator": ("{} by the second annotator", "rate of the group that the second annotator assigned"),
    "agreed": ("{} where annotators agree", "rate over the faces on which both annotators agree"),
    "any_error": (
        "{}, whatever errors depend on",
        "rate of the true group, with limits that hold however label errors depend on whether the model is right",
    ),
}
_BESIDE: Mapping[str, tuple[str, str]] = {
    "null_permuted": ("{} by chance", "the same if all groups were equal and known as well as these"),
    "p": ("p of {}", "share of draws of equal groups with at least as large a difference"),
}


def _texts() -> Iterator[tuple[str, tuple[str, str]]]:
    for rate in ("accuracy", "recall"):
        for way, (title, meaning) in _WAYS.items():
            yield f"{rate}.{way}", (title.format(rate), meaning)
        for kind, named in (("gap", "largest gap in {}"), ("worst_vs_rest", "worst group against the rest, {}")):
            score = named.format(_WAYS["corrected"][0].format(rate))
            for end, (title, meaning) in _BESIDE.items():
                yield f"{rate}.corrected.{kind}.{end}", (title.format(score), meaning)


UNCERTAIN_TEXTS: Mapping[str, tuple[str, str]] = dict(_texts())
"""Texts by metric; those of gaps as such come from the texts of gaps between groups."""
