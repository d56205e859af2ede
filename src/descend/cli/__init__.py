"""The command line: one file for each family of commands."""

from descend.cli import descent, images, listings, places, tables, why
from descend.cli.app import main

__all__ = ["descent", "images", "listings", "main", "places", "tables", "why"]
