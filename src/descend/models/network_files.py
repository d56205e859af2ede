"""A fitted network as arrays and plain values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.methods.in_files import as_json, of_json
from descend.models.history import History
from descend.models.network import Inputs
from descend.models.options import options_of, plain_options
from descend.objectives.parameters import as_vector, from_vector

__all__ = ["read_into", "written_down"]


def written_down(network: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the plain values."""
    arrays, header = network._learnt()
    arrays |= {"weights": as_vector(network.layers_), "shift": network._inputs.shift, "scale": network._inputs.scale}
    if network._offset is not None:
        arrays["offset"] = network._offset
    arrays["history"] = np.array([*network.history_.columns().values()])
    header |= {
        "model": type(network).__name__,
        "options": plain_options(network) | {"hidden": [int(width) for width in network._hidden()]},
        "inputs": network.layers_[0].W.shape[0],
        "method": as_json(network.method),
        "columns": [str(name) for name in getattr(network, "feature_names_in_", [])],
        "image_shape": list(network._image_shape),
        "is_of_mnist": bool(network._is_of_mnist),
        **network._ending_written(),
    }
    return arrays | network._steps_written(), header


def read_into(network: Any, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Make a network the one that was written down."""
    options = options_of(header)
    network.set_params(**{**options, "hidden": tuple(options["hidden"]), "method": of_json(header.get("method"))})
    network._inputs, network._offset = Inputs(arrays["shift"], arrays["scale"]), arrays.get("offset")
    network._relearn(arrays, header)
    network.layers_ = network._network(header["inputs"]).start(0, network.init, network._kind())
    network.layers_ = from_vector(arrays["weights"], network.layers_)
    network.history_, network._made_with = History.of_table(arrays["history"]), network._written()
    network._read_steps(arrays)
    network._image_shape, network.n_features_in_ = tuple(header["image_shape"]), header["inputs"]
    network._is_of_mnist = header["is_of_mnist"]
    if header["columns"]:
        network.feature_names_in_ = np.array(header["columns"], object)
    network._read_ending(header)
