"""Names of expressions: which class names mean the same expression, and which have no published mask."""

from __future__ import annotations

from collections.abc import Collection

EKMAN_EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The six expressions that have a mask."""

_SYNONYMS = {
    "anger": ("anger", "angry"),
    "contempt": ("contempt", "contemptuous"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happiness": ("happiness", "happy", "joy", "joyful"),
    "neutral": ("neutral", "neutrality"),
    "sadness": ("sadness", "sad"),
    "surprise": ("surprise", "surprised"),
}
_EXPRESSION = {name: expression for expression, names in _SYNONYMS.items() for name in names}


def expression_of(name: str) -> str:
    """Return the expression a class or file name means, e.g. ``happiness`` for ``Happy``.

    A name that is not known is returned in lower case, so that a user's own classes can have own masks.
    """
    lowered = name.strip().lower()
    return _EXPRESSION.get(lowered, lowered)


def no_mask_reason(name: str, own: Collection[str] | None = None) -> str:
    """Return, for a class without a mask, why there is none.

    Args:
        name: of the class.
        own: expressions for which a user's own set has masks; None for the project's six.
    """
    if own is not None:
        return f"{name} has no mask: the given ones are of {', '.join(sorted(own))}"
    expression = expression_of(name)
    if expression == "neutral":
        return "neutral has no mask: a face at rest moves no region"
    if expression == "contempt":
        return "contempt has no mask: it shows on one side only and is not among the six masks"
    return f"{name} has no mask: masks exist for {', '.join(EKMAN_EXPRESSIONS)}"
