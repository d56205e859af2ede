"""The loop: `minimize`, what it records, and how it ends."""

from descend.descent.minimize import minimize
from descend.descent.outcome import Outcome
from descend.descent.race import race
from descend.descent.race_result import Race
from descend.descent.run import Run
from descend.descent.scipy_method import scipy
from descend.descent.sweep import sweep
from descend.descent.sweep_result import Sweep
from descend.descent.trace import Trace

__all__ = ["Outcome", "Race", "Run", "Sweep", "Trace", "minimize", "race", "scipy", "sweep"]
