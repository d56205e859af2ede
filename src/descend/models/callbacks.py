"""scikit-learn's callbacks: they are told of each epoch of training, and may stop it after any."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["told_of_epochs"]


@contextlib.contextmanager
def told_of_epochs(
    estimator: Any, epochs: int, attributes: Callable[[np.ndarray], dict[str, Any]]
) -> Iterator[Callable[[np.ndarray], bool]]:
    """A function to be called with the parameters after each epoch, which says whether a callback wants to stop.

    `attributes(parameters)` are those that a copy of the estimator needs to predict.
    """
    whole = estimator._init_callback_context(max_subtasks=epochs)
    whole.call_on_fit_task_begin(estimator=estimator)
    task = whole.subcontext("epoch").call_on_fit_task_begin(estimator=estimator)

    def wants_to_stop(parameters: np.ndarray) -> bool:
        nonlocal task
        stops = task.call_on_fit_task_end(estimator=estimator, reconstruction_attributes=lambda: attributes(parameters))
        is_last = stops or task.task_id + 1 == epochs
        task = None if is_last else whole.subcontext("epoch").call_on_fit_task_begin(estimator=estimator)
        return bool(stops)

    try:
        yield wants_to_stop
    finally:
        if task is not None:  # begun, and not gone through
            task.call_on_fit_task_end(estimator=estimator)
        whole.call_on_fit_task_end(estimator=estimator)
