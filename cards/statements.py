"""What the author of a card states: the schema of ``card.yaml``, reading it, and a starting file.

Sections and sub-items follow Mitchell et al. (2019), "Model Cards for Model Reporting",
doi:10.1145/3287560.3287596. Nothing is required: what nobody states is shown as not stated.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from ..core.errors import CountenanceError, Problems, nearest

Context = Literal[
    "research",
    "medical",
    "safety",
    "workplace",
    "education",
    "consumer",
    "public_sector",
    "law_enforcement",
    "migration",
    "other",
]
STATEMENTS_FILE = "card.yaml"
_NOTHING = ("", "~", "null")


class StatementsError(CountenanceError):
    """A ``card.yaml`` cannot be used as written."""


def _as_paragraphs(value: Any) -> Any:
    """Take a text or a list of texts; what YAML calls null, or an empty text, states nothing."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("expected a text or a list of texts")
    return tuple(" ".join(text.split()) for text in texts if text.strip() not in _NOTHING)


def _or_none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip() in _NOTHING else value


def _as_list(value: Any) -> Any:
    value = _or_none(value)
    return () if value is None else (value,) if isinstance(value, str) else value


def _or_empty(value: Any) -> Any:
    return {} if _or_none(value) is None else value


# For editors, which read 1.10 as a number and an empty item as null: the reader takes every value as the text it is.
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_CONTEXT = {"enum": list(get_args(Context))}
_TEXT_SCHEMA = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}
_CONTEXTS_SCHEMA = {"anyOf": [_CONTEXT, {"type": "array", "items": _CONTEXT}, {"type": "null"}]}
Text = Annotated[tuple[str, ...], BeforeValidator(_as_paragraphs), WithJsonSchema(_TEXT_SCHEMA)]
Line = Annotated[str | None, BeforeValidator(_or_none), WithJsonSchema(_SCALAR)]
Contexts = Annotated[tuple[Context, ...], BeforeValidator(_as_list), WithJsonSchema(_CONTEXTS_SCHEMA)]


def _asks(question: str) -> Any:
    return Field(default=(), description=question)


def _asks_line(question: str) -> Any:
    return Field(default=None, description=question)


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelDetails(_Block):
    """1. Model Details."""

    developers: Text = _asks("Which person or organisation made the model?")
    date: Line = _asks_line("When was it made?")
    version: Line = _asks_line("Which version is this, and how does it differ from earlier ones?")
    type: Text = _asks("What kind of model is it (architecture, size, where it comes from)?")
    training: Text = _asks(
        "Which training algorithms, parameters, fairness constraints or other applied approaches, and features?"
    )
    resources: Text = _asks("Which paper or other resource tells more?")
    citation: Text = _asks("How should the model be cited?")
    license: Line = _asks_line("Under which licence (an SPDX identifier such as Apache-2.0, where there is one)?")
    contact: Text = _asks("Where should questions and complaints be sent?")


class IntendedUse(_Block):
    """2. Intended Use."""

    primary_uses: Text = _asks("What is the model for?")
    primary_users: Text = _asks("Who is meant to use it?")
    out_of_scope: Text = _asks("Which uses are out of scope, above all those a reader may take for granted?")
    deployment_context: Contexts = _asks(f"In which contexts will it run ({', '.join(get_args(Context))})?")


class FactorStatements(_Block):
    """3. Factors."""

    relevant: Text = _asks(
        "Which groups of people, instruments and environments are expected to change how well the model works?"
    )
    evaluation: Text = _asks("Which of these were evaluated, and why not the others?")


class MetricStatements(_Block):
    """4. Metrics."""

    performance_measures: Text = _asks("Why these measures of performance, for this use?")
    decision_thresholds: Text = _asks("Which decision thresholds are used, and why?")
    variation: Text = _asks("How is uncertainty to be read, beyond the intervals of the audit?")


class EvaluationData(_Block):
    """5. Evaluation Data."""

    datasets: Text = _asks("Which data sets was the model evaluated on, and where can they be had?")
    motivation: Text = _asks("Why these?")
    preprocessing: Text = _asks("How were the images prepared (detection, alignment, selection, labelling)?")


class TrainingData(_Block):
    """6. Training Data."""

    datasets: Text = _asks("Which data sets was the model trained on?")
    motivation: Text = _asks("Why these?")
    preprocessing: Text = _asks("How were they prepared and labelled?")
    distribution: Text = _asks("If they cannot be named: how are the factors of section 3 distributed in them?")


class AnalysisStatements(_Block):
    """7. Quantitative Analyses: the numbers come from the audit; the author may comment."""

    unitary: Text = _asks("A comment on the results by single factors?")
    intersectional: Text = _asks("A comment on the results by combinations of factors?")


