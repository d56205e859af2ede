"""The parameters of an estimator as plain values for a file, and back; its method is written by `methods.in_files`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["options_of", "plain_options"]

_OF_A_RUN = {"method", "checkpoint", "resume"}  # not of a model that is read from a file


def plain_options(estimator: Any, *without: str) -> dict[str, Any]:
    """Name → value of its parameters."""
    options = {n: _plain(v) for n, v in estimator.get_params().items() if n not in {*_OF_A_RUN, *without}}
    if isinstance(options.get("class_weight"), dict):  # JSON knows keys of text alone
        options["class_weight"] = [[_plain(key), _plain(weight)] for key, weight in options["class_weight"].items()]
    return options


def options_of(header: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a header holds."""
    options: dict[str, Any] = dict(header["options"])
    if isinstance(options.get("class_weight"), list):
        options["class_weight"] = dict(options["class_weight"])
    return options


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
