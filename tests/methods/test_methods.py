"""The declarations: catalogue, formulas, and what is derived from them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
import sympy

from descend import (
    AdaGrad,
    Adam,
    BarzilaiBorwein,
    GradientDescent,
    Method,
    Momentum,
    Nesterov,
    RMSProp,
    minimize,
)
from descend.methods import Rate, catalogue, method_named, rate
from descend.stepsizes import Asks


def test_the_catalogue_lists_the_methods_simple_ones_first() -> None:
    names = [name for name, method in catalogue().items() if method.__module__.startswith("descend.")]
    assert names[:5] == ["gradient-descent", "sign-sgd", "adagrad", "momentum", "nesterov"]
    assert {
        "adabelief", "adadelta", "adam", "adamax", "adamw", "amsgrad", "ftrl-proximal", "lion", "nadam", "nadamw",
        "qhm", "radam", "rmsprop", "rprop", "signum", "yogi", "prodigy", "dadaptadam",
    } == set(names[5:])  # fmt: skip


@pytest.mark.parametrize("text", ["adam", "Adam", "ADAM", "gradient-descent", "GradientDescent", "gradient_descent"])
def test_methods_are_found_by_name(text: str) -> None:
    assert method_named(text) in {Adam, GradientDescent}


def test_an_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown method 'adamm'; legal: .*Did you mean 'adam'\?"):
        method_named("adamm")


@pytest.mark.parametrize(
    ("method", "slots", "scales"),
    [
        (GradientDescent, (), True),
        (Momentum, ("v",), False),
        (Nesterov, ("v",), False),
        (AdaGrad, ("s",), True),
        (RMSProp, ("v",), True),
        (Adam, ("m", "v"), True),
    ],
)
def test_roles_are_read_off_the_formula(method: type[Method], slots: tuple[str, ...], scales: bool) -> None:
    assert method.slots == slots
    assert method.fits(Asks.PROPORTIONAL) == scales
    assert method.paper
    assert method.__doc__


def test_a_search_with_a_method_that_does_not_scale_is_refused() -> None:
    with pytest.raises(
        ValueError, match="is for a method whose change is proportional to lr, .* which Momentum is not"
    ):
        Momentum(lr=BarzilaiBorwein())
    assert isinstance(AdaGrad(lr=BarzilaiBorwein()).lr, BarzilaiBorwein)


@pytest.mark.parametrize("method", [m for m in catalogue().values() if m.__module__.startswith("descend.")])
def test_the_printed_formula_is_the_code(method: type[Method]) -> None:
    """Evaluate the equations as printed, one after the other, and compare with `step`."""
    draw = np.random.default_rng(1)
    arguments = {name: float(draw.uniform(0.2, 0.8)) for name in method._asked}
    if "t" in arguments:
        arguments["t"] = 3.0
    if method.name == "ftrl-proximal":
        arguments["l1"] = 0.01  # so that the coordinate is not held at zero
    gathered = tuple(inspect.signature(method.gather).parameters) if method.gather is not None else ()
    arguments |= {n: float(draw.uniform(0.2, 0.8)) for n in gathered if n not in {*arguments, *method.sums}}
    remembered = {*method.slots, *method.shared}
    written = {"lr": "eta", "eps": "epsilon"}
    known = {}
    for name, value in arguments.items():
        symbol = f"{name}_t-1" if name in remembered else f"{name}_t" if name in {"g", "x"} else written.get(name, name)
        known[sympy.Symbol(symbol)] = value
    results = []
    for equation in method.equations():
        right = equation.rhs.replace(sympy.Function("Σ"), lambda term: term)  # of one coordinate the sum is the term
        known[equation.lhs] = value = float(right.subs(known))
        results.append(value)
    expected = method.step(**{name: arguments[name] for name in method._asked})
    change, *rest = expected if isinstance(expected, tuple) else (expected,)
    slots = [value for name, value in zip(method.slots, rest, strict=False) if method.starts.get(name) != "x"]
    numbers = []
    if method.gather is not None:
        arguments |= dict(zip(method.sums, rest[len(method.slots) :], strict=True))
        numbers = list(reversed(method.gather(**{name: arguments[name] for name in gathered})))
    assert results == pytest.approx([float(value) for value in (*slots, change, *numbers)], rel=1e-12)
    assert r"\Delta x_{t}" in method.latex()


def test_adam_prints_as_in_its_paper() -> None:
    lines = Adam.latex().split("\\\\\n")
    assert lines[0].strip() == r"m_{t} = \beta_{1} m_{t-1} + g_{t} \left(1 - \beta_{1}\right)"
    assert lines[2].count("m_{t}") == lines[2].count("v_{t}") == 1


def test_a_method_is_one_class_and_appears_everywhere() -> None:
    class HalfStep(Method):
        """Half a step of gradient descent."""

        lr: Rate = rate(0.1)

        @staticmethod
        def step(g: Any, lr: Any) -> Any:
            return -0.5 * lr * g

    assert catalogue()["halfstep"] is HalfStep
    half = minimize("x^2", 5.0, HalfStep(0.2), steps=10)
    whole = minimize("x^2", 5.0, GradientDescent(0.1), steps=10)
    assert half.x == whole.x
    assert "Delta" in HalfStep.latex()


def test_methods_step_any_pytree_and_keep_each_dtype() -> None:
    params = {"w": np.ones((2, 3), np.float32), "b": [np.float64(1.0), np.zeros(2)]}
    for method in (Adam(0.1), Nesterov(0.1), GradientDescent(0.1)):
        change, state = method.update(params, method.init(params), params)
        structures: list[Any] = [jax.tree.structure(tree) for tree in (change, params)]
        assert structures[0] == structures[1]
        assert [c.dtype for c in jax.tree.leaves(change)] == [p.dtype for p in jax.tree.leaves(params)]
        assert int(state.t) == 1


def test_a_step_size_that_looks_at_the_cost_says_what_it_needs() -> None:
    method = GradientDescent(BarzilaiBorwein())
    x = np.array([1.0])
    with pytest.raises(TypeError, match=r"needs the value f\(x\): pass value= to update"):
        method.update(x, method.init(x), x)
    with pytest.raises(TypeError, match="needs the function f: pass value_fn= to update"):
        method.update(x, method.init(x), x, value=1.0)


_MISTAKES = """
import math
import jax.numpy as jnp
import numpy as np
from descend import Method, minimize
from descend.methods import Rate, rate

