from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.audit.forgery.made_forgeries import showing
from countenance.core.faces import Faces
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext
from countenance.core.statistics.rules import StatisticsRules


def test_nobody_is_shown_by_way_of_anothers_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """A swapped-in face is in the picture: a face is shown only if those brought into it may be shown, too."""
    frame = pd.DataFrame({"face_id": list("abcd"), "may_publish": [True, True, True, False]})
    context = ProbeContext(
        probe_id="made_forgeries",
        faces=Faces(frame),
        predictions=Predictions("forgery", ("genuine", "forged"), np.full((4, 2), 0.5), np.zeros(4)),
        target=None,
        rules=StatisticsRules(),
        seed=0,
        batch_size=4,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )
    given: list[Any] = []
    monkeypatch.setattr(showing, "strip", lambda narrowed, *_, **__: given.append(narrowed) or iter(()))
    asking: Any = SimpleNamespace(pool=SimpleNamespace(photos={0: None, 1: None, 3: None}))
    partners = {"morph": {0: 1, 1: 3, 3: 0}, "self_blend": {0: 0, 1: 1, 3: 3}}
    list(showing.shown(context, asking, partners, ["self_blend", "morph"]))
    assert given[0].faces.frame["may_publish"].tolist() == [True, False, False, False]
    list(showing.shown(context, asking, partners, ["self_blend"]))
    assert given[1].faces.frame["may_publish"].tolist() == [True, True, False, False]
