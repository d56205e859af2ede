"""The verdict on a finished run: from why the loop ended to an outcome with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from descend.descent.jumps import falls_without_slope, has_no_slope_near, is_lower_near, jumps_beside, stands_in_steps
from descend.descent.kinks import fall_from_kink
from descend.descent.leaps import leapt_over
from descend.descent.outcome import (
    FAR_DOWN,
    Finding,
    Judgement,
    Outcome,
    gradient_scale,
    has_no_bound,
    length,
    margin,
    noise_of,
    reach_of,
    runs_away,
    step_that_helps,
    surroundings,
)
from descend.descent.watch import Ended, Tolerances
from descend.methods import GradientDescent
from descend.objectives.function import DIFFERENCES
from descend.objectives.parameters import as_vector, dtype_of, from_vector
from descend.sentences import counted
from descend.words import along, difference

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["judge"]

_STILL = "x no longer moves"
_JUMPS = "it changes in jumps (floor, round, a count of errors), which no gradient can see"
_ALONE = 32  # coordinates, those of the largest slopes, along which alone a step is tried
_MUCH = 1e-3  # share of what was gained, from which on that counts
_FEW_ROWS = 10  # kept points of which one can tell whether they lead somewhere
_DROWNED = 1e-7  # share of what was gained, below which differences of the values say nothing
_LEVEL = 1e-4  # share of the first gradient
_DIGITS = 1e3  # times the last digit of the cost, which can be told apart: then a circle is the method's
_TRIFLE = 1e-9  # share of the cost, and of what was gained, that is no longer worth a step
_LEAPT = 1e6  # times as far out as the start: numbers overflow there, and kinks are elsewhere
_LARGE_CONSTANT = 1e6  # in which the digits of a cost may drown
_FADED = 1e-6  # share of its highest rate with which a run comes back from nowhere
_TINY = 1e-30  # numbers that small are on their way to 0


def judge(run: Run, ended: Ended, tolerances: Tolerances, first: tuple[Any, Any]) -> Judgement:
    """Name the outcome of a run.

    Parameters
    ----------
    ended
        Why the loop stopped.
    tolerances
        As the user gave them.
    first
        Cost and gradient at the start.
    """
    if ended is Ended.NOT_FINITE:
        return _not_finite(run)
    f, grad, size = run.cost_and_gradient()
    if ended is Ended.INTERRUPTED:
        return Judgement(Outcome.INTERRUPTED, f"after step {run.nit:,}, at cost {run.fun:.6g}")
    if ended is Ended.OUT_OF_TIME:
        made = f"after {run.seconds:.3g} s and {counted(run.nit, 'step')}, at cost {run.fun:.6g}"
        return Judgement(Outcome.OUT_OF_TIME, made)
    start, end = as_vector(run.problem.x0).astype(np.float64), as_vector(run.x_array).astype(np.float64)
    gone = float(max(np.abs(start).max(), np.abs(end - start).max()))
    scale = gradient_scale(run.problem, run.x_array, grad, gone)
    small = tolerances.gradient(dtype_of(run.x_array), scale)
    first_f, first_size = float(first[0]), length(first[1])
    is_zero = ended is Ended.SMALL_GRADIENT or size <= max(small, 0.0)
    if is_zero or (tolerances.gtol is None and _is_rounded(run, grad, scale, np.maximum(abs(start), abs(end)))):
        usual = Tolerances(None, None, None).gradient(dtype_of(run.x_array), scale)
        return _stationary(run, f, grad, size, first_f, gone, tolerances.gtol if size > usual else None)
    if _is_worse(run, f, first_f):
        growth = f", and its gradient has grown from {first_size:.3g} to {size:.3g}" if size > 1.01 * first_size else ""
        return Judgement(Outcome.DIVERGED, f"{_worse(run, first_f)}{growth}; {_how_to_come_back(run)}")
    if ended is Ended.STANDS_STILL:
        return _stuck(run, _STILL, f, grad, size, tolerances)
    if ended is Ended.NO_PROGRESS:
        return _stuck(run, f"the cost no longer {_falls(run)}", f, grad, size, tolerances)
    if has_no_bound(f, first_f, FAR_DOWN):
        return Judgement(
            Outcome.DIVERGED,
            f"after {counted(run.nit, 'step')} the cost has gone to {run.fun:.3g}: it seems to have no bound",
            Finding.NO_BOUND,
        )
    return Judgement(
        Outcome.STEPS_EXHAUSTED,
        f"after {counted(run.nit, 'step')} the cost is {run.fun:.6g} and the gradient norm {size:.3g}"
        + (f" (tolerance {small:.2g})" if small > 0 else ""),
    )


def _is_rounded(run: Run, grad: Any, scale: float, sizes: np.ndarray) -> bool:
    """Whether the gradient is no larger than its change over a step as short as the rounding of coordinates so large.

    Its scale alone does not tell that: where x counts in small units it is measured far beyond what is bent here.
    """
    rounding, size = 4 * float(np.finfo(dtype_of(run.x_array)).eps), length(grad)
    if not size <= rounding * scale:
        return False
    moved = as_vector(run.x_array) + rounding * sizes * np.sign(as_vector(grad))
    ahead = run.problem.value_and_grad(from_vector(moved, run.x_array), *run.problem.data)[1]
    return not size > 2 * length(difference(ahead, grad))


def _is_worse(run: Run, f: float, first: float) -> bool:
    batches = run.trace.f if run.sampling is not None and run.sampling.samples else None
    return bool(f - first > margin(first, dtype_of(run.x_array), batches) + 4 * run.problem.noise)


def _worse(run: Run, first: float) -> str:
    before = f"worse than {run.problem.sign * first:.6g} at the start"
    return f"after {counted(run.nit, 'step')} the cost is {run.fun:.6g}, {before}"


def _how_to_come_back(run: Run) -> str:
    rates = run.trace.lr[np.isfinite(run.trace.lr)]
    if len(rates) and rates[-1] < _FADED * rates.max():
        return f"its learning rate has fallen from {rates.max():.3g} to {rates[-1]:.3g}: let it fall more slowly"
    pulls = ", ".join(f"{name}={value:g}" for name, value in run.method.pulls(run.problem.x0).items())
    return f"try {f'less {pulls}, which pulls x towards 0, or ' if pulls else ''}a smaller learning rate"


def _falls(run: Run) -> str:
    return "falls" if run.problem.sign > 0 else "rises"


def _stationary(
    run: Run, f: float, grad: Any, size: float, first: float, gone: float, asked: float | None
) -> Judgement:
    kind = "maximum or saddle" if run.problem.sign > 0 else "minimum or saddle"
    extreme = "minimum" if run.problem.sign > 0 else "maximum"
    if _is_worse(run, f, first):
        return Judgement(
            Outcome.DIVERGED,
            f"{_worse(run, first)}, though the gradient is as good as zero here; {_how_to_come_back(run)}",
        )
    if (lower := leapt_over(run, f, first)) is not None:
        return Judgement(
            Outcome.STALLED,
            f"the gradient norm {size:.2g} is as good as zero because the cost {run.fun:.6g} is flat there: a plateau, "
            f"on to which a long step has led; short steps reach {run.problem.sign * lower:.6g}. Try a smaller "
            "learning rate",
            Finding.LEAPT_OVER,
        )
    slope, go = run.method.slope(run.x_array, grad), run.method.reach
    # So near to the edge of a set, what is left of the way to it is no fall.
    near = max(length(slope), 16 * float(np.finfo(dtype_of(run.x_array)).eps) * reach_of(run.x_array))
    edge = 4 * near * length(grad) if run.method.restricts else 0.0
    # What is convex falls nowhere without a slope: what seems so is rounding.
    is_convex = getattr(run.objective, "is_convex", False)
    if is_convex and f < first - noise_of(run.problem, run.x_array, f):
        flat, toward = False, ""
    else:
        flat, toward = surroundings(run.problem, run.x_array, f, slope, go, edge, gone, max(first - f, 0.0))
        toward = "" if is_convex else toward
    if toward and size == 0 and has_no_slope_near(run, f):
        return Judgement(
            Outcome.STALLED,
            f"the gradient is zero everywhere near, though the cost {_falls(run)} along {toward}: {_JUMPS}, or its "
            "slope is rounded to zero so far out. Put a smooth cost in its place, or start nearer",
        )
    far = runs_away(run.problem, run.x_array, f, slope, run.problem.x0, go)
    if far:
        return Judgement(
            Outcome.STALLED,
            f"the gradient norm {size:.2g} is small only because x has run far out, and the cost still {_falls(run)} "
            f"there, by {far:.3g} if x goes as far again: it seems to have no {extreme} on this way",
            Finding.NO_BOUND,
        )
    if toward and jumps_beside(run, f):
        return Judgement(
            Outcome.STALLED,
            f"the gradient is as good as zero, but right beside x the cost {_falls(run)} by a jump: {_JUMPS}. Put a "
            "smooth cost in its place",
        )
    if toward and falls_without_slope(run, f):
        return Judgement(
            Outcome.STALLED,
            f"the gradient is as good as zero, but a little further on the cost {_falls(run)} by a jump: {_JUMPS}. Put "
            "a smooth cost in its place",
            Finding.JUMPS,
        )
    if toward:
        wrong = "" if run.problem.grad is None else "; or grad= is wrong there"
        place = f"a {kind}. Start elsewhere, or a little beside it{wrong}"
        if run.gradient == DIFFERENCES:
            place = f"a {kind}, or differences in {run.dtype} are too coarse there. Give grad=, or start elsewhere"
        return Judgement(
            Outcome.STALLED,
            f"the gradient is as good as zero, but the cost {_falls(run)} along {toward}: {place}",
            Finding.NO_EXTREME,
        )
    if run.problem.noise and stands_in_steps(run, f):
        return Judgement(
            Outcome.STALLED,
            f"the cost {run.fun:.6g} stands still around x and is lower a little further on: {_JUMPS}. Put a "
            "smooth cost in its place",
        )
    drowns = abs(f) > _LARGE_CONSTANT
    # A level place, also one that is wider than where it is looked around.
    is_level = flat or (size == 0 and not drowns and is_lower_near(run, f))
    is_lowest = is_convex and size == 0  # what is convex is lowest wherever it is level
    if is_level and not is_lowest and f >= first - noise_of(run.problem, run.x_array, f):
        if run.method.restricts and length(grad) > 1e3 * size:
            return Judgement(
                Outcome.STALLED,
                f"nothing that may move betters the cost {run.fun:.6g}: the rest, frozen or held by its set, has a "
                f"gradient of norm {length(grad):.3g}",
            )
        constant = ", or it drowns in the rounding of a large constant part: leave that out" if drowns else ""
        return Judgement(
            Outcome.STALLED,
            f"the cost is flat around x, and no better than at the start ({run.fun:.6g}): a plateau{constant}. "
            "Start elsewhere",
        )
    exact = 16 * float(np.finfo(np.float64).eps) * abs(f)
    if run.gradient == DIFFERENCES and exact > _DROWNED * (first - f) and is_lower_near(run, f):
        return Judgement(
            Outcome.PRECISION_FLOOR,
            f"the gradient is as good as zero as far as the values tell, which are exact to about {exact:.1g} only: "
            f"{extreme} {run.fun:.6g}, and x near it. Leave the large constant part out of the cost",
        )
    where = "all over the data, " if run.sampling is not None else ""
    as_zero = f"is below the tolerance, {asked:g}," if asked else "is as good as zero"
    return Judgement(
        Outcome.CONVERGED,
        f"{where}the gradient norm {size:.2g} {as_zero} after {counted(run.nit, 'step')} ({extreme} {run.fun:.6g})",
    )


def _circles(run: Run) -> bool:
    """Whether the last kept points lie on a way that leads nowhere."""
    if run.trace.x is None or len(run.trace) < _FEW_ROWS:
        return False
    last = run.trace.x[-_FEW_ROWS:]
    way = float(np.linalg.norm(np.diff(last, axis=0), axis=1).sum())
    if way <= _FEW_ROWS * 4 * float(np.spacing(np.abs(last).max())):  # the last digit goes to and fro
        return False
    return length(last[-1] - last[0]) < 0.2 * way


def _last_step(run: Run) -> float:
    """How long the last step was; nan where that is not known."""
    trace = run.trace
    if trace.x is not None and len(trace) > 1 and trace.step[-1] - trace.step[-2] == 1:
        return length(trace.x[-1] - trace.x[-2])
    return float(trace.lr[-1]) * run.cost_and_gradient()[2] if type(run.method) is GradientDescent else np.nan


def _what_is_inexact(run: Run) -> str:
    """What would have to be more exact for a run to get further, as far as that is known."""
    if run.problem.noise:
        return f"; the values of the objective are exact to about {run.problem.noise:.1g} only"
    return "; float64 reaches further" if run.dtype == "float32" else ""


def _stuck(run: Run, what: str, f: float, grad: Any, size: float, tolerances: Tolerances) -> Judgement:
    if has_no_bound(f, run.problem.sign * run.trace.f[0]):
        return Judgement(
            Outcome.DIVERGED,
            f"the cost has gone to {run.fun:.3g} without coming to rest: it has no bound there",
            Finding.NO_BOUND,
        )
    go = run.method.reach
    far, lowest = step_that_helps(run.problem, run.x_array, f, grad, go)
    gain = f - lowest
    xtol, ftol = tolerances.xtol or 0.0, tolerances.ftol or 0.0
    asked = {
        f"ftol = {ftol:g}": ftol > 0 and gain <= ftol * max(abs(f), abs(lowest)),
        f"xtol = {xtol:g}": xtol > 0 and far <= xtol * float(np.abs(as_vector(run.x_array)).max()),
    }
    for tolerance, is_met in asked.items():
        if is_met:
            return Judgement(
                Outcome.CONVERGED, f"{what}, and no step along the gradient would help by more than {tolerance}"
            )
    if (found := _at_kink(run, far, lowest, grad)) is not None:
        return found
    gained = run.problem.sign * float(run.trace.f[0]) - f
    # Between kinks a step along the gradient betters little, too, however far the minimum is.
    is_level = size <= _LEVEL * float(run.trace.gradient_norm[0])
    has_digits = gain > _DIGITS * float(np.finfo(dtype_of(run.x_array)).eps) * abs(f) + run.problem.noise
    if is_level and 0 < gain <= _TRIFLE * min(abs(f), gained) and not (has_digits and _circles(run)):
        return Judgement(
            Outcome.PRECISION_FLOOR,
            f"{what} in {run.dtype}, and a step along the gradient would better the cost {run.fun:.6g} by {gain:.2g} "
            f"only, {gain / gained:.1g} of what was gained{_what_is_inexact(run)}",
        )
    if gain == 0 and size > 0:
        ahead = go(run.x_array, along(run.x_array, -1e-3 / size, grad))
        edge = float(run.problem.value(ahead, *run.problem.data))
        if not np.isfinite(edge):
            return Judgement(
                Outcome.STALLED,
                f"{what}: the cost {run.fun:.6g} would fall further, but a little ahead it is {edge} (a log or root of "
                "what becomes 0?); write it in a form that is finite there, e.g. np.logaddexp for a logistic loss",
                Finding.EDGE,
            )
    if gain == 0 and gained <= 0 and _is_plateau(run, f, grad):
        return Judgement(
            Outcome.STALLED,
            f"{what}, for the cost is flat around x, and no better than at the start ({run.fun:.6g}): a plateau. Start "
            "elsewhere",
        )
    alone = _betters_alone(run, f, grad) if gain == 0 else None
    if alone is not None and f - alone[1] > max(_MUCH * gained, _TRIFLE * abs(f)):
        i, lower = alone
        return Judgement(
            Outcome.STALLED,
            f"{what}, for no step along the gradient betters the cost {run.fun:.6g} by more than rounding, while one "
            f"along x[{i}] alone would change it to {run.problem.sign * lower:.6g}: the cost is far steeper along "
            "others; scale x, so that a step means as much along each",
        )
    if gain == 0:
        return Judgement(
            Outcome.PRECISION_FLOOR,
            f"{what} in {run.dtype}, though the gradient norm is {size:.2g}: no step along it betters the cost "
            f"{run.fun:.6g} by more than rounding{_what_is_inexact(run)}",
        )
    circles, last = _circles(run), _last_step(run)
    kind = "shorter " if circles or far <= last else "longer "
    if np.isnan(last) and not circles:
        kind = ""
    decays = run.method.pulls(run.problem.x0) if run.trace.lr[-1] != 0 else {}
    if decays:
        advice = f"; the method's {' and '.join(decays)} pulls x towards 0, away from the minimum of the cost alone"
    elif run.lr is None or not kind:
        advice = ""
    else:
        advice = f"; try a {'larger' if kind == 'longer ' else 'smaller'} learning rate"
    if what != _STILL and not circles:
        advice += "; ftol=0 goes on all the same"
    here, there = f"{run.fun:.6g}", f"{run.problem.sign * lowest:.6g}"
    change = f"change the cost from {here} to {there}" if here != there else f"better the cost {here} by {gain:.2g}"
    return Judgement(
        Outcome.STALLED,
        f"{'x circles' if circles else what}, though a {kind}step along the gradient, of length {far:.2g}, would "
        f"{change}{advice}",
    )


def _betters_alone(run: Run, f: float, grad: Any) -> tuple[int, float] | None:
    """The coordinate along which Newton's step, alone, leads to the lowest cost, and that; None without such a one."""
    problem, x = run.problem, run.x_array
    point, slope = as_vector(x).astype(np.float64), as_vector(grad).astype(np.float64)
    share = float(np.finfo(dtype_of(x)).eps) ** (1 / 3)

    def at(i: int, value: float) -> Any:
        return run.method.reach(x, from_vector(np.where(np.arange(point.size) == i, value, point), x))

    best = None
    for i in np.argsort(-np.abs(slope))[:_ALONE]:
        h = share * max(1.0, abs(point[i]))
        ahead = as_vector(problem.value_and_grad(at(i, point[i] + h), *problem.data)[1])
        bend = float(ahead[i] - slope[i]) / h
        if bend > 0:
            value = float(problem.value(at(i, point[i] - slope[i] / bend), *problem.data))
            if value < (f if best is None else best[1]):
                best = int(i), value
    return best


