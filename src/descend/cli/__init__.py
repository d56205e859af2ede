"""The command line: `descend minimize`, `sweep`, `race`, `methods`, `landscapes`."""

from descend.cli import descent, listings
from descend.cli.app import main

__all__ = ["descent", "listings", "main"]
