"""The streaming kernels: one pass over rows, dense or sparse, with any method and any loss inlined.

Rows come as three arrays. Dense: `values` of shape (rows, features), the other two empty. Sparse (CSR): `values` and
`columns` of shape (stored,), `starts` of shape (rows + 1,), unsigned: of a signed index it is asked each time whether
it counts from the end, which was a fifth of a pass. The parameters of a model with d features are
d + 1 numbers, the last of them the intercept. A feature enters as (x - shift)·scale.

The kernels run without Python's lock, so that several threads can share the work.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from descend.kernel_cache import cached_on_disk
from descend.models.reading import prefetch, read_loss, read_method

__all__ = [
    "COMPILED",
    "Kind",
    "ask_for_dense",
    "ask_for_sparse",
    "each_row",
    "feature_of",
    "in_batches",
    "kind_of_places",
    "mixed",
    "moments",
    "on_lines",
    "penalised_of",
    "places",
    "rate_at",
    "shuffled",
    "weighted_of",
    "whole_gradient",
]

# Not "fast" altogether: then the compiler may assume that no number is a nan, and none would be found.
_FAST = {"contract", "reassoc", "arcp", "nsz", "afn"}
_AHEAD = 12  # rows that are asked for before they are needed
COMPILED: dict[str, Any] = {"fastmath": _FAST, "error_model": "numpy", "nogil": True}
_LINE = 64  # bytes that memory hands out at a time
_FAR = 16_384  # bytes that are asked for ahead where rows are read as they are stored
_DRAWN = 256  # places of a shuffle
_GROUP = 256  # rows that are added up in the data's type


def on_lines(rows: np.ndarray) -> np.ndarray:
    """A copy, shape (rows, at least as many), each row of which begins where a line of memory does.

    Where what a step reads and writes crosses lines, the step takes up to a third longer.
    """
    count, length = rows.shape
    padded = length + -length % (_LINE // rows.itemsize)
    room = np.zeros(count * padded * rows.itemsize + _LINE, np.uint8)
    begin = -room.ctypes.data % _LINE
    made = room[begin : begin + room.size - _LINE].view(rows.dtype).reshape(count, padded)
    made[:, :length] = rows
    return made


@njit(**COMPILED, forceinline=True)  # type: ignore[untyped-decorator]
def rate_at(rates: Any, step: Any) -> Any:
    """The rate of a step; the last one holds on, so that a constant is one number."""
    return rates[min(step, rates.size - 1)]


@njit(**COMPILED, forceinline=True)  # type: ignore[untyped-decorator]
def ask_for_dense(values: Any, y: Any, order: Any, i: Any) -> None:
    """Ask for the row that comes some rows after the i-th."""
    row = order[min(i + _AHEAD, order.size - 1)]
    prefetch(y, row)
    for k in range(0, values.shape[1], _LINE // values.itemsize):
        prefetch(values, row * values.shape[1] + k)
    prefetch(values, (row + 1) * values.shape[1] - 1)  # a row need not begin where a line does


@njit(**COMPILED, forceinline=True)  # type: ignore[untyped-decorator]
def ask_for_sparse(
    values: Any, columns: Any, starts: Any, y: Any, order: Any, i: Any, state: Any, width: Any
) -> None:  # fmt: skip
    """Ask for a row ahead, for where a later one begins, and for the parameters that the next rows meet.

    So many numbers of the state belong to a column as `width` says.
    """
    last = order.size - 1
    row = order[min(i + _AHEAD, last)]
    prefetch(y, row)
    for k in range(starts[row], starts[row + 1], np.uint64(_LINE // values.itemsize)):
        prefetch(values, k)
        prefetch(columns, k)
    prefetch(starts, order[min(i + 2 * _AHEAD, last)])
    near = order[min(i + 2, last)]
    for k in range(starts[near], starts[near + 1]):
        prefetch(state, columns[k] * width)


class Kind(NamedTuple):
    """What is compiled into a kernel, so that rows pay for nothing that they do not need."""

    sparse: bool
    scaled: bool  # features enter as (x - shift)·scale; else as they are
    ridge: bool  # there is an L2 penalty
    sharp: bool  # there is an L1 penalty
    weighted: bool  # some rows count more than others
    intercept: bool  # there is one; else its coordinate stays as it is, zero


def feature_of(kind: Kind) -> Any:
    """`feature(x, shift, scale, j)`: how a number of column j enters; of sparse rows the shift is 0."""

    def feature(x: Any, shift: Any, scale: Any, j: Any) -> Any:
        if not kind.scaled:
            return x
        return x * scale[j] if kind.sparse else (x - shift[j]) * scale[j]

    return njit(**COMPILED)(feature)


def penalised_of(kind: Kind) -> Any:
    """`penalised(g, l2, w, j)`: a slope with that of the L2 penalty."""

    def penalised(g: Any, l2: Any, w: Any, j: Any) -> Any:
        return g + l2[j] * w if kind.ridge else g

    return njit(**COMPILED)(penalised)


def weighted_of(kind: Kind) -> Any:
    """`weighted(e, weights, r)`: what the r-th row has to say, as often as it counts."""

    def weighted(e: Any, weights: Any, r: Any) -> Any:
        return e * weights[r] if kind.weighted else e

    return njit(**COMPILED)(weighted)


def each_row(method: Any, loss: Any, kind: Kind) -> Any:
    """Stochastic gradient descent for a class of methods and one of losses: a step for each row in the given order.

    The kernel takes values, columns, starts, y, weights of the rows (all of the data's float type), order (see
    `places`), shift, scale, state (see `ScalarMethod.per_coordinate`; interleaved where sparse), the numbers of method
    and loss, powers and rates (float64; see `rate_at`), t0, the L2 and the L1 penalties of each parameter
    (d + 1 each; L1 counts where `sharp`). It changes `state` and `powers`.
    """
    return _each_row(method, loss, kind)


@cache
def _each_row(method: Any, loss: Any, kind: Kind) -> Any:
    reader = read_method(method, sharp=kind.sharp)
    per_step, per_coordinate = reader.per_step(), reader.per_coordinate(interleaved=kind.sparse)
    slope, feature = read_loss(loss).reader("slope"), feature_of(kind)
    penalised, weighted = penalised_of(kind), weighted_of(kind)

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def dense(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, loss_numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
    ) -> None:  # fmt: skip
        d = values.shape[1]
        for i in range(order.size):
            r = order[i]
            ask_for_dense(values, y, order, i)
            p = state[0, d]
            for j in range(d):
                p += feature(values[r, j], shift, scale, j) * state[0, j]
            e = weighted(slope(p, y[r], loss_numbers), row_weights, r)
            shared = per_step(numbers, powers, float(t0 + i + 1), rate_at(rates, i))
            for j in range(d):
                g = penalised(e * feature(values[r, j], shift, scale, j), l2, state[0, j], j)
                per_coordinate(state, j, g, shared, l1[j])
            if kind.intercept:
                per_coordinate(state, d, e, shared, l1[d])

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def of_stored(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, loss_numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
    ) -> None:  # fmt: skip
        d = state.shape[0] - 1
        for i in range(order.size):
            r = order[i]
            ask_for_sparse(values, columns, starts, y, order, i, state, state.shape[1])
            p = state[d, 0]
            for k in range(starts[r], starts[r + 1]):
                j = columns[k]
                p += feature(values[k], shift, scale, j) * state[j, 0]
            e = weighted(slope(p, y[r], loss_numbers), row_weights, r)
            shared = per_step(numbers, powers, float(t0 + i + 1), rate_at(rates, i))
            for k in range(starts[r], starts[r + 1]):
                j = columns[k]
                g = penalised(e * feature(values[k], shift, scale, j), l2, state[j, 0], j)
                per_coordinate(state, j, g, shared, l1[j])
            if kind.intercept:
                per_coordinate(state, d, e, shared, l1[d])

    made_of = f"rows {kind}{reader.fingerprint}{read_loss(loss).fingerprint}"
    return cached_on_disk(of_stored if kind.sparse else dense, made_of)


def in_batches(method: Any, loss: Any, kind: Kind) -> Any:
    """Mini-batch gradient descent: one step for each batch of rows, in the given order.

    Takes what `each_row` takes, then the batch size and an array of zeros of length d + 1, which it leaves so.
    Where rows are sparse only the coordinates that a batch holds are changed: the method must be exact there.
    """
    return _in_batches(method, loss, kind)


@cache
def _in_batches(method: Any, loss: Any, kind: Kind) -> Any:
    reader = read_method(method, sharp=kind.sharp)
    per_step, per_coordinate = reader.per_step(), reader.per_coordinate(interleaved=kind.sparse)
    slope, feature = read_loss(loss).reader("slope"), feature_of(kind)
    penalised, weighted = penalised_of(kind), weighted_of(kind)

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def dense(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, loss_numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
        size: Any, g: Any,
    ) -> None:  # fmt: skip
        d = values.shape[1]
        for batch in range((order.size + size - 1) // size):
            first, end = batch * size, min((batch + 1) * size, order.size)
            for i in range(first, end):
                r = order[i]
                ask_for_dense(values, y, order, i)
                p = state[0, d]
                for j in range(d):
                    p += feature(values[r, j], shift, scale, j) * state[0, j]
                e = weighted(slope(p, y[r], loss_numbers), row_weights, r)
                for j in range(d):
                    g[j] += e * feature(values[r, j], shift, scale, j)
                if kind.intercept:
                    g[d] += e
            share = values.dtype.type(1 / (end - first))
            shared = per_step(numbers, powers, float(t0 + batch + 1), rate_at(rates, batch))
            for j in range(d + 1):
                per_coordinate(state, j, penalised(g[j] * share, l2, state[0, j], j), shared, l1[j])
                g[j] = 0

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def of_stored(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, order: Any, shift: Any, scale: Any,
        state: Any, numbers: Any, loss_numbers: Any, powers: Any, rates: Any, t0: Any, l2: Any, l1: Any,
        size: Any, g: Any,
    ) -> None:  # fmt: skip
        d = state.shape[0] - 1
        for batch in range((order.size + size - 1) // size):
            first, end = batch * size, min((batch + 1) * size, order.size)
            for i in range(first, end):
                r = order[i]
                ask_for_sparse(values, columns, starts, y, order, i, state, state.shape[1])
                p = state[d, 0]
                for k in range(starts[r], starts[r + 1]):
                    j = columns[k]
                    p += feature(values[k], shift, scale, j) * state[j, 0]
                e = weighted(slope(p, y[r], loss_numbers), row_weights, r)
                for k in range(starts[r], starts[r + 1]):
                    j = columns[k]
                    g[j] += e * feature(values[k], shift, scale, j)
                if kind.intercept:
                    g[d] += e
            share = values.dtype.type(1 / (end - first))
            shared = per_step(numbers, powers, float(t0 + batch + 1), rate_at(rates, batch))
            for i in range(first, end):
                for k in range(starts[order[i]], starts[order[i] + 1]):
                    j = columns[k]
                    if g[j] != 0:  # where two rows of the batch meet, the second finds nothing left to do
                        per_coordinate(state, j, penalised(g[j] * share, l2, state[j, 0], j), shared, l1[j])
                        g[j] = 0
            per_coordinate(state, d, g[d] * share, shared, l1[d])
            g[d] = 0

    made_of = f"batches {kind}{reader.fingerprint}{read_loss(loss).fingerprint}"
    return cached_on_disk(of_stored if kind.sparse else dense, made_of)


def whole_gradient(loss: Any, *, sparse: bool) -> Any:
    """Cost and gradient over the rows first … last-1, in one pass.

    Takes values, columns, starts, y, weights of the rows, shift, scale, the parameters (d + 1), the numbers of the
    loss, the intercept (1 or 0), first, last, and `total` (d + 1 float64), to which the gradient of the sum of the
    costs is added; returns that sum. Rows are added in the data's type in groups, and these in float64.
    """
    return _whole_gradient(loss, sparse)


@cache
def _whole_gradient(loss: Any, sparse: bool) -> Any:
    reader = read_loss(loss)
    slope, value = reader.reader("slope"), reader.reader("value")

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def dense(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, shift: Any, scale: Any, weights: Any,
        loss_numbers: Any, intercept: Any, first: Any, last: Any, total: Any, group: Any,
    ) -> float:  # fmt: skip
        d = values.shape[1]
        cost = 0.0
        scaled, zero = scale * weights[:d], weights[d] - weights[d]
        for begin in range(first, last, _GROUP):
            end = min(begin + _GROUP, last)
            r = begin
            while r < end:
                # Four rows at a time: what is read of the sums and of the parameters serves all of them.
                several = r + 4 <= end
                r1, r2, r3 = (r + 1, r + 2, r + 3) if several else (r, r, r)
                p0 = p1 = p2 = p3 = weights[d] * intercept
                for k in range(r * d, (r + 4) * d, _LINE // values.itemsize):
                    prefetch(values, k + _FAR // values.itemsize)
                for j in range(d):
                    p0 += (values[r, j] - shift[j]) * scaled[j]
                    p1 += (values[r1, j] - shift[j]) * scaled[j]
                    p2 += (values[r2, j] - shift[j]) * scaled[j]
                    p3 += (values[r3, j] - shift[j]) * scaled[j]
                e0, e1, e2, e3 = slope(p0, y[r], loss_numbers) * row_weights[r], zero, zero, zero
                cost += value(p0, y[r], loss_numbers) * row_weights[r]
                if several:
                    e1 = slope(p1, y[r1], loss_numbers) * row_weights[r1]
                    e2 = slope(p2, y[r2], loss_numbers) * row_weights[r2]
                    e3 = slope(p3, y[r3], loss_numbers) * row_weights[r3]
                    cost += value(p1, y[r1], loss_numbers) * row_weights[r1]
                    cost += value(p2, y[r2], loss_numbers) * row_weights[r2]
                    cost += value(p3, y[r3], loss_numbers) * row_weights[r3]
                for j in range(d):
                    s = shift[j]
                    group[j] += (
                        (values[r, j] - s) * e0
                        + (values[r1, j] - s) * e1
                        + ((values[r2, j] - s) * e2 + (values[r3, j] - s) * e3)
                    )
                group[d] += (e0 + e1 + e2 + e3) * intercept
                r += 4 if several else 1
            for j in range(d):
                total[j] += group[j] * scale[j]
                group[j] = 0
            total[d] += group[d]
            group[d] = 0
        return cost

    @njit(**COMPILED)  # type: ignore[untyped-decorator]
    def of_stored(
        values: Any, columns: Any, starts: Any, y: Any, row_weights: Any, shift: Any, scale: Any, weights: Any,
        loss_numbers: Any, intercept: Any, first: Any, last: Any, total: Any, group: Any,
    ) -> float:  # fmt: skip
        d = weights.size - 1
        cost = 0.0
        for r in range(first, last):
            p = weights[d] * intercept
            for k in range(starts[r], starts[r + 1]):
                j = columns[k]
                p += values[k] * scale[j] * weights[j]
            e = slope(p, y[r], loss_numbers) * row_weights[r]
            cost += value(p, y[r], loss_numbers) * row_weights[r]
            for k in range(starts[r], starts[r + 1]):
                j = columns[k]
                total[j] += e * values[k] * scale[j]
            total[d] += e * intercept
        return cost

    return cached_on_disk(of_stored if sparse else dense, f"gradient {reader.fingerprint}")


@njit(**COMPILED)  # type: ignore[untyped-decorator]
def _moments(values: Any, weights: Any, first: Any, last: Any, sums: Any, powers: Any) -> Any:
    # About the first row that counts: what does not vary has no deviation at all, however large it is.
    about = first
    while about < last - 1 and weights[about] == 0:
        about += 1
    count = 0.0
    for r in range(first, last):  # all of them: nothing that is no finite number is passed over
        w = np.float64(weights[r])
        count += w
        for j in range(values.shape[1]):
            x = np.float64(values[r, j]) - np.float64(values[about, j])
            sums[j] += w * x
            powers[j] += w * x * x
    return count, about


@np.errstate(over="ignore", invalid="ignore")  # here, for threads do not take it over; found where it is used
def moments(values: np.ndarray, weights: np.ndarray, first: int, last: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Weight, means and sums of squared deviations of the columns of dense rows first … last-1, float64, one pass."""
    sums, powers = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    count, about = cached_on_disk(_moments, "moments")(values, weights, first, last, sums, powers)
    if count:
        powers = np.maximum(powers - sums**2 / count, 0.0)
        sums = sums / count
    return count, values[about].astype(np.float64) + sums, powers