def told(make):
    try:
        make()
    except TypeError as error:
        print(error)

formulas = (
    lambda g, lr: -lr if g > 0 else lr,
    lambda g, lr: -lr * float(g),
    lambda g, lr: -lr * math.sqrt(g * g),
    lambda g, lr: -lr * np.sign(g),
    lambda g, lr: None,
    lambda g, m, lr: -lr * g,
    lambda g, lr: -lr * g.sum(),
    lambda g, lr: -lr * g / jnp.linalg.norm(g),
    lambda g, lr: -lr * jnp.cumsum(jnp.atleast_1d(g)),
)
for formula in formulas:
    body = {"__annotations__": {"lr": Rate}, "lr": rate(0.1), "step": staticmethod(formula)}
    own = type("Own", (Method,), body)
    told(lambda: minimize("x^2 + y^2", [1.0, 2.0], own()))
told(lambda: type("Bound", (Method,), {"step": lambda self, g: -g}))
told(lambda: type("Untyped", (Method,), {"lr": rate(0.1), "step": staticmethod(lambda g, lr: -lr * g)}))
told(lambda: type("Bare", (Method,), {})())

def declared(name, step, **body):
    return type(name, (Method,), {"__annotations__": {"lr": Rate}, "lr": rate(0.1), "step": staticmethod(step), **body})

told(lambda: declared("Default", lambda g, lr, mu=0.9: -lr * mu * g))
told(lambda: declared("Begins", lambda g, s, lr: (-lr * s, g), starts={"s": 1.0}))
told(lambda: declared("Starts", lambda g, s, lr: (-lr * s, g), starts={"v": "x"}))
told(lambda: declared("Rateless", lambda g: -0.1 * g))
kept = []
try:
    declared("Refused", lambda g: -0.1 * g)
except TypeError as error:
    kept.append(error)
from descend.methods import catalogue
print(sorted({"rateless", "refused", "starts", "own"} & set(catalogue())))
told(lambda: minimize("x^2", 1.0, declared("Random", lambda g, lr: -lr * g * np.random.normal())()))
"""


def test_mistakes_in_a_method_of_ones_own_are_told_in_a_sentence() -> None:
    # In a process of its own: a class that is declared stays in the catalogue.
    done = subprocess.run([sys.executable, "-c", _MISTAKES], capture_output=True, text=True, check=True)
    told = [
        "Own.step asks in Python whether a number is so (if, and, or, max): write where(g > 0, a, b)",
        "Own.step makes a Python number of g",
        "Own.step makes a Python number of g",
        "Own.step uses a function of NumPy",
        "Own.step must return 1 value (the change), got None",
        "Own.step must return 2 values (the change, m), got 1",
        "Own.step is for one coordinate and must not mix several, as reduce_sum does",
        "Own.step is for one coordinate and must not mix several, as ",
        "Own.step is for one coordinate and must not mix several, as cumsum does",
        "Bound.step is a formula of numbers: leave self out, with @staticmethod before it",
        "Untyped.lr has no type: write lr: float = …",
        "Bare has no formula: give it a static method step",
        "Default.step has a default, mu=0.9, and would take mu for a slot: a hyperparameter is a field",
        "Begins.starts has 's' begin at 1.0: give the name of a field, 'lr', or 'x'",
        "Starts.starts names 'v', which step does not ask for",
        "Rateless has the field lr, and step does not ask for it: no rate changes anything",
        "['own']",
        "Random.step gives another formula each time",
    ]
    lines = done.stdout.splitlines()
    assert [line.startswith(begin) for line, begin in zip(lines, told, strict=True)] == [True] * len(told), lines