def _is_plateau(run: Run, f: float, grad: Any) -> bool:
    """Whether the cost is flat around x, or lower further on by more than rounding: then it is no minimum."""
    flat, _ = surroundings(run.problem, run.x_array, f, run.method.slope(run.x_array, grad), run.method.reach)
    return flat or (not run.problem.noise and abs(f) <= _LARGE_CONSTANT and is_lower_near(run, f))


def _at_kink(run: Run, far: float, lowest: float, grad: Any) -> Judgement | None:
    """The verdict if x, or what is the `far` step along -gradient from there, is as good as on a kink."""
    problem, go, x = run.problem, run.method.reach, run.x_array
    if problem.gradient == DIFFERENCES or far > float(np.finfo(dtype_of(x)).eps) ** 0.5 * reach_of(x):
        return None
    there = go(x, along(x, -far / length(grad), grad)) if far else x
    gained = max(problem.sign * float(run.trace.f[0]) - lowest, 0.0)
    toward = fall_from_kink(problem, there, lowest, run.method.slope(x, grad), go, gained)
    if not toward:
        return None if toward is None else _kink(run, run.nit)
    return Judgement(
        Outcome.STALLED,
        f"x is on a kink, across which the gradient points to and fro: no step along it betters the cost "
        f"{run.fun:.6g}, which {_falls(run)} along {toward}. Take a rate that decays, AdaGrad, or a cost without kinks",
        Finding.KINK,
    )


