"""A result on disk: its table, its summary beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["saved"]


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


def _without_nan(column: np.ndarray) -> list[Any]:
    """JSON has no nan: it is null there."""
    return [None if isinstance(v, float) and not np.isfinite(v) else v for v in column.tolist()]
