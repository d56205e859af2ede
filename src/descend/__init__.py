"""Gradient descent you can read, see, trust and ship."""

from descend.descent import Outcome, Run, Trace, minimize, scipy
from descend.methods import AdaGrad, Adam, GradientDescent, Method, Momentum, Nesterov, RMSProp
from descend.objectives import Formula, FormulaError, Landscape, landscape
from descend.stepsizes import BarzilaiBorwein, StepSize

__all__ = [
    "AdaGrad",
    "Adam",
    "BarzilaiBorwein",
    "Formula",
    "FormulaError",
    "GradientDescent",
    "Landscape",
    "Method",
    "Momentum",
    "Nesterov",
    "Outcome",
    "RMSProp",
    "Run",
    "StepSize",
    "Trace",
    "landscape",
    "minimize",
    "scipy",
]
