"""A saved run, read back: to be looked at and explained, without running it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from descend.descent.outcome import Finding, Judgement, Outcome
from descend.descent.run import Run
from descend.descent.trace import Trace
from descend.methods.in_files import NotInFile, made, of_json
from descend.objectives.function import prepare
from descend.objectives.landscapes import landscape
from descend.objectives.named import named

__all__ = ["load_run"]

_SAME = {"float64": 1e-9, "float32": 1e-4}  # relative difference of a cost that is called the same


def load_run(path: str | Path, objective: Callable[..., Any] | None = None) -> Run:
    """The run that `Run.save` wrote to a .parquet or .json file.

    Parameters
    ----------
    objective
        What was minimised, where it was a function: a file holds formulas and the names of landscapes only.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It holds no run, or not enough of it: a run on data, with parameters other than a number or a vector, or
        whose points were too large to be kept; or `objective` is not the one of the run.
    """
    path = Path(path)
    columns, summary = _read(path)
    saved = summary.get("run")
    if not isinstance(saved, dict) or "x0" not in saved:
        why = saved.get("not_kept") if isinstance(saved, dict) else "it was written by a table of something else"
        raise ValueError(f"{path} cannot be read back as a run: {why}")
    method = of_json(saved["method"])
    if isinstance(method, NotInFile):
        raise ValueError(f"{path} holds of the method only its text, {method.text}: run it again and explain that run")
    if objective is None:
        objective = _objective(saved["objective"], path)
    kind = np.dtype(summary["dtype"])
    x0 = made(saved["x0"]).astype(kind)
    function, _, in_words = named(objective, x0)
    problem = prepare(function, x0, maximize=saved["maximize"], written_in_words=in_words)
    names = [name for name in columns if name.startswith("x")]
    x = np.column_stack([columns[name] for name in names]).astype(kind)
    trace = Trace(
        step=columns["step"].astype(np.int64), f=problem.sign * columns["f"], gradient_norm=columns["gradient_norm"],
        lr=columns["lr"], evaluations=columns["evaluations"].astype(np.int64), seconds=columns["seconds"], x=x,
        stride=saved["stride"],
    )  # fmt: skip
    run = Run(
        function, problem, method, np.asarray(summary["x"], kind).reshape(x0.shape), trace, None, 0, saved["seconds"]
    )
    if abs(run.fun - summary["fun"]) > _SAME[kind.name] * max(abs(summary["fun"]), abs(columns["f"][0])):
        raise ValueError(
            f"the objective is not that of {path}: at its last x it is {run.fun:.9g}, not {summary['fun']:.9g}"
        )
    if saved["bad_x"] is not None:
        run.bad_x = made(saved["bad_x"]).astype(kind)
    finding = None if saved["finding"] is None else Finding[saved["finding"]]
    run.judgement = Judgement(Outcome[summary["outcome"]], saved["detail"], finding)
    return run


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns and the summary of a file."""
    if path.suffix == ".json":
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            table = {name: np.array(column, float) for name, column in summary["trace"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} holds no saved run ({type(error).__name__}: {error})") from None
        return table, summary
    if path.suffix != ".parquet":
        raise ValueError(f"a run is read back from .parquet or .json, got {path.name!r}: a .csv holds the table alone")
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        table = parquet.read_table(path)
        summary = json.loads(table.schema.metadata[b"descend"])
        return {name: table[name].to_numpy() for name in table.column_names}, summary
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no saved run ({type(error).__name__}: {error})") from None


def _objective(saved: Any, path: Path) -> Any:
    if saved is None:
        raise ValueError(
            f"{path} is the run of a function, which a file does not hold: give it too, load_run(path, function), on "
            "the command line --function MODULE:FUNCTION"
        )
    return saved["formula"] if "formula" in saved else landscape(saved["landscape"], n=saved["n"], kappa=saved["kappa"])
