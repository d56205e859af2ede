"""How far to step: rules that give a method its learning rate."""

from descend.stepsizes.barzilai_borwein import BarzilaiBorwein
from descend.stepsizes.stepsize import At, Search, StepSize

__all__ = ["At", "BarzilaiBorwein", "Search", "StepSize"]