def _not_finite(run: Run) -> Judgement:
    step, sign = run.nit + 1, run.problem.sign
    away = sign * (run.trace.f[-1] - run.trace.f[0])
    if len(run.trace) > 1 and away < 0 and abs(run.trace.f[-1]) > FAR_DOWN:
        return Judgement(
            Outcome.DIVERGED,
            f"at step {step:,} the cost left the range of the numbers, going to {run.fun:.3g}: it has no bound there",
            Finding.NO_BOUND,
        )
    if run.bad_x is not None:
        cost = float(run.problem.value(run.bad_x, *run.problem.data))
        if np.isfinite(cost):
            return _no_gradient(run, step, cost)
        if cost == -np.inf and away <= 0:  # else -inf is what became of numbers that had left their range
            return Judgement(
                Outcome.DIVERGED,
                f"at step {step:,} the cost has {'fallen' if sign > 0 else 'risen'} to {sign * cost:g}, from "
                f"{run.fun:.6g}: it has no bound there",
                Finding.NO_BOUND,
            )
    than = "" if run.lr is None else f"; a smaller learning rate than {run.lr:.4g} may help"
    raised = f" (the objective raised {run.problem.error!r})" if run.problem.error is not None else ""
    return Judgement(
        Outcome.DIVERGED,
        f"at step {step:,} the cost or its gradient is not finite{raised}; the last finite point, after "
        f"{counted(run.nit, 'step')}, is returned (cost {run.fun:.6g}){than}",
    )


