"""Rows in memory as the kernels want them: checked, contiguous, of one float type, with their scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Any, Self

import numpy as np
import scipy.sparse

from descend.models.kernels import moments
from descend.models.threads import threads

__all__ = ["Moments", "Rows", "rows_of"]

_BLOCKS, _FEWEST = 64, 4_096  # of rows that a thread looks at, and rows in one: the bits depend on no number of threads
_FAR, _NEARLY_ALL = 10.0, 0.9  # standard deviations from zero; of the rows


@dataclass(frozen=True)
class Moments:
    """What is known of the columns: rows seen, their means and the sums of their squared deviations, float64.

    Of sparse rows the squares are about zero, and `stored` tells in how many rows each column is.
    """

    count: float
    mean: np.ndarray
    squares: np.ndarray
    stored: np.ndarray | None = None

    def with_more(self, other: Self) -> Self:
        """Those of both sets of rows. Source: Chan, Golub & LeVeque (1983), Am. Stat. 37."""
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        squares = self.squares + other.squares + apart**2 * (self.count * other.count / count)
        stored = None if self.stored is None or other.stored is None else self.stored + other.stored
        return replace(self, count=count, mean=mean, squares=squares, stored=stored)

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each column; 1 where a column does not vary.

        Where it varies by the rounding of its numbers alone, as large ids do, it is their size: so it counts nothing.
        """
        deviation, size = np.sqrt(self.squares / self.count), np.abs(self.mean)
        varies = deviation > 10 * np.finfo(np.float64).eps * size
        return np.where(deviation > 0, np.where(varies, deviation, size), 1.0)

    @property
    def size(self) -> np.ndarray:
        """The root mean square of each column."""
        size: np.ndarray = np.sqrt(self.squares / self.count + self.mean**2)
        return size

    def largest(self, names: Sequence[str]) -> str:
        """The columns whose numbers are largest, where columns differ in scale; else empty."""
        size = self.size
        if not size.max() > 10 * size[size > 0].min(initial=np.inf):
            return ""
        order = np.argsort(-size)
        *larger, smallest = order[size[order] > 0]
        told = [f"{names[j]} (about {size[j]:.3g})" for j in (*larger[:3], smallest)]
        return f"{', '.join(told[:-1])}; the smallest is {told[-1]}"

    @property
    def size_where_stored(self) -> np.ndarray:
        """The root mean square of what is stored of each column: a rare column is rare, and not small."""
        assert self.stored is not None  # noqa: S101 - of sparse rows
        is_there = (self.stored > 0) & (self.squares > 0)
        return np.sqrt(np.where(is_there, self.squares, 1.0) / np.where(is_there, self.stored, 1.0))