class EthicalConsiderations(_Block):
    """8. Ethical Considerations."""

    data: Text = _asks("Does the model use sensitive data, and on which ground?")
    human_life: Text = _asks("Is it meant to inform decisions about matters central to human life?")
    mitigations: Text = _asks("Which steps reduced risks during development?")
    risks_and_harms: Text = _asks("Which risks remain: for whom, how likely, how bad?")
    use_cases: Text = _asks("Which known uses are especially fraught?")


class CaveatsAndRecommendations(_Block):
    """9. Caveats and Recommendations."""

    further_testing: Text = _asks("Which further tests do the results suggest?")
    missing_groups: Text = _asks("Which relevant groups were not in the evaluation data?")
    ideal_evaluation_data: Text = _asks("What would ideal evaluation data look like?")
    recommendations: Text = _asks("What else should a user of the model know or do?")


def _block(kind: type[_Block]) -> Any:
    return Field(default_factory=kind)


class Statements(_Block):
    """The author's statements; every item may be left empty."""

    model_details: Annotated[ModelDetails, BeforeValidator(_or_empty)] = _block(ModelDetails)
    intended_use: Annotated[IntendedUse, BeforeValidator(_or_empty)] = _block(IntendedUse)
    factors: Annotated[FactorStatements, BeforeValidator(_or_empty)] = _block(FactorStatements)
    metrics: Annotated[MetricStatements, BeforeValidator(_or_empty)] = _block(MetricStatements)
    evaluation_data: Annotated[EvaluationData, BeforeValidator(_or_empty)] = _block(EvaluationData)
    training_data: Annotated[TrainingData, BeforeValidator(_or_empty)] = _block(TrainingData)
    quantitative_analyses: Annotated[AnalysisStatements, BeforeValidator(_or_empty)] = _block(AnalysisStatements)
    ethical_considerations: Annotated[EthicalConsiderations, BeforeValidator(_or_empty)] = _block(EthicalConsiderations)
    caveats_and_recommendations: Annotated[CaveatsAndRecommendations, BeforeValidator(_or_empty)] = _block(
        CaveatsAndRecommendations
    )

    def text(self, name: str) -> tuple[str, ...]:
        """Return the paragraphs stated under a name such as ``model_details.license``; empty for none.

        Raises:
            KeyError: when the schema has no such item.
        """
        section, _, item = name.partition(".")
        if section not in type(self).model_fields or item not in type(getattr(self, section)).model_fields:
            raise KeyError(f"card.yaml has no item {name!r}")
        value = getattr(getattr(self, section), item)
        return (value,) if isinstance(value, str) else tuple(value or ())


class _Loader(yaml.BaseLoader):
    """Reads every scalar as the text it is (``version: 1.10`` stays 1.10) and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "expected a name as key", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_statements(path: str | Path) -> Statements:
    """Read a ``card.yaml``.

    Raises:
        StatementsError: when the file is missing, is not YAML, or has keys or values the schema does not
        know; every
            fault is named at once, with the nearest right name.
    """
    file = Path(path)
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise StatementsError(
            f"expected the author's statements at {file}, but there is no such file (countenance init writes one)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StatementsError(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise StatementsError(f"{file} is not valid YAML: {error}") from error
    if content is None or content == "":
        return Statements()
    if not isinstance(content, dict):
        raise StatementsError(f"{file}: expected sections such as model_details:, but got {type(content).__name__}")
    try:
        return Statements.model_validate(content)
    except ValidationError as error:
        problems = Problems(str(file))
        for fault in error.errors():
            place = [str(step) for step in fault["loc"]]
            if fault["type"] == "extra_forbidden":
                problems.add(f"unknown key {'.'.join(place)!r}{nearest(place[-1], _names_at(place[:-1]))}")
            elif fault["type"] == "literal_error":
                known = get_args(Context)
                hint = nearest(str(fault["input"]), known)
                problems.add(f"{'.'.join(place[:2])}: {fault['input']!r} is none of {', '.join(known)}{hint}")
            else:
                problems.add(f"{'.'.join(place)}: {fault['msg'].removeprefix('Value error, ')}")
        problems.raise_as(StatementsError)
        raise


def _names_at(place: list[str]) -> list[str]:
    if not place:
        return list(Statements.model_fields)
    return list(type(getattr(Statements(), place[0])).model_fields)


def template() -> str:
    """Return a starting ``card.yaml``: every item of the nine sections, empty, with a question to answer."""
    lines = [
        "# The author's statements for the model card. Every number in the card comes from the audit;",
        "# what only you can know is asked here. An answer is a text or a list of texts.",
        "# Leave an item empty and the card says that it was not stated.",
    ]
    empty = Statements()
    for section in Statements.model_fields:
        block = type(getattr(empty, section))
        lines += ["", f"{section}:  # {(block.__doc__ or '').partition(':')[0].strip().rstrip('.')}"]
        for name, field in block.model_fields.items():
            question = textwrap.wrap(field.description or "", width=100)
            lines += [f"  # {line}" for line in question]
            lines.append(f"  {name}:")
    return "\n".join(lines) + "\n"
