"""A result on disk: its table, its summary beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.methods.in_files import as_json, plain
from descend.objectives.formula import Formula
from descend.objectives.landscapes import Landscape

if TYPE_CHECKING:
    from descend.descent.run import Run

__all__ = ["of_run", "saved"]


def saved(columns: dict[str, np.ndarray], summary: dict[str, Any], path: Path, name: str = "trace") -> Path:
    """Write a .parquet (summary in the schema's metadata, key `descend`), .csv (the table alone) or .json file.

    Raises
    ------
    ValueError
        Another kind of file.
    OSError
        The file cannot be written.
    """
    if path.suffix == ".json":
        table = {key: _without_nan(column) for key, column in columns.items()}
        path.write_text(json.dumps(summary | {name: table}), encoding="utf-8")
        return path
    if path.suffix not in {".parquet", ".csv"}:
        raise ValueError(f"a run is saved as .parquet, .csv or .json, got {path.name!r}")
    import pyarrow as pa
    from pyarrow import csv, parquet

    table = pa.table(columns).replace_schema_metadata({"descend": json.dumps(summary)})
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        csv.write_csv(table, path)
    return path


def of_run(run: Run) -> dict[str, Any]:
    """What a file holds of a run beside its table and summary, so that `load_run` can make the run of it again."""
    start = run.problem.x0
    if run.problem.data:
        return {"not_kept": "it was a run on data, which the file does not hold"}
    if not isinstance(start, np.ndarray) or start.ndim > 1:
        return {"not_kept": "its parameters are neither a number nor a vector"}
    if run.trace.x is None or run.judgement is None:
        return {"not_kept": "the points on the way were not kept"}
    if run.problem.grad is not None:
        return {"not_kept": "it had a gradient of its own, grad=, which the file does not hold"}
    finding = run.judgement.finding
    return {
        "objective": _objective(run.objective),
        "x0": plain(start),
        "maximize": run.problem.sign < 0,
        "method": as_json(run.method),
        "stride": run.trace.stride,
        "seconds": run.seconds,
        "detail": run.judgement.detail,
        "finding": None if finding is None else finding.name,
        "bad_x": plain(run.bad_x),
    }


def _objective(objective: Any) -> dict[str, Any] | None:
    """A formula or a landscape as plain values; None for what a file cannot hold."""
    if isinstance(objective, Formula):
        return {"formula": objective.text}
    if isinstance(objective, Landscape):
        return {"landscape": objective.name, "n": objective.n, "kappa": objective.kappa}
    return None


def _without_nan(column: np.ndarray) -> list[Any]:
    """JSON has no nan: it is null there."""
    return [None if isinstance(v, float) and not np.isfinite(v) else v for v in column.tolist()]
