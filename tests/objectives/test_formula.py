"""Typed formulas: what they mean, what they refuse, and that nothing can break the parser."""

from __future__ import annotations

import random
import string
import time
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from descend import Formula, FormulaError, minimize
from descend.objectives.formula import CONSTANTS, FUNCTIONS, LONGEST


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("x^2 + 5*x + 10", 5.0, 60.0),
        ("x**2 + 5*x + 10", 5.0, 60.0),
        ("-x^2", 3.0, -9.0),
        ("2^-x", 2.0, 0.25),
        ("2^3^x", 1.0, 8.0),
        ("(1 - x)^2 + 100*(y - x^2)^2", [-1.2, 1.0], 24.2),
        ("x1 + 2*x3", [1.0, 5.0, 2.0], 5.0),
        ("x + y*z", [1.0, 2.0, 3.0], 7.0),
        ("π*x² − 2·x × 1", 1.0, np.pi - 2),
        ("pi + e + tau - x", 0.0, np.pi + np.e + 2 * np.pi),
        ("max(x, 2) + min(x, 2) + abs(-x)", 3.0, 8.0),
        ("ln(x) + log(x) + log10(x) + log2(x)", 1.0, 0.0),
        ("pow(x, 3) + sign(x) + floor(x) + ceil(x)", 2.0, 13.0),
        ("atan2(x, 1)", 1.0, np.pi / 4),
        ("1e3*x + .5", 1.0, 1000.5),
        ("99999999999*x", 1.0, 99999999999.0),
        ("  x ", 1.0, 1.0),
    ],
)
def test_a_formula_means_what_it_says(text: str, x: Any, value: float) -> None:
    formula = Formula(text)
    point = np.asarray(x) if isinstance(x, list) else x
    assert float(formula(point)) == pytest.approx(value, rel=1e-12, abs=1e-12)
    symbols = dict(zip(formula.variables, np.atleast_1d(point), strict=True))
    named = {sympy.Symbol(k, real=True): v for k, v in symbols.items()}
    assert float(formula.expression().subs(named)) == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("x.real", 1, "no attributes"),
        ("().__class__.__bases__", 4, "no place"),
        ("__import__(x)", 1, "no place"),
        ("eval(x)", 1, "unknown function 'eval'"),
        ("x²³", 2, "several digits"),
        ("0x10 + x", 1, "decimal"),
        ("1_0*x", 2, "no place"),
        ("x + foo(x)", 5, "unknown function 'foo'"),
        ("sni(x)", 1, "Did you mean 'sin'"),
        ("x + q", 5, "unknown name 'q'"),
        ("x^2000", 3, "exponent 2000 is beyond"),
        ("x^9^9^9", 5, "exponent"),
        ("9^9^9^9*x", 5, "exponent"),
        ("pow(x, 1e9)", 8, "exponent"),
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("2x", 2, "write the product with"),
        ("3(x - 1)^2", 1, "write the product with \\*: 3\\*(x - 1)"),
        ("(x + 1)(x + 2)", 1, "(x + 1)\\*(x + 2)"),
        ("sin x + 1", 1, "sin needs brackets: sin(x)"),
        ("x^2 + ln y", 7, "ln needs brackets: ln(y)"),
        ("x y", 3, "write the product with \\*: x\\*y"),
        ("x(2)", 1, "write the product with"),
        ("x +", 3, "ends in the middle"),
        ("(x", 2, "closing bracket is missing"),
        ("x)", 2, "no opening one"),
        ("f = x", 3, "type the right-hand side only"),
        ("sin", 1, "write sin(x)"),
        ("sin()", 1, "takes 1 argument, got 0"),
        ("max(x)", 1, "takes 2 arguments, got 1"),
        ("sin(*x)", 1, "takes 1 argument|legal here"),
        ("x if x else 1", 1, "legal here"),
        ("x and x", 1, "legal here"),
        ("x < 1", 3, "no place in a formula; max, min and abs"),
        ("ln|x|", 3, "write abs(x)"),
        ("√x", 1, "write sqrt(x)"),
        ("x₁ + x₂", 2, "variables are x, y, z or x1"),
        ("θ^2", 1, "variables are x, y, z or x1"),
        ("sin²(x)", 4, "behind the brackets: sin(…)²"),
        ("sin^2(x)", 4, "behind the brackets: sin"),
        ("x^2 + 0,5*x", 1, "decimals with a point"),
        ("np.sin(x)", 1, "write sin alone: sin(x)"),
        ("x[0]", 2, "no place"),
        ("lambda x: x", 9, "no place"),
        ("'a'", 1, "no place"),
        ("x # note", 3, "no place"),
        ("x\n+1", 2, "no place"),
        ("x\x00", 2, "no place"),
        ("1j*x", 1, "legal here"),
        ("1/0 + x", 1, "not a finite real number"),
        ("sqrt(-1)*x", 1, "not a finite real number"),
        ("1e999*x", 1, "not a finite real number"),
        ("5", 1, "no variable"),
        ("x + x1", 5, "do not go together"),
        ("x1001", 1, "at most 1000 variables"),
        ("x0", 1, "unknown name 'x0'"),
        ("(" * 10_000 + "x" + ")" * 10_000, LONGEST, "longer than"),
        ("(" * 500 + "x" + ")" * 500, 31, "brackets nest deeper"),
        ("x" * 1_000_000, LONGEST, "longer than"),
        ("-" * 1500 + "x", 301, "nests deeper"),
        ("+".join(["x"] * 900), 1, "nests deeper"),
    ],
)
def test_what_is_no_formula_is_refused_at_its_column(text: str, column: int, says: str) -> None:
    with pytest.raises(FormulaError, match=says.replace("(", r"\(").replace(")", r"\)").replace("+", r"\+")) as caught:
        Formula(text)
    assert caught.value.column == column
    assert len(str(caught.value)) < 1_000


