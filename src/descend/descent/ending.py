"""The verdict on a finished run: from why the loop ended to an outcome with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from descend.descent.outcome import Judgement, Outcome, gradient_scale, length, step_that_helps, surroundings
from descend.descent.watch import Ended
from descend.objectives.parameters import as_vector, dtype_of

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["Ended", "judge"]


def judge(
    run: Run, ended: Ended, gtol: float, first: tuple[Any, Any], xtol: float | None, ftol: float | None
) -> Judgement:
    """Name the outcome of a run.

    Parameters
    ----------
    ended
        Why the loop stopped.
    gtol
        The gradient norm at which it would have stopped; negative if it was not asked to.
    first
        Cost and gradient at the start.
    xtol, ftol
        The tolerances as the user gave them.
    """
    if ended is Ended.NOT_FINITE:
        return Judgement(Outcome.DIVERGED, _not_finite(run))
    f, grad, size = run.cost_and_gradient()
    first_f, first_size = float(first[0]), length(first[1])
    if ended is Ended.SMALL_GRADIENT:
        return _stationary(run, f, grad, size, gtol, first_f)
    if ended is Ended.INTERRUPTED:
        return Judgement(Outcome.INTERRUPTED, f"after step {run.nit:,}, at cost {run.fun:.6g}")
    if ended is Ended.OUT_OF_TIME:
        return Judgement(Outcome.OUT_OF_TIME, f"after {run.seconds:.3g} s and {run.nit:,} steps, at cost {run.fun:.6g}")
    eps = float(np.finfo(dtype_of(run.x_array)).eps)
    local = eps**0.5 * min(1.0, gradient_scale(run.problem, run.x_array, grad))
    if size <= local and (gtol >= 0 or run.sampling is not None):
        return _stationary(run, f, grad, size, local, first_f)
    if f > first_f and size > first_size:
        return Judgement(
            Outcome.DIVERGED,
            f"after {run.nit:,} steps the cost is {run.fun:.6g}, worse than {run.problem.sign * first_f:.6g} at the "
            f"start, and its gradient has grown from {first_size:.3g} to {size:.3g}; try a smaller learning rate",
        )
    if ended is Ended.STANDS_STILL:
        return _stuck(run, "x no longer moves", f, grad, size, xtol or 0.0, ftol or 0.0)
    if ended is Ended.NO_PROGRESS:
        return _stuck(run, "the cost no longer falls", f, grad, size, xtol or 0.0, ftol or 0.0)
    return Judgement(
        Outcome.STEPS_EXHAUSTED,
        f"after {run.nit:,} steps the cost is {run.fun:.6g} and the gradient norm {size:.3g}"
        + (f" (tolerance {gtol:.2g})" if gtol > 0 else ""),
    )


def _stationary(run: Run, f: float, grad: Any, size: float, tolerance: float, first: float) -> Judgement:
    falls, kind = ("falls", "maximum or saddle") if run.problem.sign > 0 else ("rises", "minimum or saddle")
    flat, toward = surroundings(run.problem, run.x_array, f, grad)
    if toward:
        return Judgement(
            Outcome.STALLED,
            f"the gradient is as good as zero, but the cost {falls} along {toward}: a {kind}. "
            "Start elsewhere, or a little beside it",
        )
    if flat and f >= first:
        return Judgement(
            Outcome.STALLED,
            f"the cost is flat around x and as high as at the start ({run.fun:.6g}): a plateau. Start elsewhere",
        )
    extreme = "minimum" if run.problem.sign > 0 else "maximum"
    where = "all over the data, " if run.sampling is not None else ""
    return Judgement(
        Outcome.CONVERGED,
        f"{where}the gradient norm {size:.2g} is within the tolerance {tolerance:.2g} after {run.nit:,} steps "
        f"({extreme} {run.fun:.6g})",
    )


def _stuck(run: Run, what: str, f: float, grad: Any, size: float, xtol: float, ftol: float) -> Judgement:
    far, lowest = step_that_helps(run.problem, run.x_array, f, grad)
    gain = f - lowest
    asked = {
        f"ftol = {ftol:g}": ftol > 0 and gain <= ftol * max(abs(f), abs(lowest)),
        f"xtol = {xtol:g}": xtol > 0 and far <= xtol * float(np.abs(as_vector(run.x_array)).max()),
    }
    for tolerance, is_met in asked.items():
        if is_met:
            return Judgement(
                Outcome.CONVERGED,
                f"{what}, and no step along the gradient would help by more than {tolerance}",
            )
    if gain == 0:
        return Judgement(
            Outcome.PRECISION_FLOOR,
            f"{what} in {run.dtype}, though the gradient norm is {size:.2g}: no step along it lowers the cost "
            f"{run.fun:.6g} by more than rounding" + ("; float64 reaches further" if run.dtype == "float32" else ""),
        )
    made = float(run.trace.lr[-1]) * size
    kind = "longer" if far > made else "shorter"
    return Judgement(
        Outcome.STALLED,
        f"{what}, though a {kind} step along the gradient, of length {far:.2g}, would change it from "
        f"{run.fun:.6g} to {run.problem.sign * lowest:.6g}; try a {'larger' if kind == 'longer' else 'smaller'} "
        "learning rate",
    )


def _not_finite(run: Run) -> str:
    step = run.nit + 1
    steps = f"{run.nit:,} step{'s' if run.nit != 1 else ''}"
    than = "" if run.lr is None else f" than {run.lr:.4g}"
    if len(run.trace) > 1 and run.problem.sign * (run.trace.f[-1] - run.trace.f[0]) < 0 and abs(run.trace.f[-1]) > 1e30:
        return f"at step {step:,} the cost left the range of the numbers, going to {run.fun:.3g}: it has no bound there"
    return (
        f"at step {step:,} the cost or its gradient is not finite; the last finite point, after {steps}, is "
        f"returned (cost {run.fun:.6g}). A smaller learning rate{than} may help"
    )
