"""Linear models fitted in batches: the rate, the compiled loop or another, the epochs."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.callback import with_callbacks

from descend.descent.options import ready
from descend.descent.sampling import Sampling
from descend.methods import Method, Rule
from descend.models.linear_rows import LinearOnRows
from descend.models.rate_search import RateSearch
from descend.models.reading import grows_with_the_gradient, read_method, streams
from descend.models.rows import Rows
from descend.models.threads import without_threads_of_blas
from descend.models.trainers import Penalty, Streaming, Updating, check_fits_sparse_rows
from descend.models.training import (
    Chunks,
    Ending,
    Measured,
    beside_a_constant,
    chunks_of,
    rows_together,
    sample_of,
    some_of,
)

__all__ = ["InBatches"]

_AS_GOOD = 0.02  # more loss on a few sparse rows says little: most columns are not met among them, or only once
_WIDE = 2**21  # numbers in the rows on which a rate that was found is judged again
_FEWEST_OF_STREAM = 8  # rows of which the first tell something of the next
_ROUNDING = 1e-8  # of a prediction: one so near to it is as good


class InBatches(LinearOnRows):
    """A linear model that can be fitted in batches."""

    def _found_rate(
        self, kind: type[Method], rows: Rows, start: np.ndarray, batch_size: int, *, is_stream: bool
    ) -> float:
        def judged(weights: np.ndarray, some: Rows) -> float:
            with np.errstate(all="ignore"):
                return self._loss_of(some)(weights)

        def trainer_at(lr: float, some: Rows) -> Streaming | Updating:
            return self._trainer_at(kind(lr=lr), some, start, min(batch_size, len(some)))

        search = RateSearch(trainer_at, rows, batch_size, judged, int(self.seed))
        if is_stream and len(rows) >= _FEWEST_OF_STREAM:
            return search.best_of_stream()
        wide = _WIDE * len(rows) // max(1, rows.values.size)
        lr = search.best(equal=_AS_GOOD if rows.is_sparse else 0.0, wide=wide)
        if grows_with_the_gradient(kind()):
            some = rows.taken(some_of(len(rows), wide, int(self.seed))) if wide < len(rows) else rows
            sizes = np.asarray((self._scaling.applied(some) ** 2).sum(axis=1))
            lr = search.without_an_explosion(lr, some, sizes)
        return search.without_a_leap(lr)

    def _trainer_of(
        self, rows: Rows, start: np.ndarray, batch_size: int, *, is_stream: bool = False
    ) -> Streaming | Updating:
        rule = self._rule_in_batches()
        if isinstance(rule, type):
            rule = self._with_rate(rule, rows, start, batch_size, is_stream=is_stream)
        jobs = int(self.n_jobs)
        trainer = self._trainer_at(rule, rows, start, batch_size, jobs)
        if jobs > 1 and not isinstance(trainer, Streaming):
            raise ValueError(
                f"n_jobs is for methods that are compiled into a loop over the rows; {type(rule).__name__} with this "
                "loss is not: use gradient descent or AdaGrad, or leave n_jobs out"
            )
        return trainer

    def _trainer_at(
        self, rule: Rule, rows: Rows, start: np.ndarray, batch_size: int, jobs: int = 1
    ) -> Streaming | Updating:
        start = start.astype(rows.kind)
        if streams(rule):
            if rows.is_sparse and batch_size < len(rows) and self._outputs() == 1:
                check_fits_sparse_rows(rule)
            if not rows.is_sparse or read_method(type(rule)).is_exact_on_sparse_rows:
                penalty = Penalty(float(self.l2), float(self.l1))
                return Streaming(rule, self._loss(), self._scaling, penalty, start, rows, jobs)  # type: ignore[arg-type]
        sampling = Sampling(max(len(rows), batch_size + 1), batch_size, int(self.seed))
        return Updating(ready(rule, sampling, start), partial(self._cost, in_batches=True), float(self.l1), start)

    def _fit_in_batches(self, rows: Rows, held_out: Rows | None) -> Ending:
        size = self._size(rows)
        trainer = self._trainer_or(lambda: self._trainer_of(rows, self._weights, size))
        together = rows_together(len(rows), int(self.n_jobs), is_compiled=trainer.is_compiled)
        chunks = chunks_of(rows, size, shuffle=bool(self.shuffle), seed=int(self.seed), together=together)
        ending: Ending = self._trained(chunks, size, rows, held_out, self.planned_epochs(len(rows)))
        return ending

    @with_callbacks  # type: ignore[untyped-decorator]
    def _trained(self, chunks: Chunks, size: int, rows: Rows, held_out: Rows | None, epochs: int) -> Ending:
        sample = sample_of(rows, int(self.seed))
        on_sample = self._seen_on(sample)
        on_held_out = None if held_out is None else self._seen_on(held_out)

        def measure(weights: np.ndarray) -> Measured:
            loss, score, gradient = on_sample(weights)
            of_held_out = (np.nan, np.nan) if on_held_out is None else on_held_out(weights)[:2]
            return Measured(loss, of_held_out[0], score, of_held_out[1], gradient)

        cost, constant = self._loss_of(sample), np.zeros_like(self._weights)
        constant[..., -1] = self._constant(sample)
        of_constant = cost(constant)
        sizes = np.abs(sample.y).max(initial=0.0) or 1.0, max(1.0, float(np.abs(constant).max()))
        beside = constant.copy()
        beside[..., -1] += _ROUNDING * min(sizes)
        rounding = abs(cost(beside) - of_constant)
        of_rows = {"rows": len(rows), "columns": rows.features, "dtype": rows.kind}
        arrays = (rows.values, rows.columns, rows.starts, rows.y, rows.weights)
        with without_threads_of_blas():
            ending = self._train(chunks, size, epochs, measure, of_rows, arrays, harmless=rounding)

        def of_both(some: Rows) -> tuple[float, float, float]:
            cost, y = self._loss_of(some), some.y.astype(np.float64)
            return cost(ending.weights), cost(constant), float(some.weights @ self._loss().floor(y)) / len(some)

        return beside_a_constant(ending, of_both, sample, held_out)
