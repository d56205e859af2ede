"""Times of a workload and its peer, taken in turn, as medians with their spread and the ratio pair by pair."""

from __future__ import annotations

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Result", "compare", "has", "quiet", "seconds"]


@dataclass(frozen=True)
class Result:
    """One line of the report: times in `unit`, and the ratio of ours to the peer's where there is a peer."""

    name: str
    ours: list[float]
    peer: list[float]
    unit: str
    goal: str
    scale: float = 1.0

    def line(self) -> str:
        """The report."""
        text = f"{self.name:<44} {self._spread(self.ours)}"
        if self.peer:
            ratios = [a / b for a, b in zip(self.ours, self.peer, strict=True)]
            low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
            text += f"   peer {self._spread(self.peer)}   ratio {middle:.3g} [{low:.3g}, {high:.3g}]"
        return f"{text}   goal {self.goal}"

    def _spread(self, values: list[float]) -> str:
        low, middle, high = (f(values) * self.scale for f in (min, statistics.median, max))
        return f"{middle:9.2f} {self.unit} [{low:.2f}, {high:.2f}]"


def has(peer: str, extra: str) -> bool:
    """Whether a peer is installed; if not, it is told how it would be."""
    if importlib.util.find_spec(peer) is None:
        print(f"{peer} is not installed: pip install '.[{extra}]' for the comparison")
        return False
    return True


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def compare(
    ours: Callable[[], object], peer: Callable[[], object] | None, rounds: int, settle: float = 0.0
) -> tuple[list[float], list[float]]:
    """Times of both, in turn, after one warm-up each.

    Each is run for `settle` seconds before it is timed, where the other's threads would disturb it: those of OpenBLAS
    take a processor for 0.1 s after their work is done.
    """
    pair = [ours] if peer is None else [ours, peer]
    for work in pair:
        work()
    times: list[list[float]] = [[] for _ in pair]
    for _ in range(rounds):
        for work, kept in zip(pair, times, strict=True):
            begin = time.perf_counter()
            while time.perf_counter() - begin < settle:
                work()
            kept.append(seconds(work))
    return times[0], times[1] if peer is not None else []


def quiet(workload: Callable[[bool], list[Result]]) -> Callable[[bool], list[Result]]:
    """The workload without what warns of its peers."""

    def run(quick: bool) -> list[Result]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return workload(quick)

    return run
