"""The import graph runs downwards only, and `import descend` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import descend

ROOT = Path(descend.__file__).parent
# Lowest floor first; a module may import from its own floor and from those below.
FLOORS = [
    {"arguments", "words", "fields", "kernel_cache", "columns", "sentences"},
    {"stepsizes"},
    {"methods", "objectives"},
    {"descent", "data"},
    {"plots", "models", "insight"},
    {"cli", "__main__"},
]
# Asked for by the user on an object that lives below, and loaded only then.
ON_DEMAND = {("descent", "plots"), ("descent", "insight")}


def floor_of(part: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if part in floor)


def imports() -> list[tuple[str, str, bool]]:
    """(importing part, imported part, whether at module level) for all imports inside the package."""
    found = []
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        tree = ast.parse(path.read_text())
        top = {id(n) for n in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "descend":
                names = (node.module or "").split(".")[1:2] or [alias.name for alias in node.names]
                found += [(part, name, id(node) in top) for name in names]
    return found


def test_imports_run_downwards_only() -> None:
    seen = imports()
    assert len(seen) > 50
    wrong = [(a, b) for a, b, at_top in seen if floor_of(b) > floor_of(a) and not (not at_top and (a, b) in ON_DEMAND)]
    assert wrong == []


def test_parts_on_one_floor_do_not_import_each_other() -> None:
    apart = [("methods", "objectives"), ("objectives", "methods"), ("words", "fields"), ("fields", "words")]
    assert [(a, b) for a, b, _ in imports() if (a, b) in apart] == []


def test_import_descend_leaves_heavy_libraries_out() -> None:
    code = "import sys, descend; print(*sorted({'matplotlib','scipy','sympy','pyarrow','pandas','rich','typer','optax','jax.experimental.pallas'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""


def test_the_parts_are_there_once_they_are_asked_for() -> None:
    code = "import descend; print(descend.insight.find_lr, descend.plots.contours, descend.data.mnist, descend.models)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "find_lr" in done.stdout
    with pytest.raises(AttributeError, match="no attribute 'insights'"):
        descend.insights  # noqa: B018


def test_import_changes_no_global_setting() -> None:
    code = "import jax; before = jax.config.jax_enable_x64; import descend, numpy as np; descend.minimize(lambda x: x**2, 3.0); assert jax.config.jax_enable_x64 == before; import jax.numpy as jnp; assert jnp.ones(1).dtype == 'float32'"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_names_that_are_imported_later_are_completed() -> None:
    names = dir(descend)
    assert {"train", "MLPClassifier", "sweep", "plots", "insight", "minimize"} <= set(names)
    assert not {"Any", "TYPE_CHECKING"} & set(names)
    assert all(hasattr(descend, name) for name in names)
