"""A linear model of a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from descend.models.linear import LinearModel
from descend.models.losses import Loss, Poisson, loss_named
from descend.models.rows import Rows

__all__ = ["LinearRegression"]


class LinearRegression(RegressorMixin, LinearModel):  # type: ignore[misc]
    """A weighted sum of the columns that predicts a number.

    Without options it is least squares, on standardised columns, by full gradient descent with a step size that
    needs no tuning. With `batch_size=1` it is stochastic gradient descent, compiled.

    Parameters
    ----------
    method
        A method with its rate (`GradientDescent(lr=0.01)`), or its name or class, for which the rate is found by
        trying. Default: gradient descent with Barzilai–Borwein steps; in batches AdaGrad.
    loss
        "squared", "absolute", "huber", "quantile", "poisson", or a loss with its numbers, `Huber(2.0)`.
    l2, l1
        Add l2/2·|w|² + l1·Σ|w| of the scaled coefficients to the mean loss; 0 by default. With l1 coefficients become
        exactly zero.
    batch_size
        Rows that make one step; None for all.
    epochs
        Passes over the data. Default 10, of few rows as many as make 1,000 steps; without batch_size at most 10,000,
        and it ends when it has converged.
    scale
        Standardise the columns; coefficients are in the user's units all the same. Sparse columns keep their zeros.
    fit_intercept, shuffle
        Whether there is a constant term; whether each epoch has its own order.
    validation, patience
        The share of rows held out in training by batches, and after how many epochs without a better loss on them
        training stops, with the best coefficients.
    tol
        The gradient norm that counts as zero without batch_size, relative to the first one; by dtype and number of
        rows unless given.
    warm_start
        A further `fit` goes on where the last one ended, with the same schedule.
    checkpoint, resume
        A file that holds the whole state of training in batches, written every few seconds; with `resume` training
        goes on from it, and ends with the same bits as if it had never been stopped.
    n_jobs
        So many threads share the rows of each batch-wise epoch and change the same coefficients without a lock
        ("Hogwild!"): quicker, above all on sparse rows, and not the same bits each time. Only methods that are
        compiled use it.
    seed
        Of the order of the rows.

    Attributes
    ----------
    coef_, intercept_
        In the user's units, shape (d,) and a number.
    outcome_, message_
        How training ended; it has diverged where that says so, and a ConvergenceWarning is given.
    history_
        The losses on the way.
    rate_
        The rate that was found, where one was sought.
    """

    def _loss(self) -> Loss:
        return loss_named(self.loss, of_classes=False)

    def _targets(self, y: Any, *, first: bool) -> np.ndarray:
        y = y if np.asarray(y).dtype == np.float32 else np.asarray(y, np.float64)
        if isinstance(self._loss(), Poisson) and (y < 0).any():
            raise ValueError(f"the Poisson loss is for counts >= 0, got {y.min():g}")
        targets: np.ndarray = y
        return targets

    def _as_attributes(self, coefficients: np.ndarray, intercept: np.ndarray) -> dict[str, Any]:
        return {"coef_": coefficients, "intercept_": float(intercept)}

    def _score_of(self, predicted: np.ndarray, rows: Rows) -> float:
        y, weights = rows.y.astype(np.float64), rows.weights.astype(np.float64)
        variance = float(weights @ (y - weights @ y / weights.sum()) ** 2)
        # Not scikit-learn's r2_score, whose checks take longer than a chunk of rows.
        return 1 - float(weights @ (y - predicted) ** 2) / variance if variance else np.nan

    def predict(self, X: Any) -> np.ndarray:
        """The expected target of each row, shape (n,)."""
        return np.asarray(self._loss().mean(self._scores(X)))
