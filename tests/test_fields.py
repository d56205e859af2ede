"""Declared numbers: ranges, messages, and the pytree that they form."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from descend import Adam, BarzilaiBorwein, GradientDescent, Momentum, RMSProp
from descend.fields import between, nonnegative, positive


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Adam(lr=-1.0), ValueError, "lr must be > 0, got -1.0; gradient ascent is maximize=True"),
        (lambda: Adam(lr=0), ValueError, "lr must be > 0, got 0.0"),
        (lambda: Adam(lr=float("nan")), ValueError, "lr must be > 0 and finite, got nan"),
        (lambda: Adam(lr=float("inf")), ValueError, "lr must be > 0 and finite, got inf"),
        (lambda: Adam(lr="0.1"), TypeError, "lr must be a number > 0, got '0.1' (str)"),  # type: ignore[arg-type]
        (lambda: Adam(lr=None), TypeError, "lr must be a number > 0, got None (NoneType)"),  # type: ignore[arg-type]
        (lambda: Adam(lr=True), TypeError, "lr must be a number > 0, got True (bool)"),
        (lambda: Adam(lr=[1, "a"]), TypeError, "lr must be a number"),  # type: ignore[arg-type]
        (lambda: Adam(lr=np.array([0.1, -0.1])), ValueError, "lr must be > 0, got -0.1"),
        (lambda: Momentum(mu=1.0), ValueError, "mu must be in [0, 1), got 1.0"),
        (lambda: Momentum(mu=-0.1), ValueError, "mu must be in [0, 1), got -0.1"),
        (lambda: Adam(learning_rate=0.1), TypeError, "no hyperparameter 'learning_rate'; it has lr, beta1"),  # type: ignore[call-arg]
        (lambda: Adam(learning_rate=0.1), TypeError, "Did you mean 'lr'?"),  # type: ignore[call-arg]
        (lambda: Adam(beta_1=0.1), TypeError, "Did you mean 'beta1'?"),  # type: ignore[call-arg]
        (lambda: Momentum(momentum=0.9), TypeError, "Did you mean 'mu'?"),  # type: ignore[call-arg]
        (lambda: GradientDescent(0.1, 0.2), TypeError, "takes at most 1 number"),  # type: ignore[call-arg]
        (lambda: Adam(0.1, lr=0.2), TypeError, "got lr twice"),  # type: ignore[misc]
    ],
)
def test_bad_numbers_are_refused_with_what_came_what_is_legal_and_the_cure(make, error, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        make()
    assert says in str(caught.value)


def test_ranges_read_as_a_person_would_write_them() -> None:
    read = [str(f.metadata["range"]) for f in (positive(1.0), nonnegative(1.0), between(0, 1, 0.5))]
    assert read == ["> 0", ">= 0", "in [0, 1)"]


def test_a_method_is_a_pytree_of_its_numbers_and_rebuilding_does_not_check() -> None:
    method = Adam(lr=0.1, beta1=0.5)
    structure: Any
    leaves, structure = jax.tree.flatten(method)
    assert leaves == [0.1, 0.5, 0.999, 1e-8]
    assert structure.unflatten([None, "tracer", -1.0, 0]).beta1 == "tracer"
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(method)]
    assert paths == [".lr", ".beta1", ".beta2", ".eps"]
    assert jax.jit(lambda m: m.lr * 2)(method) == pytest.approx(0.2)


def test_methods_are_values() -> None:
    assert Adam(0.1) == Adam(lr=0.1) != Adam(0.2)
    assert hash(Adam(0.1)) == hash(Adam(0.1))
    assert repr(RMSProp()) == "RMSProp(lr=0.001, rho=0.9, eps=1e-08)"
    assert repr(GradientDescent(BarzilaiBorwein())) == "GradientDescent(lr=BarzilaiBorwein(first=1.0))"
    with pytest.raises(AttributeError):
        Adam(0.1).lr = 0.2  # type: ignore[misc]


def test_a_field_without_a_range_is_refused_with_the_cure() -> None:
    from descend import Method

    with pytest.raises(TypeError, match=r"Bare.lr has no range: declare it as lr: float = positive\(0.1\)"):

        class Bare(Method):
            lr: float = 0.1
