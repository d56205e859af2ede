"""Each word says the same to NumPy, JAX and SymPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from descend import words

ONE_ARGUMENT = [
    "sqrt", "cbrt", "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "arctanh", "sign", "floor", "ceil",
]  # fmt: skip


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_one_word_three_readers(name: str) -> None:
    word = getattr(words, name)
    x = 0.37
    plain = word(x)
    with jax.enable_x64(True):
        assert float(word(jnp.float64(x))) == pytest.approx(float(plain), rel=1e-12)
    symbol = sympy.Symbol("x", real=True)
    assert float(word(symbol).subs(symbol, x)) == pytest.approx(float(plain), rel=1e-12)
    elementwise = word(np.array([symbol, 2 * symbol], dtype=object))
    assert float(elementwise[1].subs(symbol, x / 2)) == pytest.approx(float(plain), rel=1e-12)


@pytest.mark.parametrize("name", ["maximum", "minimum", "arctan2"])
def test_words_of_two_arguments(name: str) -> None:
    word = getattr(words, name)
    x, y = sympy.symbols("x y", real=True)
    plain = float(word(0.3, 0.8))
    with jax.enable_x64(True):
        assert float(word(jnp.float64(0.3), 0.8)) == pytest.approx(plain, rel=1e-12)
    assert float(word(x, y).subs({x: 0.3, y: 0.8})) == pytest.approx(plain, rel=1e-12)


def test_where() -> None:
    x = sympy.Symbol("x", real=True)
    assert words.where(x > 0, x, -x).subs(x, -3) == 3
    assert words.where(np.array([True, False]), 1, 2).tolist() == [1, 2]
    assert words.where(jnp.array([True, False]), 1, 2).tolist() == [1, 2]


@pytest.mark.parametrize("space", [np, jnp])
def test_words_about_whole_parameters(space) -> None:  # type: ignore[no-untyped-def]
    tree = {"a": space.array([3.0, 4.0], "float32"), "b": space.zeros((2, 2), "float32")}
    assert float(words.norm(tree)) == 5.0
    assert float(words.largest(tree)) == 4.0
    assert words.flat(tree).shape == (6,)
    assert np.asarray(words.along(tree, 2.0, tree)["a"]).tolist() == [9.0, 12.0]
    assert float(words.norm(words.difference(tree, tree))) == 0.0
    assert words.like(0.1, tree["a"]).dtype == np.float32


@pytest.mark.parametrize("start", [np.float64(1), jnp.float32(1)])
def test_repeat_while_runs_compiled_and_plain(start) -> None:  # type: ignore[no-untyped-def]
    assert float(words.repeat_while(lambda s: s < 100, lambda s: s * 2, start)) == 128


def test_largest_shows_a_nan() -> None:
    assert np.isnan(words.largest({"a": np.array([1.0, np.nan]), "b": np.array([2.0])}))