def test_not_a_text() -> None:
    with pytest.raises(TypeError, match="a formula is a text"):
        Formula(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "x0"), [("x^2", [1.0, 2.0]), ("x + y^2", 1.0), ("x1 + x2^2", [1.0, 2.0, 3.0])])
def test_the_start_must_have_as_many_numbers_as_variables(text: str, x0: Any) -> None:
    with pytest.raises(ValueError, match=r"the formula has \d variable.*, the point has"):
        minimize(text, x0)


def test_latex_and_the_symbolic_derivative() -> None:
    formula = Formula("sin(x) + x^2/10")
    assert formula.latex() == r"\frac{x^{2}}{10} + \sin{\left(x \right)}"
    assert str(formula.derivatives()["x"]) == "x/5 + cos(x)"
    assert [str(d) for d in Formula("x^2*y + pi").derivatives().values()] == ["2*x*y", "x**2"]


def test_the_symbolic_derivative_of_the_deepest_formulas_comes_in_time() -> None:
    for shape in ("sin({})", "x^({})", "x*(x + 1)^({})", "exp(-{}^2)"):
        text = "x"
        while len(shape.format(text)) < 300 and text.count("(") < 29:
            text = shape.format(text)
        begin = time.perf_counter()
        Formula(text).derivatives()
        assert time.perf_counter() - begin < 30


def test_a_long_sum_is_no_deep_formula() -> None:
    text = "+".join(f"x{i}^2" for i in range(1, 200))
    np.testing.assert_allclose(minimize(text, np.ones(199)).x, 0, atol=1e-8)


ALPHABET = [
    *"0123456789.+-*/^(), xyze_", "x1", "x2", "**", "sin", "cos", "pi", "exp(", "sqrt(", "max(", "__class__", "lambda ",
    "import os", "if", "x.y", "[", "]", "{", "'", '"', "\\", "\n", "\t", "²", "π", "é", "\u202e", "😀", "1e308", "9" * 30, "==", ":=",
]  # fmt: skip


def refuses_or_reads(text: str) -> None:
    try:
        formula = Formula(text)
    except FormulaError as error:
        assert 1 <= error.column <= max(len(text), 1)
    else:
        with np.errstate(all="ignore"):
            formula(np.ones(formula.n) if formula.n > 1 else 1.0)


def test_ten_thousand_random_and_mutated_texts_raise_nothing_but_formula_errors() -> None:
    draw = random.Random(0)  # noqa: S311
    seeds = ["sin(x) + x**2/10", "(1-x1)^2 + 100*(x2-x1^2)^2", "max(x, y)^2*exp(-x*y)", "-x^-2^-x"]
    begin = time.perf_counter()
    for k in range(10_000):
        if k % 2:
            text = "".join(draw.choice(ALPHABET) for _ in range(draw.randrange(1, 40)))
        else:
            letters = list(draw.choice(seeds))
            for _ in range(draw.randrange(1, 6)):
                place = draw.randrange(len(letters) + 1)
                letters[place : place + draw.randrange(2)] = [draw.choice(ALPHABET)]
            text = "".join(letters)
        refuses_or_reads(text)
    assert time.perf_counter() - begin < 120  # bounded: about a millisecond a text


@settings(max_examples=500)
@given(st.text(alphabet=string.printable, max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    refuses_or_reads(text)


def test_every_function_and_constant_works_in_a_descent() -> None:
    parts = {name: f"{name}({', '.join(['x/4 + 0.3'] * arity)})" for name, (arity, _) in FUNCTIONS.items()}
    parts |= {"acosh": "acosh(x + 3)", "pow": "pow(x, 2)"}
    for names in (list(parts)[i : i + 8] for i in range(0, len(parts), 8)):
        text = " + ".join(f"0.01*({parts[name]})" for name in names)
        assert minimize(f"{text} + (x - 0.5)^2", 1.0).success, names
    assert all(minimize(f"(x - {name})^2", 1.0).x == pytest.approx(value) for name, value in CONSTANTS.items())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1.5e-3x", r"write the product with \*: 1.5e-3\*x"),
        ("x^2 mod 3", "unknown name 'mod'.* There is no remainder here"),
        ("tan^-1(x)", r"write atan\(…\) for the inverse, or 1/tan\(…\)"),
        ("sin^(-1)(x)", r"write asin\(…\) for the inverse"),
        ("exp^-1(x)", r"write the power behind the brackets: exp\(…\)\^-1"),
        ("sind(x)", "Angles are in radians: multiply by pi/180"),
        ("radians(x)", "Multiply by pi/180"),
        ("x°", "angles are in radians"),
        ("x⁴", r"write powers with \^"),
        ("log(x, 10)", r"write log10, log2, or log\(x\)/log\(b\)"),
        ("max(x, 2, 3)", r"write max\(max\(a, b\), c\)"),
        ("3sinh(x)", r"write the product with \*: 3\*sinh"),
    ],
)
def test_hints_keep_the_meaning(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says):
        Formula(text)


@pytest.mark.parametrize("text", ["a*x^2", "theta + x", "gamma(x)", "w^2"])
def test_what_is_not_alike_is_not_meant(text: str) -> None:
    with pytest.raises(FormulaError) as refusal:
        Formula(text)
    assert "Did you mean" not in str(refusal.value)
