"""A cost typed as text: `sin(x) + x^2/10`, read by a whitelist and compiled through the words of the library.

Nothing of the text is ever executed: Python's own parser turns it into a tree, and only numbers, the known
names, the arithmetic operators and calls of the known functions are accepted from that tree.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from descend import words
from descend.fields import nearest

__all__ = ["Formula", "FormulaError"]

LONGEST = 2_000  # characters
DEEPEST = 300  # levels of nesting; each term of a sum is one
DEEPEST_BRACKETS = 30
LARGEST_EXPONENT = 1_000
LARGEST_WHOLE = 2**31  # larger whole numbers become floats
MOST_VARIABLES = 1_000

CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


def _power(a: Any, b: Any) -> Any:
    return a**b


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "sqrt": (1, words.sqrt), "cbrt": (1, words.cbrt), "exp": (1, words.exp), "expm1": (1, words.expm1),
    "log": (1, words.log), "ln": (1, words.log), "log1p": (1, words.log1p), "log2": (1, words.log2),
    "log10": (1, words.log10), "sin": (1, words.sin), "cos": (1, words.cos), "tan": (1, words.tan),
    "asin": (1, words.arcsin), "acos": (1, words.arccos), "atan": (1, words.arctan),
    "arcsin": (1, words.arcsin), "arccos": (1, words.arccos), "arctan": (1, words.arctan),
    "atan2": (2, words.arctan2), "sinh": (1, words.sinh), "cosh": (1, words.cosh), "tanh": (1, words.tanh),
    "asinh": (1, words.arcsinh), "acosh": (1, words.arccosh), "atanh": (1, words.arctanh), "abs": (1, abs),
    "sign": (1, words.sign), "floor": (1, words.floor), "ceil": (1, words.ceil),
    "max": (2, words.maximum), "min": (2, words.minimum), "pow": (2, _power),
}  # fmt: skip

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: _power,
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: a,
}

_WRITTEN_FOR = {"^": "**", "π": "pi", "·": "*", "×": "*", "−": "-", "²": "**2", "³": "**3"}
_HINTS = {  # what has no place in a formula, and what to write instead
    "=": "type the right-hand side only",
    "|": "write abs(x)",
    "√": "write sqrt(x)",
    "÷": "write /",
    **dict.fromkeys("[]{}", "write round brackets"),
    **dict.fromkeys("½¼¾⅓", "write a quotient, 1/2"),
    **dict.fromkeys("_₁₂₃₄₅₆₇₈₉", "variables are x, y, z or x1, x2, …"),
    **dict.fromkeys("<>", "max, min and abs can tell cases apart"),
    ";": "write decimals with a point, and one formula",
    "°": "angles are in radians: multiply by pi/180",
    **dict.fromkeys("⁰¹⁴⁵⁶⁷⁸⁹⁻", "write powers with ^"),
}
_FOR_DEGREES = dict.fromkeys(("sind", "cosd", "tand"), "Angles are in radians: multiply by pi/180, as in sin(x*pi/180)")
_OTHERS = {  # names that others use, and what to write instead
    **_FOR_DEGREES,
    "radians": "Multiply by pi/180",
    "degrees": "Multiply by 180/pi",
    "mod": "There is no remainder here: its jumps have no gradient",
    "sec": "Write 1/cos(x)",
    "csc": "Write 1/sin(x)",
    "cot": "Write 1/tan(x)",
}
_ALIKE = 0.65  # letters of a name, for which another is taken that is meant
_LEGAL = re.compile(r"[A-Za-z0-9+\-*/(),. ^π·×−²³]")


class FormulaError(ValueError):
    """The text is no formula; `column` (from 1) says where it stops being one."""

    def __init__(self, message: str, text: str, column: int) -> None:
        self.column = column
        start = max(0, column - 40)
        excerpt = text[start : start + 72]
        super().__init__(f"{message}, at column {column}\n    {excerpt}\n    {' ' * (column - 1 - start)}^")


class Formula:
    """A cost function typed as text.

    Variables are `x`; or `x, y` or `x, y, z`; or `x1`, `x2`, …. Powers are written `^` or `**`. Known are the
    constants pi, e, tau and the functions of `descend.objectives.formula.FUNCTIONS`.

    Calling it with a number (one variable) or a vector of shape (n,) gives the value in the argument's kind:
    NumPy, JAX or SymPy.

    Raises
    ------
    FormulaError
        The text is not a formula; the message gives the column and what is legal.
    TypeError
        Not a text.
    """

    written_in_words = True

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a formula is a text like 'x^2 + 5*x', got {text!r}")
        self.text = text
        self._reading = _Reading(text)
        self.variables = self._reading.variables
        self._numeric = self._reading.compiled(number=lambda v: v, folds=True)

    @property
    def n(self) -> int:
        """How many variables the formula has."""
        return len(self.variables)

    def __reduce__(self) -> Any:
        """A pickle holds the text."""
        return Formula, (self.text,)

    def __call__(self, x: Any) -> Any:
        """The value at x: a number, or a vector with one element per variable."""
        if isinstance(x, int | float | list | tuple):  # Python's own raise where NumPy gives inf or nan
            x = np.asarray(x, dtype=np.float64)[()]
        return self._numeric(self._bind(x))

    def _bind(self, x: Any) -> dict[str, Any]:
        if isinstance(x, dict):
            raise TypeError(f"a formula takes a number or a vector of {', '.join(self.variables)}, got a dict")
        shape = np.shape(x)
        if shape == () and self.n == 1:
            return {self.variables[0]: x}
        if len(shape) != 1 or shape[0] != self.n:
            given = f"{shape[0]} numbers" if len(shape) == 1 else "one number" if shape == () else f"shape {shape}"
            raise ValueError(
                f"the formula has {self.n} variable{'s' if self.n > 1 else ''} ({', '.join(self.variables)}), "
                f"the point has {given}"
            )
        return {name: x[i] for i, name in enumerate(self.variables)}

    def expression(self) -> Any:
        """The formula as a SymPy expression."""
        import sympy

        symbols = {name: sympy.Symbol(name, real=True) for name in self.variables}
        exact = {math.pi: sympy.pi, math.e: sympy.E, math.tau: 2 * sympy.pi}
        symbolic = self._reading.compiled(number=lambda v: exact.get(v, sympy.sympify(v)), folds=False)
        return sympy.sympify(symbolic(symbols))

    def latex(self) -> str:
        """The formula as LaTeX."""
        import sympy

        return str(sympy.latex(self.expression()))

    def derivatives(self) -> dict[str, Any]:
        """Variable → symbolic partial derivative, as SymPy expressions."""
        import sympy

        expression = self.expression()
        return {name: sympy.diff(expression, sympy.Symbol(name, real=True)) for name in self.variables}

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"


class _Reading:
    """One text, parsed and checked; `compiled` makes functions of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.columns: list[int] = []  # of the user's text, for each character of the parsed one
        self.names: dict[str, int] = {}
        self.constants: dict[int, float] = {}  # id of a node → its value, where it holds no variable
        self.tree = self._parse()
        self._check(self.tree, 1)
        self.variables = self._variables()

    def error(self, message: str, node: ast.AST | int) -> FormulaError:
        offset = node if isinstance(node, int) else getattr(node, "col_offset", 0)
        column = self.columns[min(max(offset, 0), len(self.columns) - 1)] if self.columns else 1
        return FormulaError(message, self.text, column)

    def _parse(self) -> ast.expr:
        if not self.text.strip():
            raise FormulaError("the formula is empty; type one like x^2 + 5*x + 10", self.text, 1)
        if len(self.text) > LONGEST:
            raise FormulaError(
                f"the formula is longer than {LONGEST} characters ({len(self.text)})",
                self.text[:LONGEST],
                LONGEST,
            )
        parsed = ""
        depth = 0
        if doubled := re.search("[²³]{2}", self.text):
            raise FormulaError("write a power of several digits with ^", self.text, doubled.start() + 1)
        if literal := re.search(r"(?<![A-Za-z0-9.])0[xXbBoO]", self.text):
            raise FormulaError("write the product with *, and numbers in decimal", self.text, literal.start() + 1)
        if power := re.search(rf"\b({'|'.join(FUNCTIONS)})\s*((?:\^|\*\*)\s*\(?-?[\d.]+\)?|[²³])\s*\(", self.text):
            told = f"write the power behind the brackets: {power[1]}(…){power[2]}"
            if "-" in power[2] and f"a{power[1]}" in FUNCTIONS:
                told = f"write a{power[1]}(…) for the inverse, or 1/{power[1]}(…)"
            raise FormulaError(told, self.text, power.start(2) + 1)
        for column, character in enumerate(self.text, 1):
            if not _LEGAL.fullmatch(character):
                hint = _HINTS.get(character) or ("variables are x, y, z or x1, x2, …" if character.isalpha() else "")
                told = f"{character!r} has no place in a formula{f'; {hint}' if hint else ''}"
                raise FormulaError(told, self.text, column)
            depth += (character == "(") - (character == ")")
            if depth > DEEPEST_BRACKETS:
                raise FormulaError(f"brackets nest deeper than {DEEPEST_BRACKETS} levels", self.text, column)
            if not parsed and character == " ":
                continue
            written = _WRITTEN_FOR.get(character, character)
            parsed += written
            self.columns += [column] * len(written)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(parsed, mode="eval").body
        except SyntaxError as error:
            raise self._explained(parsed, (error.offset or 1) - 1) from None
        except (ValueError, MemoryError, RecursionError):
            raise self.error("the formula nests too deeply to be read", 0) from None

    def _explained(self, parsed: str, offset: int) -> FormulaError:
        if product := re.search(r"(?<![A-Za-z_\d.])(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*|\()", parsed):
            number, word = product.groups()
            if word != "(" and not re.match(rf"({'|'.join([*FUNCTIONS, *CONSTANTS])})\b|[xyz]", word):
                return self._unknown(word, product.start(2))
            return self.error(f"write the product with *: {number}*{word}…", product.start(2))
        if product := re.search(r"\)\s*([A-Za-z0-9(])", parsed):
            return self.error("write the product with *: (…)*…", product.start(1))
        if call := re.search(rf"\b({'|'.join(FUNCTIONS)})\s+([A-Za-z0-9.]+)", parsed):
            return self.error(f"{call[1]} needs brackets: {call[1]}({call[2]})", call.start(1))
        if product := re.search(r"\b(x\d*|y|z)\s+(x\d*|y|z|\d)", parsed):
            return self.error(f"write the product with *: {product[1]}*{product[2]}", product.start(2))
        if parsed.count("(") != parsed.count(")"):
            if parsed.count("(") > parsed.count(")"):
                return self.error("a closing bracket is missing", len(parsed))
            return self.error("a closing bracket has no opening one", offset)
        if parsed.rstrip().endswith(tuple("+-*/,")):
            return self.error("the formula ends in the middle: something must follow here", len(parsed))
        return self.error("this is no formula; it needs an operator between two terms, like x^2 + 5*x", offset)

    def _check(self, node: ast.expr, depth: int) -> float | None:
        """Check one node and all below it; note and return its value if it is constant."""
        value = self._value(node, depth)
        if value is not None:
            self.constants[id(node)] = value
        return value

    def _value(self, node: ast.expr, depth: int) -> float | None:
        if depth > DEEPEST:
            raise self.error(f"the formula nests deeper than {DEEPEST} levels", node)
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._finite(lambda: float(value), node)
            case ast.Name(id=name):
                return self._check_name(name, node)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                constant = self._check(operand, depth + 1)
                return constant if constant is None else self._finite(lambda: OPERATORS[type(op)](constant), node)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                a, b = self._check(left, depth + 1), self._check(right, depth + 1)
                if isinstance(op, ast.Pow):
                    self._check_exponent(b, right)
                return None if a is None or b is None else self._finite(lambda: OPERATORS[type(op)](a, b), node)
            case ast.Call(func=ast.Name(id=name) as func, args=args, keywords=[]):
                return self._check_call(name, func, args, depth)
            case ast.Call(func=ast.Constant() | ast.BinOp() | ast.Call(), args=[_]):
                raise self.error(f"write the product with *: {_factor(node.func)}*{_factor(node.args[0])}", node)
            case ast.Tuple():
                raise self.error("a comma parts the arguments of a function; write decimals with a point: 0.5", node)
            case ast.Call(func=ast.Attribute(attr=name)) if name in FUNCTIONS:
                raise self.error(f"write {name} alone: {name}(x)", node)
            case ast.Attribute():
                raise self.error("a formula has no attributes (no dot between names)", node)
        raise self.error("only numbers, variables, + - * / ^, brackets and functions like sin(x) are legal here", node)

    def _check_name(self, name: str, node: ast.expr) -> float | None:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS:
            raise self.error(f"{name} is a function: write {name}(x)", node)
        if name in {"x", "y", "z"} or re.fullmatch(r"x[1-9]\d{0,3}", name):
            self.names.setdefault(name, node.col_offset)
            return None
        raise self._unknown(name, node)

    def _unknown(self, name: str, where: ast.expr | int) -> FormulaError:
        hint = f" {_OTHERS[name]}" if name in _OTHERS else nearest(name, [*FUNCTIONS, *CONSTANTS, "x"], _ALIKE)
        return self.error(
            f"unknown name {name!r}; variables are x, y, z or x1, x2, …; constants {', '.join(CONSTANTS)}; "
            f"functions {', '.join(FUNCTIONS)}.{hint}",
            where,
        )

    def _check_call(self, name: str, func: ast.expr, args: list[ast.expr], depth: int) -> float | None:
        if name not in FUNCTIONS:
            if name in CONSTANTS or name in {"x", "y", "z"}:
                raise self.error(f"{name} is no function; write the product with *: {name}*(…)", func)
            hint = f" {_OTHERS[name]}" if name in _OTHERS else nearest(name, list(FUNCTIONS), _ALIKE)
            raise self.error(f"unknown function {name!r}; legal: {', '.join(FUNCTIONS)}.{hint}", func)
        arity, function = FUNCTIONS[name]
        if len(args) != arity or any(isinstance(arg, ast.Starred) for arg in args):
            cure = "; write log10, log2, or log(x)/log(b)" if name in {"log", "ln"} and len(args) == 2 else ""
            cure = f"; write {name}({name}(a, b), c)" if name in {"max", "min"} and len(args) > 2 else cure
            told = f"{name} takes {arity} argument{'s' if arity > 1 else ''}, got {len(args)}{cure}"
            raise self.error(told, func)
        constants = [self._check(arg, depth + 1) for arg in args]
        if name == "pow":
            self._check_exponent(constants[1], args[1])
        if any(constant is None for constant in constants):
            return None
        return self._finite(lambda: function(*constants), func)

    def _check_exponent(self, exponent: float | None, node: ast.expr) -> None:
        if exponent is not None and abs(exponent) > LARGEST_EXPONENT:
            raise self.error(f"the exponent {exponent:g} is beyond ±{LARGEST_EXPONENT}", node)

    def _finite(self, compute: Callable[[], Any], node: ast.expr) -> float:
        try:
            with np.errstate(all="ignore"):
                value = compute()
            if not isinstance(value, complex) and math.isfinite(value):
                return float(value)
        except (OverflowError, ZeroDivisionError, ValueError):
            pass
        raise self.error("this constant is not a finite real number", node)

    def _variables(self) -> tuple[str, ...]:
        numbered = [name for name in self.names if len(name) > 1]
        lettered = [name for name in self.names if len(name) == 1]
        if numbered and lettered:
            raise self.error(
                f"{lettered[0]} and {numbered[0]} do not go together: use x, y, z or x1, x2, …",
                self.names[numbered[0]],
            )
        if not self.names:
            raise self.error("the formula has no variable: use x, or x, y, or x1, x2, …", 0)
        if numbered:
            count = max(int(name[1:]) for name in numbered)
            if count > MOST_VARIABLES:
                raise self.error(f"at most {MOST_VARIABLES} variables", self.names[f"x{count}"])
            return tuple(f"x{i}" for i in range(1, count + 1))
        return ("x", "y", "z")[: "xyz".index(max(lettered)) + 1]

    def compiled(self, number: Callable[[Any], Any], *, folds: bool) -> Callable[[dict[str, Any]], Any]:
        """The formula as a function of its variables by name; `number` turns literals into the wanted kind.

        If it `folds`, what holds no variable is one number; if not, only powers are, so that 1/3 stays a ratio.

        It runs as a program for a stack machine, so that a long sum needs no deep recursion.
        """
        program = list(self._program(self.tree, number, folds))

        def run(variables: dict[str, Any]) -> Any:
            stack: list[Any] = []
            for arity, action in program:
                operands = stack[len(stack) - arity :]
                del stack[len(stack) - arity :]
                stack.append(action(*operands) if arity else action(variables))
            return stack[0]

        return run

    def _program(
        self, node: ast.expr, number: Callable[[Any], Any], folds: bool
    ) -> Iterator[tuple[int, Callable[..., Any]]]:
        """(how many operands, what to do with them), operands first."""
        match node:
            case _ if id(node) in self.constants and (folds or self._is_single(node)):
                value = self.constants[id(node)]
                is_whole = value.is_integer() and abs(value) < LARGEST_WHOLE
                constant = number(int(value) if is_whole else value)
                yield 0, lambda _: constant
            case ast.Name(id=name):
                yield 0, lambda variables: variables[name]
            case ast.UnaryOp(op=op, operand=operand):
                yield from self._program(operand, number, folds)
                yield 1, OPERATORS[type(op)]
            case ast.BinOp(left=left, op=op, right=right):
                yield from self._program(left, number, folds)
                yield from self._program(right, number, folds)
                yield 2, OPERATORS[type(op)]
            case ast.Call(func=ast.Name(id=name), args=args):
                for arg in args:
                    yield from self._program(arg, number, folds)
                yield len(args), FUNCTIONS[name][1]

    def _is_single(self, node: ast.expr) -> bool:
        """Whether a constant is one number for SymPy, too: a literal, a name, or a power, which could be huge."""
        is_pow = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "pow"
        is_power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
        return is_pow or is_power or isinstance(node, ast.Constant | ast.Name)


def _factor(node: ast.expr) -> str:
    """A part of a formula as it is written in a product."""
    text = ast.unparse(node).replace("**", "^")
    return f"({text})" if isinstance(node, ast.BinOp) else text