def mixed(bits: Any) -> Any:
    """Whole numbers of 64 bits, or arrays of them, thoroughly mixed. Source: Steele, Lea & Flood (2014), splitmix64."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


_mixed = njit(mixed)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _shuffle(order: Any, state: Any) -> None:
    drawn = np.empty(_DRAWN, np.int64)  # ahead of their use: then one swap need not wait for the memory of another
    last = order.size - 1
    while last > 0:
        count = min(_DRAWN, last)
        for j in range(count):
            state = state + np.uint64(0x9E3779B97F4A7C15)
            bits = _mixed(state) >> np.uint64(32)
            drawn[j] = (bits * np.uint64(last - j + 1)) >> np.uint64(32)
        for j in range(count):
            i, k = last - j, drawn[j]
            order[i], order[k] = order[k], order[i]
        last -= count


def kind_of_places(rows: int) -> type[np.signedinteger]:
    """The type in which the places of so many rows are counted: a small one, for new memory is slow."""
    return np.int32 if rows < 2**31 else np.int64


def places(first: int, end: int, rows: int) -> np.ndarray:
    """The places first … end - 1 of so many rows."""
    return np.arange(first, end, dtype=kind_of_places(rows))


def shuffled(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The `places` of all rows, fewer than 2³², in an order that depends on seed and epoch alone.

    Source: Fisher & Yates, by Durstenfeld (1964), CACM 7(7).
    """
    order = places(0, rows, rows)
    cached_on_disk(_shuffle, "shuffle")(order, np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
    return order
