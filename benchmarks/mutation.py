"""Plants one error at a time in the formulas of the methods and counts how many the tests catch.

`python -m benchmarks.mutation [--method NAME] [--show]`. Each operator, constant and name in each `step` and
`gather` is changed in turn; the laws and the parity tests then run against the changed class, in a process of
their own. It is no part of the quick path: it takes some minutes.
"""

from __future__ import annotations

import argparse
import ast
import copy
import inspect
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from descend.methods import Method, catalogue, means, method_named

ROOT = Path(__file__).parent.parent
_SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
_COMPARED = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.LtE: ast.Gt, ast.GtE: ast.Lt}
_WORDS = {"maximum": "minimum", "minimum": "maximum", "sqrt": "abs", "sign": "abs", "abs": "sign"}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed source) for each place of a function's source."""
    tree = ast.parse(textwrap.dedent(source))
    places = [node for node in ast.walk(tree) if _other(node) is not None]
    for i, place in enumerate(places):
        changed = copy.deepcopy(tree)
        node = [node for node in ast.walk(changed) if _other(node) is not None][i]
        before = ast.unparse(place)
        _change(node)
        yield f"{before}  →  {ast.unparse(node)}", ast.unparse(changed)


def _other(node: ast.AST) -> object:
    if isinstance(node, ast.BinOp):
        return _SWAPPED.get(type(node.op))
    if isinstance(node, ast.Compare):
        return _COMPARED.get(type(node.ops[0]))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ast.UAdd
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value + 1
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _WORDS.get(node.func.id)
    return None


def _change(node: ast.AST) -> None:
    other = _other(node)
    if isinstance(node, ast.BinOp):
        node.op = other()  # type: ignore[operator]
    elif isinstance(node, ast.Compare):
        node.ops[0] = other()  # type: ignore[operator]
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Constant):
        node.value = other  # type: ignore[assignment]
    elif isinstance(node, ast.Call):
        node.func.id = str(other)  # type: ignore[attr-defined]


_PLUGIN = """
import sys
from descend.methods import catalogue
whole = {place}
globals().update(vars(sys.modules[whole.__module__]))

{source}
method = {method}
if method is None:
    for module in list(sys.modules.values()):
        if module.__name__.startswith("descend.methods") and getattr(module, {function!r}, None) is whole:
            setattr(module, {function!r}, globals()[{function!r}])
else:
    setattr(method, {function!r}, staticmethod(globals()[{function!r}]))


def pytest_collection_modifyitems(items):
    def speaks_of_others(item):
        values = getattr(item, "callspec", None) and item.callspec.params.values() or ()
        inside = [getattr(v, "method", v) for v in values]
        kinds = [v if isinstance(v, type) else type(v) for v in inside]
        known = [kind for kind in kinds if kind in set(catalogue().values())]
        return method is not None and bool(known) and method not in known

    items[:] = [item for item in items if not speaks_of_others(item)]
"""


class Site(NamedTuple):
    """A formula in which errors are planted: one of a method, or one that methods share."""

    method: type[Method] | None
    function: str

    @property
    def formula(self) -> Any:
        """The function itself."""
        return getattr(means if self.method is None else self.method, self.function)

    @property
    def label(self) -> str:
        """How a report calls it."""
        return self.function if self.method is None else self.method.__name__

    def plugin(self, source: str) -> str:
        """The text of a pytest plugin that puts `source` in the formula's place."""
        method = "None" if self.method is None else f"catalogue()[{self.method.name!r}]"
        place = f"sys.modules['descend.methods.means'].{self.function}" if self.method is None else method
        source = source.replace("@staticmethod\n", "")
        return _PLUGIN.format(place=place, source=source, method=method, function=self.function)


def is_caught(site: Site, source: str) -> bool:
    """Whether the laws or the parity tests fail with the changed formula."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "planted.py").write_text(site.plugin(source))
        command = [
            sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "planted", "-p", "no:cacheprovider",
            "tests/laws", "tests/parity", "tests/methods/test_methods.py", "tests/methods/test_ftrl.py",
        ]  # fmt: skip
        environment = {
            "PYTHONPATH": f"{folder}:{ROOT / 'src'}",
            "PATH": "/usr/bin:/bin",
            "JAX_PLATFORMS": "cpu",
            "HOME": folder,
        }
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        return result.returncode == 1


def main() -> None:
    """Plant every error, print those that no test has noticed and the share that was caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", help="only this one; means for what methods share")
    parser.add_argument("--show", action="store_true", help="print the caught ones, too")
    given = parser.parse_args()
    shared = [Site(None, name) for name in means.__all__]
    if given.method is None:
        asked = list(catalogue().values())
    else:
        asked = [] if given.method == "means" else [method_named(given.method)]
    own = [
        Site(method, function)
        for method in asked
        for function in ("step", "gather")
        if method.__module__.startswith("descend.") and getattr(method, function) is not None
    ]
    sites = own if given.method not in {None, "means"} else [*own, *shared]
    work = [(site, what, source) for site in sites for what, source in mutants(inspect.getsource(site.formula))]
    caught = []
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda item: is_caught(item[0], item[2]), work)
        for (site, what, _), is_seen in zip(work, results, strict=True):
            caught.append(is_seen)
            if not is_seen or given.show:
                print(f"{'caught' if is_seen else 'MISSED':<7} {site.label:<14} {what}", flush=True)
    print(
        f"{sum(caught)} of {len(caught)} planted errors caught ({100 * sum(caught) / len(caught):.1f} %)   goal ≥ 95 %"
    )


if __name__ == "__main__":
    main()
