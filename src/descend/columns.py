"""What has columns can be handed to pandas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

__all__ = ["Columns"]


class Columns(ABC):
    """A result that is a table."""

    @abstractmethod
    def columns(self) -> dict[str, np.ndarray]:
        """Name → column, all of one length."""

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame.

        Raises
        ------
        ModuleNotFoundError
            There is no pandas here; it is not needed for anything else.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_pandas() needs pandas: pip install pandas; without it columns() has the same arrays",
                name="pandas",
            ) from error
        return pandas.DataFrame(self.columns())
