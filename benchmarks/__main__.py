"""Run the workloads and print one line for each figure."""

from __future__ import annotations

import argparse

from benchmarks import comparison, core, networks, rates, sparse, tables

WORKLOADS = {
    name: workload
    for part in (core, comparison, tables, sparse, networks, rates)
    for name, workload in part.WORKLOADS.items()
}


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=WORKLOADS, help="one workload")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    print("median [min, max]; the ratio is ours / peer, pair by pair, in turn in this run")
    for name, workload in WORKLOADS.items():
        if options.only in {None, name}:
            for result in workload(options.quick):
                print(result.line(), flush=True)


main()
