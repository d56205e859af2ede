"""The command line: one file for each family of commands."""

from descend.cli import descent, images, listings, tables, why
from descend.cli.app import main

__all__ = ["descent", "images", "listings", "main", "tables", "why"]