@dataclass(frozen=True)
class Rows:
    """Features, targets and weights of some rows.

    Attributes
    ----------
    values, columns, starts
        See `kernels`: dense rows, or CSR.
    y
        Targets, shape (rows,), of the dtype of `values`.
    weights
        What each row counts.
    features
        The number of columns.
    """

    values: np.ndarray
    columns: np.ndarray
    starts: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    features: int

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def is_weighted(self) -> bool:
        """Whether some rows count more than others."""
        return bool((self.weights != 1).any())

    @property
    def is_sparse(self) -> bool:
        """Whether only what is not zero is stored."""
        return self.values.ndim == 1

    @property
    def kind(self) -> np.dtype[Any]:
        """The float type."""
        return self.values.dtype

    def blocks(self, size: int) -> Iterator[Rows]:
        """The dense rows in their order, so many at a time, without a copy."""
        for begin in range(0, len(self), size):
            here = slice(begin, begin + size)
            yield replace(self, values=self.values[here], y=self.y[here], weights=self.weights[here])

    @cached_property
    def matrix(self) -> Any:
        """The features as an array or a CSR matrix."""
        if not self.is_sparse:
            return self.values
        shape = (len(self), self.features)
        # SciPy wants both index arrays of one type, and would copy the longer one.
        starts = self.starts.view(np.int64)
        starts = starts if starts[-1] > np.iinfo(np.int32).max else starts.astype(np.int32)
        return scipy.sparse.csr_array((self.values, self.columns.view(np.int32), starts), shape=shape, copy=False)

    def taken(self, order: np.ndarray) -> Rows:
        """These rows alone, in this order."""
        y, weights = self.y[order], self.weights[order]
        if not self.is_sparse:
            return replace(self, values=self.values[order], y=y, weights=weights)
        part = self.matrix[order]
        return replace(
            self, values=part.data, columns=part.indices.astype(np.uint32), starts=part.indptr.astype(np.uint64),
            y=y, weights=weights,
        )  # fmt: skip

    def moments(self) -> Moments:
        """Means and squared deviations of the columns, in one pass; of sparse rows about zero, which stays zero."""
        if self.is_sparse:
            total = float(self.weights.sum(dtype=np.float64))
            weight_of_entry = np.repeat(self.weights, np.diff(self.starts).astype(np.int64)).astype(np.float64)
            stored = np.bincount(self.columns, weight_of_entry, self.features)
            squares = np.bincount(self.columns, weight_of_entry * self.values.astype(np.float64) ** 2, self.features)
            return Moments(total, np.zeros(self.features), squares, stored)
        with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range is found where it is used
            return self._moments_of_blocks()

    def far_from_zero(self, moments: Moments) -> np.ndarray:
        """The sparse columns that are stored in nearly all rows, and vary little beside their mean: their numbers."""
        assert moments.stored is not None  # noqa: S101 - of sparse rows
        dense = np.flatnonzero(moments.stored > _NEARLY_ALL * moments.count)
        if not dense.size:
            return dense
        mean = self.matrix[:, dense].T @ self.weights.astype(np.float64) / moments.count
        variance = moments.squares[dense] / moments.count - mean**2
        return np.asarray(dense[(variance > 1e-12 * mean**2) & (mean**2 > _FAR**2 * variance)])

    def _moments_of_blocks(self) -> Moments:
        edges = np.linspace(0, len(self), max(1, min(_BLOCKS, len(self) // _FEWEST)) + 1).astype(int)
        places = edges[:-1].tolist(), edges[1:].tolist()
        parts = [Moments(*part) for part in threads().map(partial(moments, self.values, self.weights), *places)]
        found = reduce(Moments.with_more, [part for part in parts if part.count > 0])
        of_no_weight = sum(0 * part.mean for part in parts if part.count == 0)  # nan where there is one
        return replace(found, squares=found.squares + of_no_weight)


def rows_of(X: Any, y: np.ndarray, weights: Any = None, *, balanced: bool = True) -> Rows:
    """Rows from an array or CSR matrix that scikit-learn has checked, with targets that are numbers.

    The weights are brought to the mean 1 if `balanced`; else they are taken as they are.

    Raises
    ------
    ValueError
        Column indices outside the matrix, weights that are negative or all zero.
    """
    kind = X.dtype
    each = np.ones(len(y), kind) if weights is None else _counted(weights, balanced).astype(kind)
    with np.errstate(over="ignore"):
        targets = np.ascontiguousarray(y, kind)
    if y.dtype != kind and not np.isfinite(targets).all():
        raise ValueError(f"the target is too large for {kind}: give it in other units, or the columns in float64")
    none = np.empty(0, np.uint32), np.empty(0, np.uint64)
    if not scipy.sparse.issparse(X):
        return Rows(np.ascontiguousarray(X), *none, targets, each, X.shape[1])
    X = X.tocsr()
    if X.shape[1] > np.iinfo(np.int32).max:
        raise ValueError(f"at most {np.iinfo(np.int32).max:,} columns, got {X.shape[1]:,}")
    _check_csr(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    values = np.ascontiguousarray(X.data)
    return Rows(values, X.indices.astype(np.uint32), X.indptr.astype(np.uint64), targets, each, X.shape[1])


def _counted(weights: Any, balanced: bool) -> np.ndarray:
    """What each row counts."""
    given = np.asarray(weights, np.float64)
    if (given < 0).any():
        raise ValueError(f"sample_weight must be >= 0, got {given.min():g} for row {int(given.argmin())}")
    if not given.sum() > 0:
        raise ValueError("sample_weight is zero for all rows: nothing is left to learn from")
    return given / given.mean() if balanced else given


def _check_csr(X: Any) -> None:
    """A matrix that was put together by hand may point anywhere, and a kernel would follow."""
    starts, columns = X.indptr, X.indices
    if (
        len(starts) != X.shape[0] + 1
        or starts[0] != 0
        or (np.diff(starts) < 0).any()
        or starts[-1] > min(len(columns), len(X.data))
    ):
        raise ValueError("the sparse matrix is broken: indptr must rise from 0 to the number of stored values")
    if len(columns) and (columns.min() < 0 or columns.max() >= X.shape[1]):
        worst = int(columns.max() if columns.max() >= X.shape[1] else columns.min())
        raise ValueError(f"the sparse matrix is broken: column index {worst} lies outside 0 … {X.shape[1] - 1}")
