"""Which way to step: the update rules, one declaration each."""

from descend.methods.adam import Adam
from descend.methods.adaptive import AdaGrad, RMSProp
from descend.methods.gradient import GradientDescent, Momentum, Nesterov
from descend.methods.method import Method, State, catalogue, method_named

__all__ = [
    "AdaGrad",
    "Adam",
    "GradientDescent",
    "Method",
    "Momentum",
    "Nesterov",
    "RMSProp",
    "State",
    "catalogue",
    "method_named",
]
