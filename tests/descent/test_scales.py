"""Verdicts whatever the units of x and of the cost: what is no minimum is never one, and what is one is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import Box, GradientDescent, L1Ball, Outcome, Projected, minimize
from descend.insight import check_gradient

SCALES = (1e-9, 1e-5, 1e-3, 1.0, 1e3)


@pytest.mark.parametrize("unit", SCALES)
def test_a_maximum_between_two_minima_is_none(unit: float) -> None:
    run = minimize(lambda x: ((x / unit) ** 2 - 1) ** 2, 0.0)
    assert run.outcome is Outcome.STALLED, run.message
    beside = minimize(lambda x: (x[0] / unit) ** 2 + ((x[1] / unit) ** 2 - 1) ** 2, [unit, 0.0])
    assert beside.outcome is Outcome.STALLED, beside.message


@pytest.mark.parametrize("unit", SCALES)
def test_a_minimum_beside_a_lower_place_is_one(unit: float) -> None:
    run = minimize(lambda x: (x / unit) ** 3 - 3 * x / unit, unit)
    assert run.outcome is Outcome.CONVERGED, run.message


@pytest.mark.parametrize(
    ("dtype", "center"), [(np.float32, 1e2), (np.float32, 1e3), (np.float64, 1e5), (np.float64, 1e6)]
)
def test_a_saddle_far_from_zero_is_none(dtype: Any, center: float) -> None:
    at = dtype(center)

    def saddle(p: Any) -> Any:
        u, v = p[0] - at, p[1] - at
        return u**2 - v**2 / 2 + v**4

    run = minimize(saddle, np.array([center + 1, center], dtype))
    assert run.outcome is Outcome.STALLED, run.message
    bent = minimize(lambda x: (x - at) ** 4 - (x - at) ** 3, at)
    assert bent.outcome is Outcome.STALLED, bent.message


def test_a_point_beside_a_kink_is_not_on_it_in_float32() -> None:
    run = minimize(lambda x: np.abs(x - 100) + (x - 100) ** 2 + 1, np.float32(101.31))
    assert run.fun < 1.0001 or run.outcome is not Outcome.CONVERGED, run.message


@pytest.mark.parametrize("cost", [1e-15, 1.0, 1e15])
def test_a_set_does_not_make_a_gradient_as_good_as_zero(cost: float) -> None:
    rule = Projected(GradientDescent(1e-3 / cost), Box(low=0, high=1))
    run = minimize(lambda x: cost * ((x - 0.5) ** 2).sum(), [0.9, 0.9], rule, steps=1)
    assert run.outcome is Outcome.STEPS_EXHAUSTED, run.message
    assert minimize(lambda x: cost * ((x - 2) ** 2).sum(), [0.9, 0.9], rule, steps=5_000).x == pytest.approx([1, 1])


@pytest.mark.parametrize("power", [4, 6])
def test_a_start_is_no_minimum_for_its_small_numbers(power: int) -> None:
    run = minimize(lambda x: 1e-18 * (x / 1e-9) ** power, 7.7e-10)
    assert run.nit > 0
    assert run.fun < 1e-22


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e6])
def test_a_wrong_slope_of_a_flat_coordinate_is_found_beside_steep_ones(scale: float) -> None:
    def cost(x: Any) -> Any:
        return scale * x[0] ** 2 + 1e-6 * x[1] ** 2

    wrong = check_gradient(cost, lambda x: np.array([2 * scale * x[0], -9e-6 * x[1]]), [1.0, 3.0])
    assert [one.name for one in wrong.wrong] == ["x[1]"]
    assert not check_gradient(cost, lambda x: np.array([2 * scale * x[0], 2e-6 * x[1]]), [1.0, 3.0]).wrong


def test_a_corner_of_a_set_is_a_minimum_where_no_way_leads_down() -> None:
    b, w = np.array([0.17, -0.1, 0.27]), np.array([2.5, 0.08, 4.8])
    rule = Projected(GradientDescent(0.0157), L1Ball(1.13))
    run = minimize(lambda x: -((x - b) ** 2 * w).sum() / 2, np.array([-1.13, 0, 0]), rule)
    assert run.outcome is Outcome.CONVERGED, run.message