def _kink(run: Run, step: int) -> Judgement:
    return Judgement(
        Outcome.CONVERGED,
        f"after {counted(step, 'step')} x is at a kink, where there is no gradient, and in no direction does the cost "
        f"{_falls(run)[:-1]} ({run.fun:.6g})",
    )


def _collapses(run: Run, cost: float) -> str:
    """Which numbers of the bad point are as good as 0 and better the cost on their way there, as in log(x)."""
    point = as_vector(run.bad_x).astype(np.float64)
    tiny = (np.abs(point) < _TINY) & (point != 0)
    if not tiny.any():
        return ""
    nearer = from_vector(np.where(tiny, _TINY * point, point), run.problem.x0)
    falls = float(run.problem.value(nearer, *run.problem.data)) < cost - 1e-6 * abs(cost)
    return ", ".join(f"x[{i}]" for i in np.flatnonzero(tiny)[:3]) if falls else ""


def _no_gradient(run: Run, step: int, cost: float) -> Judgement:
    """The cost is finite at the bad point, only its gradient is not: a kink there, perhaps the minimum itself."""
    if collapsed := _collapses(run, cost):
        return Judgement(
            Outcome.DIVERGED,
            f"the cost {_falls(run)} without end as {collapsed} goes to 0: it has no bound there",
            Finding.NO_BOUND,
        )
    zero = run.problem.zero_gradient()
    flat, toward = surroundings(run.problem, run.bad_x, cost, zero, run.method.reach)
    is_near = reach_of(run.bad_x) <= _LEAPT * reach_of(run.problem.x0)
    first = run.problem.sign * float(run.trace.f[0])
    can_tell = 4 * noise_of(run.problem, run.bad_x, cost) <= abs(first - cost)  # nor falls to a side hidden by rounding
    if is_near and can_tell and not toward and not flat and cost <= run.cost_and_gradient()[0]:
        run.move_to_bad_x(step)
        return _kink(run, step)
    return Judgement(
        Outcome.DIVERGED,
        f"at step {step:,} the gradient is not finite, though the cost is ({run.problem.sign * cost:.6g}): there is "
        "none there, or np.where hides a nan in what it leaves out; the last point with a gradient is returned "
        f"(cost {run.fun:.6g})",
    )
