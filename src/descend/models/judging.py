"""What rows held out say of a model: its score, that without learning, and what is found of each class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from descend.data import DataError

__all__ = ["UNJUDGED", "Judged", "beats_a_constant", "judged_of", "predicted_of", "recalls_of", "score_of"]


def predicted_of(estimator: Any, pairs: Iterator[Any]) -> tuple[np.ndarray, np.ndarray]:
    """What is predicted for all rows, and what was seen."""
    both = [(estimator.predict(X), y) for X, y in pairs]
    if not both:
        raise DataError("there are no rows to predict")
    predicted, seen = (np.concatenate(column) for column in zip(*both, strict=True))
    if is_classifier(estimator):
        _check_classes(estimator, seen)
    return predicted, seen


def _check_classes(estimator: Any, y: np.ndarray) -> None:
    """Refuse numbers that are none of the classes; of text the encoder has refused them."""
    strange = np.setdiff1d(y, estimator.classes_)
    if len(strange):
        known = ", ".join(str(value) for value in estimator.classes_[:10])
        raise DataError(f"the target holds {strange[0]}, which is none of the classes {known}")


def score_of(estimator: Any, y: np.ndarray, predicted: np.ndarray) -> float:
    """The share of right classes, or R²; nan where there is no spread, -inf where predictions are too far off."""
    if is_classifier(estimator):
        return float((predicted == y).mean())
    spread = float(((y - y.mean()) ** 2).sum())
    with np.errstate(over="ignore"):
        return 1 - float(((y - predicted) ** 2).sum()) / spread if spread else np.nan


class Judged(NamedTuple):
    """What the rows held out say of a model; see `TableModel`."""

    score: float
    baseline: float
    recalls: dict[str, tuple[int, float]]


UNJUDGED = Judged(np.nan, np.nan, {})


def judged_of(estimator: Any, y: np.ndarray, predicted: np.ndarray) -> Judged:
    """What rows held out, with these targets, say of an estimator."""
    score = score_of(estimator, y, predicted)
    if not is_classifier(estimator):
        return Judged(score, np.nan, {})
    return Judged(score, float(np.unique(y, return_counts=True)[1].max() / len(y)), recalls_of(y, predicted))


def beats_a_constant(estimator: Any, judged: Judged) -> bool:
    """Whether classes are told better than by the same class for all rows, for all that is known.

    With weights of the classes each counts as much as the others.
    """
    if getattr(estimator, "class_weight", None) is not None and judged.recalls:
        return float(np.mean([right for _, right in judged.recalls.values()])) > 1 / len(judged.recalls)
    return judged.baseline == 1 or not judged.score <= judged.baseline


def recalls_of(y: np.ndarray, predicted: np.ndarray) -> dict[str, tuple[int, float]]:
    """Of each class its rows, and the share of them that is told right."""
    right = predicted == y
    return {str(c): (int((y == c).sum()), float(right[y == c].mean())) for c in np.unique(y)}
