"""Ridge regression of many targets on the same features, with each person left out in closed form.

Hoerl and Kennard (1970), Technometrics 12:55. All labellings of a permutation test are targets of one regression: the
decomposition of the features is made once for them all.
"""

from __future__ import annotations

import numpy as np

from ....core.statistics.sums import Floats, Integers

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Penalties to choose from, as multiples of the mean eigenvalue of the features' covariance times the faces."""
_SMALLEST = 1e-10


class Ridge:
    """Ridge regression on some training faces, with an intercept that is not penalised.

    Args:
        features: (n, d) of the training faces; standardised here, constant ones are left out.
        weights: (n,) how much each face counts; all alike unless given.
    """

    def __init__(self, features: Floats, weights: Floats | None = None) -> None:
        count = len(features)
        weights = np.ones(count) if weights is None else weights * (count / weights.sum())
        self._mean = weights @ features / count
        spread = np.sqrt(weights @ np.square(features - self._mean) / count)
        self._kept = spread > _SMALLEST * max(float(np.abs(features).max(initial=0.0)), 1.0)
        self._spread = spread[self._kept]
        self._root = np.sqrt(weights)
        rows = self._standardised(features) * self._root[:, None]
        if rows.shape[1] == 0:
            self._left, self._values, self._right = np.zeros((count, 0)), np.zeros(0), np.zeros((0, 0))
        elif rows.shape[1] <= count:
            values, right = np.linalg.eigh(rows.T @ rows)
            usable = values > _SMALLEST * values[-1]
            self._values, self._right = values[usable], right[:, usable]
            self._left = rows @ self._right / np.sqrt(self._values)
        else:
            values, left = np.linalg.eigh(rows @ rows.T)
            usable = values > _SMALLEST * values[-1]
            self._values, self._left = values[usable], left[:, usable]
            self._right = rows.T @ self._left / np.sqrt(self._values)
        self._unit = float(self._values.mean()) if len(self._values) else 1.0

    def _standardised(self, features: Floats) -> Floats:
        standardised: Floats = (features[:, self._kept] - self._mean[self._kept]) / self._spread
        return standardised

    def _shrunk(self, penalty: float) -> Floats:
        shrunk: Floats = self._values / (self._values + penalty * self._unit)
        return shrunk

    def predict(self, features: Floats, targets: Floats, penalty: float) -> Floats:
        """Return the predictions (m, t) for other faces (m, d), fitted to targets (n, t) of the training faces."""
        mean, centred = self._centred(targets)
        onto = self._left.T @ centred
        slopes = self._right @ ((self._shrunk(penalty) / np.sqrt(self._values))[:, None] * onto)
        predicted: Floats = mean + self._standardised(features) @ slopes
        return predicted

    def left_out(self, targets: Floats, penalty: float, people: Integers) -> Floats:
        """Return for each training face the prediction (n, t) of the fit without the faces of its person.

        With the smoother ``H``, residuals ``r`` and the block ``B`` of a person the residuals left out are
        ``(I - H[B, B])^-1 r[B]``; only the means and spreads that standardise the features keep the person in.
        """
        _, centred = self._centred(targets)
        shrunk, count = self._shrunk(penalty), len(targets)
        residual = centred - self._left @ (shrunk[:, None] * (self._left.T @ centred))
        half = self._left * np.sqrt(shrunk)
        order = np.argsort(people, kind="stable")
        sizes = np.unique(people, return_counts=True)[1]
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        out = np.empty_like(residual)
        for size in np.unique(sizes):
            rows = order[starts[sizes == size][:, None] + np.arange(size)]
            block, root = half[rows], self._root[rows]
            smoother = block @ block.transpose(0, 2, 1) + root[:, :, None] * root[:, None, :] / count
            out[rows] = np.linalg.solve(np.eye(size) - smoother, residual[rows])
        return np.asarray(targets - out / self._root[:, None], dtype=np.float64)

    def _centred(self, targets: Floats) -> tuple[Floats, Floats]:
        mean = np.square(self._root) @ targets / len(targets)
        return mean, (targets - mean) * self._root[:, None]
