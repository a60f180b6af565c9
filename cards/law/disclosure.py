"""A text to start from for telling people that a system reads their faces (Article 50(3) of the EU AI Act)."""

from __future__ import annotations

from ..statements import Statements

BLANK = "[{}]"


def disclosure(task: str, statements: Statements) -> tuple[str, ...]:
    """Return the paragraphs of a disclosure, with a blank in brackets for what only the deployer knows.

    Args:
        task: of the target; valence and arousal, and action units, are told in their own words.
        statements: of the author, who may state purposes and a contact.
    """
    what = {
        "valence_arousal": "how pleasant and how excited your face looks (valence and arousal)",
        "action_units": "movements of your face, from which emotions may be inferred",
    }.get(task, "the expression on your face, and may infer emotions from it")
    purpose = " ".join(statements.text("intended_use.primary_uses")) or BLANK.format("the purpose")
    contact = " ".join(statements.text("model_details.contact")) or BLANK.format("name and address of a contact")
    return (
        f"In this place a computer system looks at faces and estimates {what}. It is operated by "
        f"{BLANK.format('who operates it')}.",
        f"It is used for: {purpose}",
        "What it gives is an estimate of how a face looks to others. It is not evidence of what you feel, and it can "
        "be wrong.",
        f"Pictures are kept for {BLANK.format('how long, and where')}; the legal basis is "
        f"{BLANK.format('legal basis of the processing')}.",
        f"Questions, objections and requests to be left out: {contact}",
    )
