"""The project's figures, each beside its peer in the same run: `python -m benchmarks [--only NAME] [--quick]`."""
