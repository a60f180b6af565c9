"""Uses that are prohibited whatever an audit measures: findings of policy, from the plan and the author's statements.

The rules are few and stand here because the runner and the command ``gate`` both judge by them; their words, dates and
sources are data (``policy.yaml``). They point a person to a provision and are no legal advice. What they know is the
declared task, the names of the target's classes and the stated deployment; no face is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import ValidationError

from .errors import PlanError, ResultsError, nearest
from .places import read_yaml
from .plan import Deployment, DeploymentSpec
from .policy_rules import Prohibition, rules
from .results import SEVERITIES, AuditResults, Finding, Severity
from .results_file import describe_faults

EMOTIONS_AT_WORK, CATEGORISATION = "AIA-5-1-f", "AIA-5-1-g"
UNKNOWN, CONTRADICTION = "DEPLOYMENT-UNKNOWN", "DEPLOYMENT-CONTRADICTION"
CARD_FILE = "card.yaml"
_NOTHING = ("", "~", "null")
_OUTSIDE: dict[Severity, Severity] = {"high": "low", "medium": "note"}


def policy_findings(
    task: str, classes: Sequence[str], deployment: DeploymentSpec | None, stated: Sequence[str] = ()
) -> list[Finding]:
    """Return what policy has to say of a use, whatever the audit measures.

    Args:
        task: of the target, as declared.
        classes: of the target, as declared.
        deployment: what the plan states; ``None`` when it states nothing.
        stated: ``deployment_context`` of the author's card; counted together with the plan's, since leaving a context
            out of one of the two must not let a use through.

    Returns:
        Findings without evidence keys, the most severe first. Nothing measured changes them.
    """
    planned = deployment.context if deployment is not None else []
    contexts = list(dict.fromkeys((*planned, *stated)))
    found: list[Finding] = []
    if not contexts:
        found.append(
            Finding(
                id=UNKNOWN,
                severity="note",
                claim="The plan does not state where the model is to run (deployment), so whether a use of it is "
                "prohibited was not checked.",
            )
        )
    if planned and stated and set(planned) != set(stated):
        found.append(
            Finding(
                id=CONTRADICTION,
                severity="medium",
                claim=f"The plan and the author's card state different contexts of use: {', '.join(planned)} in the "
                f"plan, {', '.join(stated)} in the card. Both were counted.",
            )
        )
    found += _emotions(task, classes, deployment, contexts)
    found += _categories(classes, deployment, contexts)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def policy_of(results: AuditResults, stated: Sequence[str] = (), also: DeploymentSpec | None = None) -> list[Finding]:
    """Return the findings of policy of a run, judged again; of one id the gravest counts.

    Those the results hold stay, so that nothing read beside them can take one away.

    Args:
        results: of the audit.
        stated: ``deployment_context`` of the author's card as it stands now.
        also: a further deployment to judge by, such as that of another plan with gates.

    Raises:
        ResultsError: when the deployment in the results cannot be read.
    """
    written = results.plan.get("deployment")
    try:
        own = DeploymentSpec.model_validate(written) if written is not None else None
    except ValidationError as error:
        raise ResultsError(f"the deployment of the run cannot be read: {describe_faults(error.errors())}") from error
    target = results.target
    found = {finding.id: finding for finding in results.policy}
    uses = [use for use in (own, also) if use is not None]
    if uses or stated:
        found.pop(UNKNOWN, None)
    for use in uses or (None,):
        for finding in policy_findings(target.task, target.classes, use, stated):
            before = found.get(finding.id)
            if before is None or SEVERITIES.index(finding.severity) < SEVERITIES.index(before.severity):
                found[finding.id] = finding
    return sorted(found.values(), key=lambda finding: SEVERITIES.index(finding.severity))


def policy_of_run(run: Path, results: AuditResults, also: DeploymentSpec | None = None) -> list[Finding]:
    """Return the findings of policy of a run folder, with its ``card.yaml`` as it stands now; see :func:`policy_of`.

    Args:
        run: the run folder, or its ``results.json``.
        results: what it holds.
        also: a further deployment to judge by.

    Raises:
        ResultsError: when the deployment in the results cannot be read.
        PlanError: when ``card.yaml`` cannot be read, or names a context that is not known.
    """
    card = (run if run.is_dir() else run.parent) / CARD_FILE
    try:
        stated = stated_contexts(card.read_bytes()) if card.exists() else ()
    except OSError as error:
        raise PlanError(f"{card} cannot be read: {error}") from error
    return policy_of(results, stated, also)


def deployment_of(plan: str | Path) -> DeploymentSpec | None:
    """Return the deployment that a plan or a file of gates states, ``None`` where it states none.

    Raises:
        PlanError: when the file cannot be read, or its deployment is not one.
    """
    try:
        content = read_yaml(Path(plan).read_text(encoding="utf-8")).content
        written = content.get("deployment") if isinstance(content, dict) else None
        return None if written is None else DeploymentSpec.model_validate(written)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise PlanError(f"{plan} cannot be read: {error}") from error
    except ValidationError as error:
        raise PlanError(f"{plan}: deployment: {describe_faults(error.errors())}") from error


def stated_contexts(card: str | bytes) -> tuple[str, ...]:
    """Read ``intended_use.deployment_context`` out of the text of a ``card.yaml``, and nothing else of it.

    Raises:
        PlanError: when the text is not YAML, or names a context that is not known.
    """
    try:
        content = yaml.load(card, yaml.BaseLoader)  # makes texts, lists and mappings of texts only
    except yaml.YAMLError as error:
        raise PlanError(f"card.yaml is not valid YAML: {error}") from error
    use = content.get("intended_use") if isinstance(content, dict) else None
    value = use.get("deployment_context") if isinstance(use, dict) else None
    texts = [str(text).strip() for text in (value if isinstance(value, list) else [value]) if text is not None]
    contexts = tuple(text for text in texts if text not in _NOTHING)
    known = get_args(Deployment)
    for context in contexts:
        if context not in known:
            raise PlanError(
                f"card.yaml: intended_use.deployment_context is {context[:40]!r}, expected one or more of "
                f"{', '.join(known)}{nearest(context, known)}"
            )
    return contexts


def infers_emotions(task: str, classes: Sequence[str]) -> Literal["infers", "could", "no"]:
    """Tell how a target stands to emotions, by its declared task and the names of its classes.

    Valence and arousal are dimensions of affect. An expression target counts as inferring emotions unless every class
    names a movement that anyone can see or a physical state (Recital 18), which then only could serve to infer them;
    so do action units. Forgery detection and verification do not.
    """
    kind = rules().tasks.get(task)
    if kind == "by classes":
        return "could" if classes and all(_plain(name) in rules().apparent for name in classes) else "infers"
    return kind if kind is not None else "no"


def outside_union(regions: Sequence[str]) -> bool:
    """Tell whether every region is known to lie outside the European Union and its economic area."""
    return bool(regions) and all(_is_outside(region) for region in regions)


def _is_outside(region: str) -> bool:
    name = " ".join(region.upper().split())
    if name in rules().union:
        return False
    country = re.fullmatch(r"([A-Z]{2})-[A-Z0-9]{1,3}", name)  # a subdivision such as US-CA
    return name in rules().outside or (country is not None and country[1] in rules().outside)


def _emotions(
    task: str, classes: Sequence[str], deployment: DeploymentSpec | None, contexts: Sequence[str]
) -> Iterator[Finding]:
    """Article 5(1)(f): emotions inferred at work or in education."""
    kind = infers_emotions(task, classes)
    touched = [context for context in contexts if context in rules().contexts_of_5_1_f]
    if kind == "no" or not touched:
        return
    row = rules().provisions[EMOTIONS_AT_WORK]
    where = " and ".join("education" if context == "education" else "the workplace" for context in touched)
    if deployment is not None and deployment.ground is not None:
        yield Finding(
            id=EMOTIONS_AT_WORK,
            severity="note",
            claim=f"The model {_does(kind)} emotions and is to run in {where}; the plan states a {deployment.ground} "
            f"ground, which {row.provision} excepts. The ground must be shown by documents; this audit has seen none.",
            caveats=_caveats(row),
        )
        return
    severity, outside = _severity("high" if kind == "infers" else "medium", deployment)
    claim = (
        f"The model {_does(kind)} emotions{_by_what(task, classes)} and is to run in {where} without a medical or "
        f"safety ground. {row.provision} prohibits such use"
    )
    claim += f" in the European Union since {row.since}. "
    if outside:
        claim += _outside_told(deployment)
    elif kind == "infers":
        claim += "No threshold and no waiver changes this."
    else:
        claim += (
            "It does not reach movements that anyone can see as long as nobody infers emotions from them: that must "
            "be shown of the use."
        )
    yield Finding(id=EMOTIONS_AT_WORK, severity=severity, claim=claim, caveats=_caveats(row))


def _categories(
    classes: Sequence[str], deployment: DeploymentSpec | None, contexts: Sequence[str]
) -> Iterator[Finding]:
    """Article 5(1)(g): people categorised by sensitive attributes; only the names of the classes can tell."""
    touched = [kind for kind, words in rules().sensitive.items() if _names(classes, words)]
    if not touched:
        return
    row = rules().provisions[CATEGORISATION]
    severity, outside = _severity("medium", deployment)
    claim = (
        f"By the names of its classes ({_shown(classes)}) the model sorts people by {' or '.join(touched)}. "
        f"{row.provision} prohibits categorising people one by one from biometric data to deduce or infer that, in the "
        f"European Union since {row.since}. "
    )
    if outside:
        claim += _outside_told(deployment)
    elif set(contexts) == {"research"}:
        severity = "note"
        claim += "The stated context is research only; whether that is outside the scope must be shown."
    caveats = [
        "Checked were the names of the target's classes against a list of English words. What is inferred from other "
        "outputs is not seen, and attributes of the data that only serve to compare groups are not meant.",
        *_caveats(row),
    ]
    yield Finding(id=CATEGORISATION, severity=severity, claim=claim.strip(), caveats=caveats)


def _severity(severity: Severity, deployment: DeploymentSpec | None) -> tuple[Severity, bool]:
    """Return the severity, lower where every stated region lies outside the Union, and whether it does."""
    outside = deployment is not None and outside_union(deployment.regions)
    return (_OUTSIDE[severity] if outside else severity), outside


def _outside_told(deployment: DeploymentSpec | None) -> str:
    assert deployment is not None  # only stated regions can lie outside
    return (
        f"The plan names {', '.join(deployment.regions)} only, outside the Union. The Regulation also reaches "
        "providers and deployers elsewhere whose output is used in the Union (Article 2(1)(c))."
    )


def _caveats(row: Prohibition) -> list[str]:
    return [f"A pointer for a person, not legal advice. Source: {row.source}; {row.standing}."]


def _does(kind: str) -> str:
    return "infers" if kind == "infers" else "could serve to infer"


def _by_what(task: str, classes: Sequence[str]) -> str:
    """Say by what a target was taken to infer emotions."""
    if task == "expression":
        named = [name for name in classes if _plain(name) in rules().emotions]
        other = [name for name in classes if _plain(name) not in rules().apparent]
        if named:
            return f" (by its classes {_shown(named)})"
        if other:
            return f" (its classes {_shown(other)} are not known to name mere movements)"
        return f" (its classes {_shown(classes)} name movements or physical states)"
    return " (by its task, action units)" if task == "action_units" else " (by its task, valence and arousal)"


def _names(classes: Sequence[str], words: frozenset[str]) -> bool:
    """Tell whether classes sort people by these words: two classes do, or one beside nothing but a rest."""
    plain = [_plain(name) for name in classes]
    hits = [name for name in plain if re.sub(r"^(not|non|no) ", "", name) in words]
    return len(hits) > 1 or (bool(hits) and all(name in rules().rest for name in plain if name not in hits))


def _shown(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (" and others" if len(names) > most else "")


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[^0-9a-z]+", " ", name.lower()).split())
