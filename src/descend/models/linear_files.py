"""A fitted linear model as arrays and plain values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods.in_files import as_json, of_json
from descend.models.costs import Scaling
from descend.models.history import History
from descend.models.losses import loss_named
from descend.models.options import options_of, plain_options
from descend.models.rows import Moments

__all__ = ["read_into", "written_down"]


def written_down(estimator: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the plain values."""
    moments, classes = estimator._moments, getattr(estimator, "classes_", None)
    loss = estimator._loss()
    arrays = {
        "coef": np.asarray(estimator.coef_),
        "intercept": np.atleast_1d(estimator.intercept_),
        "history": np.array([*estimator.history_.columns().values()]),
        "weights": estimator._weights,
        "shift": estimator._scaling.shift,
        "scale": estimator._scaling.scale,
    }
    if estimator._begun_at is not None:
        arrays["begun_at"] = estimator._begun_at
    if moments is not None:
        arrays |= {"mean": moments.mean, "squares": moments.squares}
        arrays |= {} if moments.stored is None else {"stored": moments.stored}
    header = {
        "model": type(estimator).__name__,
        "loss": [type(loss).__name__, *loss.arguments],
        **({"classes": None} if classes is None else estimator._classes_written()),
        **estimator._ending_written(),
        "count": None if moments is None else moments.count,
        "sparse": bool(estimator._sparse),
        "method": as_json(estimator.method),
        "columns": [str(name) for name in getattr(estimator, "feature_names_in_", [])],
        "options": plain_options(estimator, "loss"),
    }
    return arrays | estimator._steps_written(), header


def read_into(estimator: Any, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Make an estimator the one that was written down."""
    is_classifier = header["classes"] is not None
    if "loss" in estimator.get_params():
        estimator.set_params(loss=_loss_of_json(header["loss"], of_classes=is_classifier))
    estimator.coef_ = arrays["coef"]
    estimator.intercept_ = arrays["intercept"] if is_classifier else float(arrays["intercept"][0])
    estimator.n_features_in_ = arrays["coef"].shape[-1]
    if header.get("columns"):
        estimator.feature_names_in_ = np.array(header["columns"], object)
    estimator._read_ending(header)
    estimator.history_ = History.of_table(arrays["history"])
    if is_classifier:
        estimator._read_classes(header)
    estimator.set_params(**options_of(header), method=of_json(header.get("method")))
    estimator._weights, estimator._sparse = arrays["weights"], header["sparse"]
    estimator._begun_at = arrays.get("begun_at")
    estimator._read_steps(arrays)
    estimator._moments, estimator._made_with = None, estimator._written()
    if header["count"] is not None:
        estimator._moments = Moments(header["count"], arrays["mean"], arrays["squares"], arrays.get("stored"))
    estimator._scaling = Scaling(
        arrays["shift"], arrays["scale"], intercept=header["options"]["fit_intercept"], kind=arrays["scale"].dtype
    )


def _loss_of_json(values: list[Any], *, of_classes: bool) -> Any:
    from descend.models import losses

    kinds = {name: getattr(losses, name) for name in losses.__all__}
    return loss_named(kinds[values[0]](*values[1:]), of_classes=of_classes)
