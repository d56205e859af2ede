"""A run: where it ended, how, and everything that happened on the way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import jax
import numpy as np

from descend.arguments import no_others
from descend.descent.outcome import Finding, Judgement, Outcome, length
from descend.descent.report import as_html, as_text
from descend.descent.sampling import Sampling
from descend.descent.saving import of_run, saved
from descend.descent.trace import Rows, Trace
from descend.descent.watch import Tolerances
from descend.methods import Rule
from descend.objectives.function import Problem
from descend.objectives.parameters import as_vector, dtype_of, from_vector, variables_of
from descend.stepsizes import StepSize

__all__ = ["Run"]


class Run:
    """The result of `minimize`.

    Attributes
    ----------
    x
        The last point at which cost and gradient were finite, as the start was given: a float for a number,
        else an array or pytree of NumPy arrays in the dtype of the start.
    fun
        The cost there; of all data, where batches were sampled.
    outcome, message
        How the run ended, and the sentence that says so.
    trace
        What happened on the way, see `Trace`.
    method, objective, seed
        What ran.
    gradient, gradient_reason
        How the gradient was got, and, if not exactly, why.

    It also answers to the names of `scipy.optimize.OptimizeResult`: `success` (only for CONVERGED), `status`,
    `nit`, `nfev`, `njev`, `jac`. Evaluations are those of the descent; the few for checks at the start and
    for the verdict at the end are not counted.
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        problem: Problem,
        method: Rule,
        kept: Any,
        trace: Trace,
        sampling: Sampling | None,
        seed: int,
        seconds: float,
    ) -> None:
        self.objective = objective
        self.problem = problem
        self.method = method
        self.x_array = jax.tree.map(np.array, kept)  # the last finite point, 0-d for a number
        self.sampling = sampling
        self.seed = seed
        self.seconds = seconds
        self.judgement: Judgement | None = None
        self.carry: Any = None  # what the loop held at the end, to go on from; None for a run from a file
        self.bad_x: Any = None  # where cost or gradient was not finite, if the run ended there
        self.trace = replace(trace, f=problem.sign * trace.f, sampling=sampling)  # in the user's sign
        self._final: tuple[float, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """With arrays of NumPy, which keep their dtype in another process."""
        return {**vars(self), "carry": jax.tree.map(np.asarray, self.carry)}

    # -- where it ended -----------------------------------------------------------------------------------

    @property
    def x(self) -> Any:
        """The last finite point, as the start was given."""
        kept = self.x_array
        return kept[()] if isinstance(kept, np.ndarray) and kept.ndim == 0 else kept

    @property
    def variables(self) -> tuple[str, ...]:
        """What the numbers in x are called, in the order of the trace's: as the objective names them, or x1, x2, …."""
        return variables_of(None if self.problem.data else self.objective, as_vector(self.x_array).size)

    @property
    def fun(self) -> float:
        """The cost at x."""
        return self.problem.sign * self.cost_and_gradient()[0] + 0.0  # no -0.0

    @property
    def jac(self) -> Any:
        """The gradient of the cost at x."""
        return jax.tree.map(lambda g: self.problem.sign * g, self.cost_and_gradient()[1])

    def cost_and_gradient(self) -> tuple[float, Any, float]:
        """Cost, gradient and the norm of what of it may be followed, at x, of the function that is minimised."""
        if self._final is None:
            value, grad = self.problem.value_and_grad(self.x_array, *self.problem.data)
            self._final = (float(value), grad)
        value, grad = self._final
        return value, grad, length(self.method.slope(self.x_array, grad))

    def settle(self) -> None:
        """Evaluate the last point now, while the objective is what it was.

        A batch may be finite where the whole data is not: then the latest kept point is taken at which all is.
        """
        rows, back = len(self.trace) - 1, 1
        while not np.isfinite(self.cost_and_gradient()[0]) and self.trace.x is not None and rows > 0:
            rows, back = max(0, rows - back), 2 * back
            self.trace.end_at(rows)
            self.x_array = from_vector(self.trace.x[rows], self.x_array)
            self._final = None

    def move_to_bad_x(self, step: int) -> None:
        """Take the point without a gradient after all: it is the better one."""
        self.x_array, self._final = self.bad_x, None
        cost, _, _ = self.cost_and_gradient()
        row = Rows(
            np.array([step]), np.array([self.problem.sign * cost]), np.array([np.nan]), self.trace.lr[-1:],
            self.trace.evaluations[-1:] + self.problem.evaluations_per_gradient,
            None if self.trace.x is None else as_vector(self.bad_x)[None],
        )  # fmt: skip
        self.trace.extend(row, self.trace.seconds[-1], self.seconds)

    @property
    def best(self) -> dict[str, Any]:
        """The best row of the trace: step, f, and x where the trace keeps it (lowest cost, or highest)."""
        row = int(np.nanargmin(self.problem.sign * self.trace.f))
        found = {"step": int(self.trace.step[row]), "f": float(self.trace.f[row])}
        if self.trace.x is not None:
            found["x"] = self.trace.x[row]
        return found

    # -- how it ended -------------------------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it runs (in a callback)."""
        return self.judgement.outcome if self.judgement else None

    @property
    def message(self) -> str:
        """The outcome as a sentence."""
        return self.judgement.message if self.judgement else "Running"

    @property
    def finding(self) -> Finding | None:
        """What was found around the end."""
        return self.judgement.finding if self.judgement else None

    @property
    def success(self) -> bool:
        """Whether the run converged."""
        return self.outcome is Outcome.CONVERGED

    @property
    def status(self) -> int:
        """0 for CONVERGED, else the place of the outcome in `Outcome`."""
        return -1 if self.outcome is None else list(Outcome).index(self.outcome)

    @property
    def nit(self) -> int:
        """Steps made to reach x."""
        return int(self.trace.step[-1]) if len(self.trace) else 0

    @property
    def nfev(self) -> int:
        """Evaluations of the objective by the descent, up to x (those of differences included)."""
        return int(self.trace.evaluations[-1]) if len(self.trace) else 0

    @property
    def njev(self) -> int:
        """Evaluations of the gradient by the descent, up to x."""
        return self.nit + 1

    def resume(
        self,
        *,
        steps: int | None = None,
        epochs: int | None = None,
        gtol: float | None = None,
        xtol: float | None = None,
        ftol: float | None = None,
        time_limit: float | None = None,
        callback: Callable[[Run], object] | None = None,
        progress: bool | None = None,
        **others: Never,
    ) -> Run:
        """Go on from where the run stands, with the method's momentum, its schedule and the order of the data.

        So many steps and so many more end where all of them at once do, to the last bit. This run is not changed.

        Parameters
        ----------
        steps, epochs
            So many more at most, as in `minimize`.
        gtol, xtol, ftol, time_limit, callback, progress
            As in `minimize`.

        Returns
        -------
        Run
            The whole of it, from the first start on.

        Raises
        ------
        ValueError
            The run came to where it is not finite, or was read from a file, which holds no state.
        """
        from descend.descent.minimize import resume

        no_others(Run.resume, others)
        return resume(self, steps, epochs, Tolerances(gtol, xtol, ftol), time_limit, callback, progress)

    def explain(self) -> Any:
        """Why it ended as it did: a `Diagnosis` with cause, evidence and a cure that was tried."""
        from descend.insight import explain

        return explain(self)

    # -- what ran -----------------------------------------------------------------------------------------

    @property
    def lr(self) -> float | None:
        """The learning rate, or None where a step size chose it."""
        rate = getattr(self.method, "lr", None)
        return None if rate is None or isinstance(rate, StepSize) else float(rate)

    @property
    def dtype(self) -> str:
        """The dtype of the run."""
        return dtype_of(self.x_array).name

    @property
    def gradient(self) -> str:
        """How the gradient was got."""
        return self.problem.gradient

    @property
    def gradient_reason(self) -> str:
        """Why the gradient is not exact; empty if it is."""
        return self.problem.reason

    # -- to look at it ------------------------------------------------------------------------------------

    def plot(self, ax: Any = None) -> Any:
        """The picture that fits the run: its path on the curve, on contours, or its cost; returns the Axes."""
        from descend import plots

        return plots.picture(self, ax)

    def to_pandas(self) -> Any:
        """The trace as a pandas DataFrame."""
        return self.trace.to_pandas()

    def summary(self) -> dict[str, Any]:
        """The result as plain numbers and text, as `descend minimize --json` prints it."""
        outcome = self.outcome
        return {
            "x": as_vector(self.x_array).tolist(),
            "fun": self.fun,
            "outcome": outcome.name if outcome else None,
            "message": self.message,
            "steps": self.nit,
            "nfev": self.nfev,
            "njev": self.njev,
            "method": self.method.name,
            "lr": self.lr,
            "dtype": self.dtype,
        }

    def save(self, path: str | Path) -> Path:
        """Write the run to a .parquet or .json file, which `load_run` reads back; or its trace alone as .csv.

        Where a file cannot hold all that is needed for that, as data, it holds table and summary, and that is told.
        """
        made = of_run(self)
        path = saved(self.trace.columns(), self.summary() | {"run": made}, Path(path))
        if "not_kept" in made and path.suffix != ".csv":
            warnings.warn(f"{path} cannot be read back by load_run: {made['not_kept']}", stacklevel=2)
        return path

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        """Table and picture, for a notebook."""
        from descend import plots

        return as_html(self, plots.as_svg(self))
