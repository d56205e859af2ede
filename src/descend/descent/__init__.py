"""The loop: `minimize`, what it records, and how it ends. Many runs at once are in `sweep` and `race`."""

from descend.descent.minimize import minimize
from descend.descent.outcome import Outcome
from descend.descent.run import Run
from descend.descent.scipy_method import scipy
from descend.descent.trace import Trace

__all__ = ["Outcome", "Run", "Trace", "minimize", "scipy"]
