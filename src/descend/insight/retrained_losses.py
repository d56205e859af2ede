"""Short trainings of a loss of the user's own, which `train` has trained."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from descend.descent import Outcome
from descend.insight.changed_methods import rescaled, round_rate
from descend.insight.retraining import Retraining, largest
from descend.models.history import History
from descend.objectives.parameters import as_parameters

__all__ = ["OfTraining"]

_OTHER_SCALE = 10.0  # times as large, or so many deviations from zero
_FAR = 5.0  # standard deviations from zero: the constant bends the loss so many times squared as much
_STEPS_ASIDE = (2e-2, 5e-3, 1e-3, 2e-4, 4e-5, 8e-6)  # of the length of an array: differences over these tell its slope
_FEWEST, _EXACT = 3, 0.02  # so many of them must be exact to that share of the slope
_FAR_AWAY = (1.0, -1.0, 10.0, -10.0, 100.0, -100.0)  # times the size of the numbers
_TIED = 1e-4  # of their size, by which numbers may differ by rounding
_DEEP = 3  # matrices
_USUAL, _REPEATED = 4.0, 0.5  # times as large or small as usual; share of numbers that are their own
_ARRAYS, _LEAST_SIZE = 16, 0.1  # so many are looked at; the size of numbers that are zero
_AGREE, _DIFFER = 0.03, 0.1  # shares by which slopes that are one agree, and by which two slopes differ


class OfTraining(Retraining):
    """Of what `train` has trained."""

    def __init__(self, training: Any) -> None:
        size, epochs = (training.again.keywords[name] for name in ("batch_size", "epochs"))
        super().__init__(training.history, training.outcome, training.method, training.rows, size, epochs)
        self._training = training

    def _made(self, changes: dict[str, Any], *, onward: bool) -> tuple[Outcome, History]:
        made = self._training.again(**({"params": self._training.params} if onward else {}), **changes)
        return made.outcome, made.history

    def other_ways(self) -> list[tuple[str, dict[str, Any]]]:
        """Matrices drawn at random, or numbers that differ. Source: Glorot & Bengio (2010), AISTATS."""
        draw, leaves = np.random.default_rng(0), jax.tree.leaves(self.parameters)
        matrices = [leaf for leaf in leaves if np.ndim(leaf) >= 2]
        if not matrices:
            return self._apart()
        if not self.unreached and all(map(_is_drawn, matrices)):
            return []

        def begun(leaf: Any) -> Any:
            if np.ndim(leaf) < 2:
                return np.zeros_like(leaf)
            return draw.uniform(-1, 1, np.shape(leaf)).astype(leaf.dtype) * leaf.dtype.type(_bound_of(leaf))

        cure = "begin with random matrices, ±√(6/(rows + columns)), and zeros in the rest"
        return [(cure, {"params": jax.tree.map(begun, self._training.params)})]

    @property
    def parameters(self) -> Any:
        """See `Retraining.parameters`."""
        return as_parameters(self._training.again.keywords["params"])

    def _apart(self) -> list[tuple[str, dict[str, Any]]]:
        """Arrays whose numbers were all one, and have stayed so, begun a little apart, if they have a slope there."""
        leaves, structure = jax.tree.flatten(self.parameters)
        tied = [place for place, leaf in enumerate(leaves) if self._is_tied(place, leaf)]
        draw = np.random.default_rng(0)
        for place in tied:
            leaf = leaves[place]
            leaves[place] = leaf + (0.1 * max(1, abs(leaf.flat[0])) * draw.normal(size=leaf.shape)).astype(leaf.dtype)
        params = jax.tree.unflatten(structure, leaves)
        slopes = self._training.gradient(params) if tied else []
        if not any(np.any(slopes[place][1] != 0) for place in tied):
            return []
        return [("begin with numbers that differ from each other", {"params": params})]

    def _is_tied(self, place: int, leaf: Any) -> bool:
        ended = jax.tree.leaves(self._training.params)[place]
        return bool(np.size(leaf) > 1 and np.ptp(leaf) == 0 and np.ptp(ended) <= _TIED * np.abs(ended).max())

    @property
    def is_deep(self) -> bool:
        """See `Retraining.is_deep`."""
        leaves = jax.tree.leaves(self.parameters)
        return sum(np.ndim(leaf) >= 2 for leaf in leaves) >= _DEEP

    @property
    def knows_rows_held_out(self) -> bool:
        """See `Retraining.knows_rows_held_out`."""
        return bool(self._training.knows_rows_held_out())

    @cached_property
    def never_reached(self) -> list[str]:
        """See `Retraining.never_reached`."""
        elsewhere, _ = self._elsewhere
        return [
            name for place, name in self._places_unreached
            if name not in self.dead and any(self._matters(params, place) for params in elsewhere)
        ]  # fmt: skip

    @cached_property
    def dead(self) -> list[str]:
        """See `Retraining.dead`."""
        _, gradients = self._elsewhere
        return [
            name for place, name in self._places_unreached
            if any(np.any(np.isfinite(g := found[place][1]) & (g != 0)) for found in gradients)
        ]  # fmt: skip

    @property
    def stuck(self) -> list[str]:
        """See `Retraining.stuck`."""
        began, ended = (jax.tree.leaves(params) for params in (self.parameters, self._training.params))
        stayed = {name for place, name in self._places_unreached if np.array_equal(began[place], ended[place])}
        return [name for name in self.dead if name in stayed]

    @cached_property
    def _elsewhere(self) -> tuple[list[Any], list[Any]]:
        """Other parameters, the farther the more certain that units which have died are alive; the gradients there."""
        start = self.parameters
        draw = np.random.default_rng(0)
        others = [jax.tree.map(partial(_moved, draw=draw, far=far), start) for far in _FAR_AWAY]
        return others, [self._training.gradient(params) for params in (start, *others)]

    def _matters(self, params: Any, place: int) -> bool:
        """Whether the loss depends on the array at that place."""
        leaves, structure = jax.tree.flatten(params)
        leaves[place] = _moved(leaves[place], np.random.default_rng(0))
        return bool(self._training.loss(jax.tree.unflatten(structure, leaves)) != self._training.loss(params))

    @property
    def false_slopes(self) -> dict[str, float]:
        """See `Retraining.false_slopes`: array by array, along the gradient, at the start and at the end."""
        for params in (self.parameters, self._training.params):
            for place, (name, gradient) in enumerate(self._training.gradient(params)[:_ARRAYS]):
                slope = float(np.linalg.norm(gradient.astype(float)))
                if name in self.unreached or not 0 < slope < np.inf:
                    continue
                quotients = self._quotients(params, place, gradient / slope, slope)
                if len(quotients) < _FEWEST:
                    continue
                quotient = quotients[-1]
                agree = np.ptp(quotients) <= _AGREE * abs(quotient)
                if agree and abs(slope - quotient) > _DIFFER * max(slope, abs(quotient)):
                    where = f"slope along {name}" if name else "slope"
                    return {f"{where}, by the gradient": slope, "by differences of the loss": quotient}
        return {}

    def _quotients(self, params: Any, place: int, way: np.ndarray, slope: float) -> list[float]:
        """The slope of the loss along a way of one array, by differences over ever shorter lengths.

        Those are left out in which the rounding of the loss hides the slope that is to be judged.
        """
        leaves, structure = jax.tree.flatten(params)
        at = leaves[place]
        reach = max(float(np.linalg.norm(at)), _LEAST_SIZE * at.size**0.5)

        def loss(far: float) -> float:
            leaves[place] = np.asarray(at + far * way, at.dtype)
            return float(self._training.loss(jax.tree.unflatten(structure, leaves)))

        rounding = float(np.finfo(at.dtype).eps) * abs(loss(0.0))
        quotients = []
        for far in (by * reach for by in _STEPS_ASIDE):
            quotient = (loss(far) - loss(-far)) / (2 * far)
            if rounding / far <= _EXACT * max(slope, abs(quotient)):
                quotients.append(quotient)
        return quotients

    def scaled(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Retraining.scaled`: of the first table among the data."""
        table = self._table
        if table is None or not _differ(table):
            return []
        spread = table.std(axis=0)
        made = ((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(table.dtype)
        data = self._training.again.keywords["data"]
        changed = tuple(made if part is table else part for part in data) if isinstance(data, tuple) else made
        cure = "scale the columns of the data, (X - X.mean(axis=0)) / X.std(axis=0)"
        cure += "" if (spread > 0).all() else ", by 1 where that is 0"
        ways: list[tuple[str, dict[str, Any]]] = [(cure, {"data": changed})]
        for factor in (_relief(table, made), 1e4, 1e6):  # the rate was small because a column was large
            larger = rescaled(self.method, factor)
            if larger is not None:
                ways.append((f"{cure}, and {larger.how}", {"data": changed, "method": larger.method}))
        return [*ways, (f"{cure}, and leave method out", {"data": changed, "method": None})]

    @property
    def lies_far(self) -> bool:
        """Whether a column lies far from zero: then the start may be far above what a constant has."""
        return self._table is not None and _lies_far(self._table)

    def largest_columns(self) -> dict[str, str]:
        """See `Retraining.largest_columns`."""
        table = self._table
        return {} if table is None else largest(table, [f"column {j}" for j in range(table.shape[1])])

    @property
    def _table(self) -> np.ndarray | None:
        data = self._training.again.keywords["data"]
        parts = data if isinstance(data, tuple) else (data,)
        first = next((part for part in parts if getattr(part, "ndim", 0) == 2), None)
        return first if isinstance(first, np.ndarray) and first.dtype.kind == "f" else None

    @property
    def unreached(self) -> list[str]:
        """See `Retraining.unreached`."""
        return [name for _, name in self._places_unreached]

    @cached_property
    def _places_unreached(self) -> list[tuple[int, str]]:
        params = self._training.params
        leaves = jax.tree.leaves(params)
        trifle = float(np.finfo(leaves[0].dtype).eps * abs(self._training.loss(params)))
        return [
            (place, name)
            for place, ((name, slope), leaf) in enumerate(zip(self._training.gradient(params), leaves, strict=True))
            if not np.abs(slope).max(initial=0) * (0.5 + np.abs(leaf).max(initial=0)) > trifle
        ]

    @property
    def lost(self) -> list[str]:
        """See `Retraining.lost`."""
        start = self._training.again.keywords["params"]
        return [name for name, leaf in self._training.gradient(start) if not np.isfinite(leaf).all()]


def _moved(leaf: Any, draw: np.random.Generator, far: float = 1.0) -> np.ndarray:
    way = draw.normal(size=np.shape(leaf)) * (0.5 + np.abs(leaf))
    return np.asarray(leaf + far * way, leaf.dtype)


def _relief(table: np.ndarray, made: np.ndarray) -> float:
    """By how much least squares on columns and a constant bend less where the columns are scaled."""
    before, after = (np.linalg.norm(np.column_stack([each, np.ones(len(each))]), 2) for each in (table, made))
    return round_rate(float(before / after) ** 2)


def _differ(table: np.ndarray) -> bool:
    """Whether columns differ much in scale, or lie far from zero."""
    size = np.abs(table).max(axis=0)
    sizes = size[size > 0]
    return bool(len(sizes) and sizes.max() > _OTHER_SCALE * sizes.min()) or _lies_far(table)


def _lies_far(table: np.ndarray) -> bool:
    """Whether a column that varies does so far from zero."""
    spread = table.std(axis=0)
    return bool(((spread > 0) & (np.abs(table.mean(axis=0)) > _FAR * spread)).any())


def _bound_of(leaf: Any) -> float:
    """How large the numbers of a matrix begin. Source: Glorot & Bengio (2010), AISTATS."""
    *field, inputs, outputs = np.shape(leaf)
    return float((6 / (np.prod(field) * (inputs + outputs))) ** 0.5)


def _is_drawn(leaf: Any) -> bool:
    """Whether a matrix looks as if it was drawn at random, with numbers of a usual size."""
    size = float(np.std(leaf)) * 3**0.5 / _bound_of(leaf)
    return 1 / _USUAL < size < _USUAL and len(np.unique(leaf)) > _REPEATED * np.size(leaf)
