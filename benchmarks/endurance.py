"""What takes too long for a test: a run that is killed a hundred times, and files larger than memory should hold.

python -m benchmarks.endurance kills --count 100
python -m benchmarks.endurance memory --gigabytes 5 --folder /var/tmp
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

_TRAINING = """
import sys, numpy as np
from descend import Adam, LinearRegression
draw = np.random.default_rng(0)
X = draw.normal(size=(100_000, 5)); y = X @ np.arange(5.0)
import descend.models.checkpoint as checkpoints
begin = checkpoints.Checkpoint.__init__
checkpoints.Checkpoint.__init__ = lambda self, path, about, **o: begin(self, path, about, **{**o, "every": 0.0})
print("begun", flush=True)
epochs = int(sys.argv[2])
model = LinearRegression(Adam(0.01), batch_size=1, epochs=epochs, checkpoint=sys.argv[1], resume=True).fit(X, y)
print(model.coef_.tobytes().hex())
"""

_FITTING = """
import resource, sys
from descend import fit_table
model = fit_table(sys.argv[1], "y", batch_size=1, epochs=1)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{used:.0f} MB, {model.rows + model.rows_held_out:,} rows, R² {model.score:.4f}, {model.seconds:.0f} s")
"""


def kills(count: int) -> None:
    """Train, die at a random moment, go on, until the training ends; and again, until so many have died."""
    draw, died, ended, wrong = np.random.default_rng(0), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:

        def begin(path: Path) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", _TRAINING, str(path), "60"]
            return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

        expected = begin(Path(folder, "whole")).communicate()[0].split()[-1]
        path = Path(folder, "killed")
        while died < count:
            process = begin(path)
            assert process.stdout is not None  # noqa: S101 - it was asked for
            process.stdout.readline()
            try:
                out = process.communicate(timeout=float(draw.uniform(0.0, 0.6)))[0]
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                died += 1
                continue
            ended, wrong = ended + 1, wrong + (out.split()[-1:] != [expected])
            path.unlink()
        out = begin(path).communicate()[0]
        ended, wrong = ended + 1, wrong + (out.split()[-1:] != [expected])
    print(f"{died} kills in {ended} trainings, of which {wrong} did not end with the bits of one that was not killed")


def memory(gigabytes: float, folder: Path) -> None:
    """The peak memory of a fit on Parquet and CSV files of a tenth, a fifth and the whole of the size."""
    for ending in (".parquet", ".csv"):
        for share in (0.1, 0.2, 1.0):
            path = Path(folder, f"endurance{ending}")
            _write(path, share * gigabytes * 1e9)
            done = subprocess.run(
                [sys.executable, "-c", _FITTING, str(path)], capture_output=True, text=True, check=True
            )
            print(f"{ending} of {path.stat().st_size / 1e9:.2f} GB: {done.stdout.strip()}", flush=True)
            path.unlink()


def _write(path: Path, size: float) -> None:
    draw, block = np.random.default_rng(0), 250_000
    names = [*(f"x{j}" for j in range(19)), "y"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    is_csv = path.suffix == ".csv"
    with path.open("wb") as file:
        writer = pa.csv.CSVWriter(file, schema) if is_csv else pa.parquet.ParquetWriter(file, schema)
        with writer:
            while file.tell() < size:
                X = draw.normal(size=(block, 19))
                columns = [*X.T, X @ np.arange(19.0) + draw.normal(size=block)]
                writer.write_table(pa.table(columns, schema=schema))


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("which", choices=["kills", "memory"])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    if options.which == "kills":
        kills(options.count)
    else:
        memory(options.gigabytes, options.folder)


if __name__ == "__main__":
    main()
