"""`minimize`: objective, start, method → run.

To follow a call to its arithmetic read this file, then `methods/method.py`, then the method's own file.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Never

import jax
import numpy as np

from descend.arguments import no_others, whole
from descend.descent.ending import judge
from descend.descent.engine import (
    NOT_FINITE,
    RUNNING,
    SMALL_GRADIENT,
    Carry,
    EagerEngine,
    Evaluations,
    engine_for,
    handed_out,
)
from descend.descent.interrupts import Interrupts
from descend.descent.options import check_goal, check_options, check_rates, last_step, ready, samples, sampling_of
from descend.descent.outcome import gradient_scale, length
from descend.descent.progress import Progress
from descend.descent.run import Run
from descend.descent.sampling import as_data
from descend.descent.trace import Trace
from descend.descent.watch import REASONS, Ended, Tolerances, Watch
from descend.methods import Rule
from descend.objectives.function import prepare
from descend.objectives.named import named
from descend.objectives.parameters import as_parameters, dtype_of, from_vector
from descend.words import isfinite, norm, vector, where

__all__ = ["minimize", "one_step", "resume", "start"]

_SECONDS_A_CHUNK = 0.1


def minimize(
    objective: Callable[..., Any] | str,
    x0: Any = None,
    method: Any = None,
    *,
    steps: int | None = None,
    grad: Callable[..., Any] | None = None,
    maximize: bool = False,
    data: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    gtol: float | None = None,
    xtol: float | None = None,
    ftol: float | None = None,
    time_limit: float | None = None,
    callback: Callable[[Run], object] | None = None,
    progress: bool | None = None,
    **others: Never,
) -> Run:
    """Minimise a function by gradient descent.

    Parameters
    ----------
    objective
        A function of NumPy or JAX code: `f(x)`, `f(x, y)` with a start of two numbers, or, with data,
        `f(w, X_rows, y_rows)`. Or a formula as text, `"sin(x) + x^2/10"`; or the name of a landscape.
    x0
        Where to start: a number, a vector or array of any shape, or a pytree of them. float32 stays float32,
        float64 stays float64, whole numbers become float64. A landscape has a start of its own.
    method
        The update rule, e.g. `Adam(lr=0.1)`, `ClipGlobalNorm(Adam(0.1), 1.0)` or `optax.adam(0.1)`; or the name
        of one, "adam", which is taken with the numbers it has by itself. Default: gradient descent with
        safeguarded Barzilai–Borwein steps, which needs no tuning; `Adam(lr=0.01)` where batches are sampled.
    steps
        Stop after this many steps; default 10,000. With sampled data give `epochs` instead, default 100.
    grad
        The gradient, called as the objective is. It is compared with the objective at the start.
    maximize
        Climb instead: gradient ascent.
    data, batch_size, epochs, seed
        Arrays with one row per sample. Each step sees `batch_size` rows (1: stochastic, None: all); each
        epoch visits all rows in a new order, which depends on the seed alone. The last batch of an epoch may
        be short; its gradient is that of its own rows.
    gtol, xtol, ftol
        Tolerances; None chooses by dtype, 0 switches off. The gradient counts as zero where its Euclidean
        norm is ≤ gtol (√ε), or gtol times the objective's own scale where that is below 1. x stands still
        where ten kept rows in a row change no coordinate by more than xtol of its magnitude (ε/4: not at
        all). There is no progress where the best cost does not improve by more than ftol (ε) of its
        magnitude for half the run and at least 1,000 steps. Sampled runs end by epochs, not by tolerances.
    time_limit
        Stop after this many seconds; compiling, before the first step, is not cut short.
    callback
        Called with the `Run` so far about ten times a second. Raise StopIteration to end the run.
    progress
        True or False to show a progress bar or not; None shows one on a terminal after about a second.

    Returns
    -------
    Run
        With the last point at which cost and gradient were finite, the trace, and how it ended.

    Raises
    ------
    ValueError, TypeError
        The input makes no sense; the message says what came, what is legal and the cure.
    """
    begin = time.perf_counter()
    no_others(minimize, others)
    tolerances = Tolerances(gtol, xtol, ftol)
    check_options(grad=grad, callback=callback, time_limit=time_limit, maximize=maximize)
    objective, x0, in_words = named(objective, x0)
    x0 = as_parameters(x0)
    parts = as_data(data, x0) if data is not None else ()
    sampling = sampling_of(parts, batch_size, epochs, seed)
    method = ready(method, sampling, x0)
    last = last_step(sampling, steps, epochs)
    check_rates(method, last)
    problem = prepare(objective, x0, grad=grad, data=parts, maximize=maximize, written_in_words=in_words)
    run = Run(objective, problem, method, x0, Trace(), sampling, seed, time.perf_counter() - begin)
    run.carry = start(method, x0)
    return _gone_on(run, last, tolerances, time_limit, callback, progress)


def resume(
    run: Run,
    steps: int | None,
    epochs: int | None,
    tolerances: Tolerances,
    time_limit: float | None,
    callback: Callable[[Run], object] | None,
    progress: bool | None,
) -> Run:
    """See `Run.resume`."""
    check_options(grad=None, callback=callback, time_limit=time_limit, maximize=False)
    if run.carry is None:
        raise ValueError("a run from a file holds no state to go on with: begin another, minimize(f, run.x, method)")
    if np.sign(run.carry.ended) == NOT_FINITE:
        raise ValueError(f"there is no way on from where a run was not finite ({run.message}): begin another")
    whole("epochs", epochs, optional=True)
    last = int(run.carry.state.t) - 1 + last_step(run.sampling, steps, epochs)
    if epochs is not None and run.sampling is None:
        raise ValueError(f"epochs needs data, and this run has none: give steps, got epochs={epochs!r}")
    check_rates(run.method, last)
    more = copy.copy(run)
    more.carry = run.carry._replace(ended=np.int32(RUNNING))
    return _gone_on(more, last, tolerances, time_limit, callback, progress)


def _gone_on(
    run: Run,
    last: int,
    tolerances: Tolerances,
    time_limit: float | None,
    callback: Callable[[Run], object] | None,
    progress: bool | None,
) -> Run:
    """The run from where its carry stands, up to step `last`."""
    problem, method, sampling, x0 = run.problem, run.method, run.sampling, run.problem.x0
    before = time.perf_counter()
    begin, kind = before - run.seconds, dtype_of(x0)
    value, slope = problem.value_and_grad(x0, *problem.data)
    if not len(run.trace):
        check_goal(method, float(value), maximize=problem.sign < 0)
    scale = gradient_scale(problem, x0, slope)
    one_evaluation = time.perf_counter() - before
    small = kind.type(-1 if samples(sampling) else tolerances.gradient(kind, scale))  # one batch tells nothing
    trace = replace(run.trace, f=problem.sign * run.trace.f)
    watch = Watch(kind, tolerances, method, sampled=samples(sampling), since=run.nit)
    engine = engine_for(problem, sampling, one_step, method)
    carry = run.carry
    chunk_rows, ended = _rows_within(_SECONDS_A_CHUNK / 4, one_evaluation), None

    def run_so_far() -> Run:
        now = time.perf_counter() - begin
        return Run(run.objective, problem, method, carry.kept, trace, sampling, run.seed, now)

    with Interrupts() as interrupts, Progress(progress, last) as bar:
        if isinstance(engine, EagerEngine):
            engine.interrupted = interrupts.came
        while int(carry.ended) == RUNNING and int(carry.state.t) <= last and ended is None:  # int: nothing is compiled
            since = time.perf_counter()
            rows = min(chunk_rows, trace.room)
            carry, table = engine.run(method, carry, small, rows, trace.stride, last)
            now = time.perf_counter()
            trace.extend(table, since - begin, now - begin)
            chunk_rows = min(8 * rows, _rows_within(_SECONDS_A_CHUNK, (now - since) / rows))
            bar.show(int(carry.state.t), problem.sign * float(carry.seen[0]))
            if interrupts.came():
                ended = Ended.INTERRUPTED
            elif (found := watch.stuck(trace)) is not None:
                row, ended = found
                trace.end_at(row)
                # The answer is that of a later point, which depends on the chunk: the point itself is handed out.
                carry = carry._replace(kept=from_vector(trace.x[row], x0), answer=())  # type: ignore[index]
            elif time_limit is not None and now - before >= time_limit:
                ended = Ended.OUT_OF_TIME
            elif callback is not None:
                try:
                    callback(run_so_far())
                except StopIteration:
                    ended = Ended.INTERRUPTED
            trace.thin()  # not before the watch has looked: what it finds must not depend on the chunks
    if not len(trace):  # not even the first evaluation was finite: the start is all there is
        trace.begin_at(x0 if engine.keeps_x else None, float(value), length(slope))
    carry = carry._replace(kept=handed_out(carry))
    made = run_so_far()
    made.carry = carry
    made.bad_x = jax.tree.map(np.asarray, carry.x) if np.sign(carry.ended) == NOT_FINITE else None
    made.settle()
    made.judgement = judge(made, ended or REASONS[int(np.sign(carry.ended))], tolerances, first=(value, slope))
    return made


def one_step(method: Rule, evaluate: Evaluations, gtol: Any, c: Carry, runs: Any = True) -> Carry:
    """Evaluate where the last step led, keep that point if it is finite, and let the method change it.

    Where `runs` is false (a lane that has ended) nothing of it changes but the method's slots, which nobody reads
    any more. Written in words: it runs compiled and in plain Python.
    """
    f, g = evaluate.value_and_grad(c.x)
    size = norm(method.slope(c.x, g))
    finite = isfinite(f + size) & runs
    change, state = method.update(
        g, c.state, c.x, value=f, value_fn=evaluate.value, grad_fn=lambda x: evaluate.value_and_grad(x)[1]
    )
    made = c.state.t + 1
    ended = where(finite, where(size <= gtol, made * SMALL_GRADIENT, RUNNING), made * NOT_FINITE)
    return Carry(
        x=jax.tree.map(lambda p, d: where(finite, p + d, p), c.x, change),
        state=state,
        kept=jax.tree.map(lambda new, old: where(finite, new, old), c.x, c.kept),
        seen=where(finite, vector(f, size, c.state.lr), c.seen),
        searched=where(runs, c.state.evaluations, c.searched),
        ended=where(runs, ended, c.ended).astype(np.int32),
        answer=jax.tree.map(lambda new, old: where(finite, new, old), method.answer(c.state, c.x), c.answer),
    )


def _rows_within(seconds: float, one: float) -> int:
    return max(1, int(min(seconds / one, 1e6)))


def start(method: Rule, x0: Any) -> Carry:
    """What the loop carries before the first step. In words, too."""
    unknown, none = np.full(3, np.nan, dtype_of(x0)), np.int32(0)
    state = method.init(x0)
    return Carry(x0, state, x0, seen=unknown, searched=none, ended=none, answer=method.answer(state, x0))
