"""The classes of a classifier: which there are, and which number each row's has."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["Classifier"]


class Classifier(ClassifierMixin):  # type: ignore[misc]
    """What classifiers have in common; `class_weight` is None, "balanced", or {class: weight}."""

    classes_: np.ndarray
    class_weight: Any
    _classes_were_given = False  # to the first partial_fit, whose rows need not hold all of them

    @property
    def _many_classes(self) -> bool:
        """Whether more than two classes are legal."""
        return True

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows `X` (n, d) and the class of each, `y` (n,), of any type; see `Estimator`."""
        self._classes_were_given = False
        return super().fit(X, y, sample_weight)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some more rows; `classes` names all of them, in the first call."""
        self._check_weights_are_numbers()
        return super().partial_fit(X, y, classes, sample_weight)  # type: ignore[no-any-return]

    def fit_blocks(self, blocks: Any) -> Self:
        """Learn from more rows than memory holds: `blocks()` goes through them anew, as pairs (X, y) of some rows."""
        self._check_weights_are_numbers()
        return super().fit_blocks(blocks)  # type: ignore[no-any-return]

    def _take_classes(self, classes: Any, *, first: bool) -> None:
        """Take the classes that were given; after the `first` call they must be the same."""
        if not first and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(f"classes={list(classes)!r} are not those of the first call, {self.classes_.tolist()}")
        self.classes_ = np.unique(np.asarray(classes))
        self._classes_were_given = True

    def _classes_written(self) -> dict[str, Any]:
        """The classes as plain values for a file."""
        return {"classes": self.classes_.tolist(), "kind_of_classes": self.classes_.dtype.str}

    def _read_classes(self, header: dict[str, Any]) -> None:
        """Take over what `_classes_written` gave; files of the first form know no kind."""
        self.classes_ = np.array(header["classes"], header.get("kind_of_classes"))

    def _check_classes(self) -> None:
        count = len(self.classes_)
        if count < 2:
            raise ValueError(
                f"the target has one class only, {self.classes_.tolist()[0]!r}: there is nothing to tell apart"
            )
        if count > 2 and not self._many_classes:
            raise ValueError(
                f"Only binary classification is supported by {type(self).__name__}, and the target has {count} "
                f"classes: use LogisticRegression, or OneVsRestClassifier({type(self).__name__}())"
            )

    def _places(self, y: Any, *, first: bool) -> np.ndarray:
        """The number of the class of each row; the classes are those of the `first` rows, unless they were given."""
        check_classification_targets(y)
        if first and not self._classes_were_given:
            self.classes_, places = np.unique(y, return_inverse=True)
            self._check_classes()
            return np.asarray(places)
        self._check_classes()
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"the target holds {unknown[:3].tolist()}, which is none of the classes {self.classes_.tolist()[:10]}; "
                "name all of them in the first call, partial_fit(X, y, classes=...)"
            )
        return np.asarray(np.searchsorted(self.classes_, y))

    def _check_weights_are_numbers(self) -> None:
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all rows at once: give the weights as numbers, "
                "{class: weight}"
            )

    def _row_weights(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        given = self.class_weight
        if isinstance(given, dict):
            if wrong := {c: w for c, w in given.items() if not (isinstance(w, int | float | np.number) and w >= 0)}:
                raise ValueError(f"class_weight gives each class a weight >= 0, got {wrong}")
        elif given != "balanced":
            raise ValueError(f'class_weight must be None, "balanced", or {{class: weight}}, got {given!r}')
        if given == "balanced":
            classes, places = np.unique(y, return_inverse=True)
            of_classes = compute_class_weight(given, classes=classes, y=y, sample_weight=sample_weight)
            weights = of_classes[places]
        else:
            weights = compute_sample_weight(given, y)
        return weights if sample_weight is None else weights * sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self._many_classes
        return tags
