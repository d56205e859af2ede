"""What is minimised: functions, typed formulas, named landscapes."""

from descend.objectives.formula import Formula, FormulaError
from descend.objectives.landscapes import LANDSCAPES, Landscape, landscape

__all__ = ["LANDSCAPES", "Formula", "FormulaError", "Landscape", "landscape"]
