"""Rows that stream in blocks come in another order in each epoch, each once, from a pool of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend import AdaGrad, LogisticRegression
from descend.models.mixing import mixed_up


def numbered(sizes: list[int]) -> Iterator[tuple[np.ndarray, ...]]:
    begin = 0
    for size in sizes:
        places = np.arange(begin, begin + size, dtype=float)
        yield np.stack([places, -places], axis=1), places, places + 1
        begin += size


def order_of(sizes: list[int], room: int, seed: int = 0) -> list[float]:
    come = list(mixed_up(numbered(sizes), room, np.random.default_rng(seed)))
    for X, y, weights in come:
        np.testing.assert_array_equal(X, np.stack([y, -y], axis=1))
        np.testing.assert_array_equal(weights, y + 1)
    return [place for _, y, _ in come for place in y.tolist()]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 60))
def test_each_row_comes_once_with_its_target_and_weight(sizes: list[int], room: int) -> None:
    assert sorted(order_of(sizes, room)) == list(range(sum(sizes)))


def test_the_order_depends_on_the_seed_alone() -> None:
    assert order_of([30] * 10, 100) == order_of([30] * 10, 100)
    assert order_of([30] * 10, 100) != order_of([30] * 10, 100, seed=1)


def test_no_row_comes_before_the_pool_would_have_been_full() -> None:
    for place, row in enumerate(order_of([50] * 20, 200)):
        assert row < place + 200 + 50


def test_classes_that_come_one_after_the_other_are_learnt() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4_000, 2))
    y = X[:, 0] + X[:, 1] > 0.3
    X, y = X[np.argsort(y)], np.sort(y)

    def blocks() -> Any:
        for begin in range(0, 4_000, 250):
            yield X[begin : begin + 250], y[begin : begin + 250]

    def score(*, shuffle: bool) -> float:
        model = LogisticRegression(AdaGrad(1.0), batch_size=1, epochs=1, scale=False, shuffle=shuffle)
        return float(model.fit_blocks(blocks).score(X, y))

    assert score(shuffle=True) > 0.98
    assert score(shuffle=True) > score(shuffle=False)


def test_an_empty_stream_stays_empty() -> None:
    assert not list(mixed_up(iter(()), 10, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="there are no rows"):
        LogisticRegression().fit_blocks(lambda: iter(()))
