"""Ways out of a local minimum: what they find is true, and the budget is the same for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from descend import Adam, ClipNorm, landscape, plots
from descend.insight import escape


def by_name(found: Any) -> dict[str, Any]:
    return {way.name: way for way in found.ways}


def test_restarts_and_hops_get_out_where_the_plain_method_does_not() -> None:
    found = escape("styblinski-tang", [3.0, 3.0], repetitions=16)
    ways = by_name(found)
    assert set(ways) == {"plain", "momentum", "noise", "restarts", "basin-hopping"}
    lowest = landscape("styblinski-tang").fmin
    assert ways["restarts"].costs.min() == pytest.approx(lowest, rel=1e-6)
    assert ways["plain"].costs.min() > lowest + 10
    assert (ways["plain"].share, found.ways[0].share > 0.5) == (0.0, True)
    x = landscape("styblinski-tang").minima[0]
    np.testing.assert_allclose(found.ways[0].x, x, atol=1e-3)
    assert plots.escape(found) is not None


def test_a_hop_is_kept_only_if_it_leads_lower() -> None:
    found = by_name(escape("rastrigin", [0.3, 0.2], repetitions=8))
    assert found["plain"].costs.max() < 1e-9
    assert found["basin-hopping"].costs.max() < 1e-9


def test_a_maximum_is_sought_where_one_is_asked_for() -> None:
    found = escape("sin(x) - x^2/10", -4.0, domain=[(-8, 8)], repetitions=8, maximize=True)
    best = max(way.costs.max() for way in found.ways)
    assert best == pytest.approx(0.794582, abs=1e-4)
    assert found.ways[0].share > 0.5
    assert str(found).splitlines()[0].startswith(found.ways[0].name)


def test_the_same_seed_gives_the_same_and_repetitions_differ() -> None:
    first, second, other = (escape("rastrigin", [2.2, 1.8], repetitions=8, seed=seed) for seed in (1, 1, 2))
    for name, way in by_name(first).items():
        np.testing.assert_array_equal(way.costs, by_name(second)[name].costs)
    assert (by_name(first)["restarts"].costs != by_name(other)["restarts"].costs).any()
    assert len(set(by_name(first)["restarts"].costs)) > 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"steps": 3}, "steps must be a whole number >= 8"), ({"repetitions": 1}, "repetitions must be"),
     ({"domain": [(1, 0)]}, "domain must be"), ({"domain": [(0, 1)] * 3}, "domain must be"),
     ({"method": ClipNorm(Adam(), 1.0)}, None)],
)  # fmt: skip
def test_bad_input(options: Any, complaint: str | None) -> None:
    if complaint is None:
        assert len(escape("himmelblau", None, repetitions=4, steps=80, **options).ways) == 5
        return
    with pytest.raises(ValueError, match=complaint):
        escape("himmelblau", None, **options)


def test_a_pytree_has_no_domain() -> None:
    with pytest.raises(TypeError, match="a number or an array"):
        escape(lambda p: p["a"] ** 2, {"a": 1.0})


def test_the_ways_up_are_told_as_high() -> None:
    found = escape("-(x^2-1)^2 + x/10", 0.9, domain=[(-2, 2)], steps=200, repetitions=2, maximize=True)
    assert "as high as any" in str(found)
    assert found.plot().get_title().endswith("as high as any")
