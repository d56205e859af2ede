"""The door from SciPy: `scipy.optimize.minimize(fun, x0, method=descend.scipy(Adam(0.1)))`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.descent.minimize import minimize

__all__ = ["scipy"]

_OPTIONS = {"maxiter": "steps", "tol": "gtol", "gtol": "gtol", "xtol": "xtol", "ftol": "ftol"}


def scipy(method: Any = None) -> Callable[..., Any]:
    """A `method=` for `scipy.optimize.minimize`.

    `jac` may be a function, True, or left out (then the objective is traced, or differences are taken).
    SciPy's `tol` and the options maxiter, gtol, xtol, ftol are understood; `callback(x)` is called about ten
    times a second.

    Raises
    ------
    ValueError
        Bounds, constraints, or an unknown option: gradient descent as it stands has none.
    """

    def solve(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), **given: Any) -> Any:
        from scipy.optimize import OptimizeResult

        jac, callback = given.pop("jac", None), given.pop("callback", None)
        for name in ("hess", "hessp"):
            given.pop(name, None)  # SciPy hands them on for every method; a first-order one has no use for them
        for name in ("bounds", "constraints"):
            if given.pop(name, None):
                raise ValueError(f"descend's methods know no {name}; use SciPy's own L-BFGS-B or SLSQP")
        unknown = set(given) - set(_OPTIONS)
        if unknown:
            raise ValueError(f"unknown option {sorted(unknown)[0]!r}; legal: {', '.join(_OPTIONS)}")
        options = {_OPTIONS[name]: value for name, value in given.items() if value is not None}
        run = minimize(
            lambda x: fun(x, *args),
            x0,
            method,
            grad=(lambda x: jac(x, *args)) if callable(jac) else None,
            callback=(lambda so_far: callback(so_far.x)) if callback is not None else None,
            **options,
        )
        return OptimizeResult(
            x=run.x, fun=run.fun, jac=run.jac, success=run.success, status=run.status, message=run.message,
            nit=run.nit, nfev=run.nfev, njev=run.njev, run=run,
        )  # fmt: skip

    return solve
