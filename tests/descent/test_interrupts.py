"""Ctrl-C: a request to a run, and remembered where compiled code has lost it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from descend import Outcome, minimize
from descend.descent.interrupts import Interrupts, remember


@pytest.fixture
def remembering() -> Iterator[None]:
    before = remember()
    yield
    signal.signal(signal.SIGINT, before)


def test_a_lost_interrupt_ends_the_next_run(remembering: None) -> None:
    with pytest.raises(KeyboardInterrupt):  # as a callback of compiled code would, and go on
        signal.raise_signal(signal.SIGINT)
    run = minimize("x^2", 5.0, "adam", steps=10_000)
    assert run.outcome is Outcome.INTERRUPTED
    assert minimize("x^2", 5.0).outcome is Outcome.CONVERGED  # that one was told of it


def test_without_one_nothing_came(remembering: None) -> None:
    with Interrupts() as interrupts:
        assert not interrupts.came()
        signal.raise_signal(signal.SIGINT)
        assert interrupts.came()
    with Interrupts() as interrupts:
        assert not interrupts.came()
