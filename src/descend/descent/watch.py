"""Between chunks: does the run still get anywhere?"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.descent.engine import NOT_FINITE, RUNNING, SMALL_GRADIENT
from descend.descent.trace import Trace
from descend.methods import Averaged, Rule
from descend.stepsizes.schedule import Schedule

__all__ = ["REASONS", "Ended", "Tolerances", "Watch"]

_STILL_ROWS = 10
_PATIENCE = 1_000  # steps without progress that are always granted
_TIMES = 10  # the steps that momentum remembers, which are granted as well
_LOWER = 0.99  # of the highest rate before: it is being taken down
_LATER, _PLACES = 1e9, 64  # steps until then, and places among them, at which a schedule is asked
_FAR_BELOW = 0.5  # share of what a cost is above its lowest: from there it comes down


class Ended(enum.Enum):
    """Why the loop stopped: a fact, of which `ending.judge` makes an outcome."""

    ALL_STEPS = enum.auto()
    SMALL_GRADIENT = enum.auto()
    NOT_FINITE = enum.auto()
    STANDS_STILL = enum.auto()
    NO_PROGRESS = enum.auto()
    OUT_OF_TIME = enum.auto()
    INTERRUPTED = enum.auto()


REASONS = {RUNNING: Ended.ALL_STEPS, SMALL_GRADIENT: Ended.SMALL_GRADIENT, NOT_FINITE: Ended.NOT_FINITE}


@dataclass(frozen=True)
class Tolerances:
    """gtol, xtol and ftol as the user gave them: None leaves the choice to the dtype, 0 switches off."""

    gtol: float | None
    xtol: float | None
    ftol: float | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 <= value < np.inf):
                raise ValueError(f"{name} must be a number >= 0, got {value!r}; 0 switches it off")

    def gradient(self, kind: np.dtype[Any], scale: float) -> float:
        """The gradient norm that counts as zero for an objective of that scale; negative if switched off."""
        base = float(np.finfo(kind).eps) ** 0.5 if self.gtol is None else float(self.gtol)
        return base * min(1.0, scale) if base else -1.0


def _memory_of(rule: Rule) -> float:
    """How many steps a method with momentum μ remembers, 1/(1 - μ)."""
    mus = [float(np.max(v)) for name, v, _ in rule.numbers() if name.split(".")[-1] in {"mu", "beta1", "beta"}]
    return float(1 / max(1 - max(mus, default=0.0), 1e-3))


class Watch:
    """Looks at the trace between chunks and says at which row the run got stuck.

    It looks at kept rows only, and these are the same whatever the chunks were: so is its answer. Batches
    tell nothing about the whole, and without the points there is no row to go back to: then it never answers.
    """

    def __init__(self, kind: np.dtype[Any], tolerances: Tolerances, rule: Rule, *, sampled: bool, since: int) -> None:
        self._patience = max(_PATIENCE, round(_TIMES * _memory_of(rule)))
        rates = (getattr(part, "lr", None) for part in rule.parts() if isinstance(part, Rule))
        self._schedules = [rate for rate in rates if isinstance(rate, Schedule)]
        # A mean of the points betters while these go to and fro.
        self._averages = any(isinstance(part, Averaged) for part in rule.parts())
        eps = float(np.finfo(kind).eps)
        self._xtol = eps / 4 if tolerances.xtol is None else float(tolerances.xtol)
        self._ftol = eps if tolerances.ftol is None else float(tolerances.ftol)
        self._sampled = sampled
        self._looked_at = since  # the last step that was looked at

    def stuck(self, trace: Trace) -> tuple[int, Ended] | None:
        """The first new row at which x stood still or the cost had long stopped falling; None if it goes on."""
        if self._sampled or trace.x is None or not len(trace):
            return None
        new = int(np.searchsorted(trace.step, self._looked_at, side="right"))
        self._looked_at = int(trace.step[-1])
        still, idle = self._stands_still(trace.x, new), self._no_progress(trace, new)
        if still is None and idle is None:
            return None
        if idle is None or (still is not None and still <= idle):
            return still, Ended.STANDS_STILL  # type: ignore[return-value]
        return idle, Ended.NO_PROGRESS

    def _stands_still(self, x: np.ndarray, new: int) -> int | None:
        first = max(0, new - _STILL_ROWS)
        tail = x[first:]
        if not self._xtol or len(tail) <= _STILL_ROWS:
            return None
        still = (np.abs(np.diff(tail, axis=0)) <= self._xtol * np.abs(tail[1:])).all(axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(still, _STILL_ROWS).all(axis=1)
        return first + _STILL_ROWS + int(np.argmax(windows)) if windows.any() else None

    def _no_progress(self, trace: Trace, new: int) -> int | None:
        """Compares the lowest cost so far with the lowest before the last 1,000 steps, or half the run.

        Momentum may carry a cost far up before it falls; what still comes down from there is no standstill. Nor is it
        where a schedule still takes the rate down, or has yet to: with a smaller one the cost gets lower.
        """
        step, f = trace.step, trace.f
        rows = np.arange(new, len(step))
        before = step[rows] - np.maximum(self._patience, step[rows] // 2)
        earlier = np.searchsorted(step, before, side="right") - 1
        lowest = np.minimum.accumulate(f)
        idle = (earlier >= 0) & (lowest[earlier] - lowest[rows] <= self._ftol * np.abs(lowest[rows]))
        if not self._ftol or self._averages:
            return None
        return next((int(row) for row in rows[idle] if not self._goes_on(trace, int(row))), None)

    def _goes_on(self, trace: Trace, row: int) -> bool:
        return self._falls_later(int(trace.step[row])) or _comes_down(trace, row, self._patience)

    def _falls_later(self, step: int) -> bool:
        """Whether a schedule has yet to take the rate down."""
        later = np.append(step, np.geomspace(max(step, 1), _LATER, _PLACES).round())
        rates = [np.asarray(schedule(later), float) for schedule in self._schedules]
        return any(bool(rate.min() < _LOWER * rate[0]) for rate in rates)


def _comes_down(trace: Trace, row: int, patience: int) -> bool:
    """Whether in the later half of the steps that are looked back on the highest cost is far lower, or the rate is."""
    step, f = trace.step, trace.f
    half = max(patience, int(step[row]) // 2) / 2
    begin, middle = np.searchsorted(step, [step[row] - 2 * half, step[row] - half], side="right")
    parts, lowest = (slice(begin, middle), slice(middle, row + 1)), f[: row + 1].min()
    before, after = (f[part].max(initial=lowest) - lowest for part in parts)
    rate_before, rate_after = (np.nanmax(trace.lr[part], initial=0.0) for part in parts)
    return bool(after < _FAR_BELOW * before or rate_after < _LOWER * rate_before)
