"""What a run suffers from: a cause, with the numbers that speak for it, and a cure that was tried."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from descend.descent import Outcome

__all__ = ["ENDLESS", "NO_MORE", "WRONG_SIGN", "Cause", "Diagnosis", "Trial"]


WRONG_SIGN = "look for a wrong sign in the loss, or bound it"  # a cure
NO_MORE = "no more than a prediction that is the same for all rows"  # what a model knows
ENDLESS = 1e6  # so many times its first size below zero a loss has no bound


class Cause(enum.Enum):
    """What a run suffers from; the value is the sentence for the user."""

    HEALTHY = "nothing is wrong"
    RATE_TOO_LARGE = "the learning rate is too large"
    RATE_TOO_SMALL = "the learning rate is too small"
    ILL_CONDITIONED = "the cost is ill-conditioned: steep across, flat along"
    OSCILLATING = "the steps go to and fro across the minimum"
    STEP_VANISHED = "the adaptive step has become too small"
    DECAYED_TOO_EARLY = "the learning rate has decayed before the minimum was reached"
    TOO_FEW_STEPS = "it was on its way, and needs more steps"
    SADDLE = "it rests on a saddle, or on an extreme of the wrong kind"
    PLATEAU = "it rests on a plateau"
    LOCAL_MINIMUM = "it is in a local optimum, and there is a better one"
    UNBOUNDED = "the cost has no bound, or no minimum where it went"
    LEFT_DOMAIN = "it came to where the cost, or its slope, is not finite"
    WRONG_GRADIENT = "the gradient is wrong"
    PRECISION_FLOOR = "it has reached the precision of the numbers"
    NOISE_FLOOR = "the noise of the batches, or of the method, keeps it from going lower"
    OVERFITTING = "it learns the training rows by heart"
    PENALTY = "a penalty keeps it from where the cost is lowest"
    UNKNOWN = "I cannot tell"


@dataclass(frozen=True)
class Trial:
    """A cure that was tried.

    Attributes
    ----------
    told
        How it ended, as a phrase.
    made
        The `Run` with the cure, or the `History` of the training; None where it is not kept.
    goes_on
        Whether it began where the run had ended, rather than where that had begun.
    """

    told: str
    made: Any = None
    goes_on: bool = False

    @property
    def x0(self) -> Any:
        """Where that run began; None of a training."""
        return None if self.made is None or not hasattr(self.made, "problem") else self.made.problem.x0


@dataclass(frozen=True)
class Diagnosis:
    """What a run suffers from.

    Attributes
    ----------
    cause
        One of `Cause`.
    evidence
        Name → number or text that speaks for it.
    cure
        What to change; empty where nothing needs to be, or nothing that was tried has helped.
    trial
        What a short run with the cure showed, and that run; None where none was made.
    outcome
        How the run had ended.
    explained
        The `Run` that was explained, or the `History` of the training.
    """

    cause: Cause
    evidence: dict[str, Any] = field(default_factory=dict)
    cure: str = ""
    trial: Trial | None = None
    outcome: Outcome | None = None
    explained: Any = field(default=None, compare=False)

    @property
    def seen(self) -> str:
        """What a short run with the cure showed, as a phrase; empty where none was made."""
        return "" if self.trial is None else self.trial.told

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        found = {name: _plain(value) for name, value in self.evidence.items()}
        return {"cause": self.cause.name, "evidence": found, "cure": self.cure, "seen": self.seen}

    def evidence_lines(self) -> list[str]:
        """The evidence as text, a line for each name."""
        return [f"{name}: {_shown(value)}" for name, value in self.evidence.items()]

    def plot(self, ax: Any = None) -> Any:
        """The cost against the step, as it was and with the cure."""
        from descend import plots

        return plots.diagnosis(self, ax)

    def __repr__(self) -> str:
        """The diagnosis in a few lines."""
        text = self.cause.value
        lines = [text[0].upper() + text[1:] + "."]
        lines += [f"  {line}" for line in self.evidence_lines()]
        lines += [f"Cure: {self.cure}."] * bool(self.cure)
        lines += [f"Tried: {self.seen}."] * bool(self.seen)
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        plain = np.where(np.abs(value) < 1e-12 * np.abs(value).max(initial=0), 0.0, value)
        if value.size <= 6:
            return np.array2string(plain, precision=4)
        largest = [i for i in np.sort(np.argsort(-np.abs(plain))[:3]) if plain[i]]
        others = ", …" if np.count_nonzero(plain) > len(largest) else ""
        return ", ".join(f"{plain[i]:.4g} in x[{i}]" for i in largest) + others or "0 in all of x"
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
