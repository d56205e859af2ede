"""The numbers of an estimator's method as parameters of its own, for grid searches: `method__lr`."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator

from descend.methods import Rule

__all__ = ["WithMethod"]

_PREFIX = "method__"


class WithMethod(BaseEstimator):  # type: ignore[misc]
    """An estimator whose parameter `method` may be a rule, which is a value: another number makes another rule.

    `get_params` names no numbers of it, so that `type(model)(**model.get_params())` makes the model again.
    """

    method: Any

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also numbers of the method: `set_params(method__lr=0.1)`.

        Raises
        ------
        ValueError
            There is no such parameter, or the number is outside of its range.
        """
        numbers = {name.removeprefix(_PREFIX): params.pop(name) for name in [*params] if name.startswith(_PREFIX)}
        super().set_params(**params)
        if numbers:
            self.method = _changed(self.method, numbers)
        return self


def _changed(method: Any, numbers: dict[str, Any]) -> Rule:
    if not isinstance(method, Rule):
        raise ValueError(
            f"{_PREFIX}{next(iter(numbers))} needs a method with numbers, Adam(0.1); the method is {method!r}"
        )
    ranges = {name: legal for name, _, legal in method.numbers()}
    for name, value in numbers.items():
        if name not in ranges:
            has = ", ".join(f"{_PREFIX}{legal}" for legal in ranges) or "none"
            raise ValueError(f"there is no parameter {_PREFIX}{name}; those of this method are {has}")
        ranges[name].check(name, value)
    return method.with_numbers(numbers.get)
