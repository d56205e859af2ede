"""Linear models of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from descend.models.classes import Classifier
from descend.models.linear import LinearModel
from descend.models.losses import Loss, loss_named
from descend.models.rows import Rows
from descend.models.softmax import softmax

__all__ = ["LinearClassifier", "LogisticRegression"]


class LinearClassifier(Classifier, LinearModel):
    """A weighted sum of the columns whose side tells which of two classes: support vector machines and their kin.

    For more classes there is `LogisticRegression`, or scikit-learn's `OneVsRestClassifier` around this one.

    Parameters are those of `LinearRegression`, but for

    loss
        "squared_hinge" (smooth, so that full gradients converge), "hinge" or "log".
    class_weight
        None, "balanced", or {class: weight}.
    """

    def __init__(
        self,
        method: Any = None,
        *,
        loss: Any = "squared_hinge",
        l2: float = 1e-3,
        l1: float = 0.0,
        class_weight: Any = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        scale: bool = True,
        fit_intercept: bool = True,
        shuffle: bool = True,
        validation: float = 0.0,
        patience: int | None = None,
        tol: float | None = None,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: bool = False,
        n_jobs: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            method, loss=loss, l2=l2, l1=l1, batch_size=batch_size, epochs=epochs, scale=scale,
            fit_intercept=fit_intercept, shuffle=shuffle, validation=validation, patience=patience,
            tol=tol, warm_start=warm_start, checkpoint=checkpoint, resume=resume,
            n_jobs=n_jobs, seed=seed,
        )  # fmt: skip
        self.class_weight = class_weight

    @property
    def _many_classes(self) -> bool:
        """Whether more than two classes are legal."""
        return False

    def _loss(self) -> Loss:
        return loss_named(self.loss, of_classes=True)

    def _outputs(self) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _targets(self, y: Any, *, first: bool) -> np.ndarray:
        places = self._places(y, first=first)
        return places.astype(np.float64) if len(self.classes_) > 2 else np.where(places == 1, 1.0, -1.0)

    def _as_attributes(self, coefficients: np.ndarray, intercept: np.ndarray) -> dict[str, Any]:
        return {"coef_": np.atleast_2d(coefficients), "intercept_": np.atleast_1d(intercept)}

    def _score_of(self, predicted: np.ndarray, rows: Rows) -> float:
        told = predicted.argmax(axis=1) == rows.y if predicted.ndim > 1 else (predicted > 0) == (rows.y > 0)
        return float(np.average(told, weights=rows.weights)) if rows.weights.any() else np.nan

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores: (n,) for two classes, positive for the second; (n, classes) for more."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row, shape (n,)."""
        scores = self.decision_function(X)
        places = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[places])


class LogisticRegression(LinearClassifier):
    """The probability of each class from a weighted sum of the columns; softmax for more than two.

    Parameters are those of `LinearRegression` and `class_weight` (None, "balanced", or {class: weight}); the loss is
    the logarithmic one, and l2 is 1e-4 by default, so that classes which can be separated have a best line.
    """

    def __init__(
        self,
        method: Any = None,
        *,
        l2: float = 1e-4,
        l1: float = 0.0,
        class_weight: Any = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        scale: bool = True,
        fit_intercept: bool = True,
        shuffle: bool = True,
        validation: float = 0.0,
        patience: int | None = None,
        tol: float | None = None,
        warm_start: bool = False,
        checkpoint: Any = None,
        resume: bool = False,
        n_jobs: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            method, loss="log", l2=l2, l1=l1, class_weight=class_weight, batch_size=batch_size, epochs=epochs,
            scale=scale, fit_intercept=fit_intercept, shuffle=shuffle, validation=validation, patience=patience,
            tol=tol, warm_start=warm_start, checkpoint=checkpoint, resume=resume,
            n_jobs=n_jobs, seed=seed,
        )  # fmt: skip

    @property
    def _many_classes(self) -> bool:
        return True

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, shape (n, classes)."""
        scores = self._scores(X)
        if scores.shape[1] > 1:
            return softmax(scores)
        return np.asarray(expit(np.stack([-scores[:, 0], scores[:, 0]], axis=1)))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of the probabilities, shape (n, classes)."""
        scores = self._scores(X)
        if scores.shape[1] > 1:
            return np.asarray(log_softmax(scores, axis=1))
        return np.asarray(log_expit(np.stack([-scores[:, 0], scores[:, 0]], axis=1)))
