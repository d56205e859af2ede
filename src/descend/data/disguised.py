"""Numbers and dates that are written so that they are read as text: as classes they would tell nothing."""

from __future__ import annotations

import re
from collections.abc import Collection

from descend.data.typed import is_date

__all__ = ["disguised", "is_number", "strangers"]

_TO_ONE = 3  # so many times as many values are numbers
_FEW = 20  # values that may well be classes, whatever they look like
_MOST = 0.8  # share of the values, from which on the others are the exception
_SHOWN = 3
_MEND = "leave such cells empty, or correct them"

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_SIGN = r"(?P<sign>[$€£¥₹]|US\$|USD|EUR|GBP|CHF|Fr\.)?"
_DIGITS = r"(\d{1,3}([.,'’_ \u00a0\u202f]\d{3})+([.,]\d+)?|\d+([.,]\d+)?(D[-+]\d+)?)"  # 1,234.50, 1.234,50, 1 234, 2D+3
_WRITTEN = re.compile(  # (12.50) is -12.50, and so are \u221212.50 and 12.50-
    rf"['\"]?\(?{_SIGN}\s*[-+\u2212]?\s*{_DIGITS}\)?-?\s*(?P<unit>[^\d\s.,;:/()-]{{0,5}})\)?"
)
_DATE = re.compile(
    r"(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[ .-]*[A-Za-zäéû]{3,9}\.?,?[ -]*\d{2,4}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}"
    r"|\d{4}[-/]\d{1,2}|\d{1,2}[-/]\d{4})([ T].*)?"
)
_MOST_UNITS = 3  # different signs and units in one column


def disguised(values: Collection[str], rows: int) -> str:
    """What the values of a column of text are in truth, and how to write them; empty if they are text.

    Parameters
    ----------
    values
        The different ones, or many of them.
    rows
        How many rows the table has.
    """
    if len(values) <= min(_FEW, rows / 2):
        return ""
    enough = _MOST * len(values)
    texts = sorted(value.strip() for value in values)
    odd = [text for text in texts if not is_number(text)]
    if not odd:  # whole ones may be codes, which somebody has made text on purpose
        fractions = [text for text in texts if "." in text]
        return f"holds numbers as text, such as {_shown(fractions)}: make them numbers" if fractions else ""
    if len(texts) - len(odd) >= enough:
        return f"holds numbers, and {_shown(odd)}: {_MEND}"
    dates = [text for text in texts if _DATE.fullmatch(text)]
    if len(dates) >= enough:
        strange = [text for text in texts if not is_date(text)]
        how = "holds dates that are not all written as 2020-12-31 or 31.12.2020, such as"
        return f"{how} {_shown(strange)}: write them so or leave them empty" if strange else ""
    written = [found for text in texts if (found := _WRITTEN.fullmatch(text))]
    kinds = {(found["sign"], found["unit"]) for found in written}
    if len(written) >= enough and len(kinds) <= _MOST_UNITS:
        some = [found[0] for found in written if not is_number(found[0])]
        return f"holds numbers that are written as text, such as {_shown(some)}: write them as plain numbers"
    return ""


def strangers(values: Collection[str]) -> str:
    """What to say of a column of few values that are numbers, but for a few words; empty where that is not so.

    What holds digits, as K1A does, is no word: such columns are codes.
    """
    odd = sorted(value for value in values if not is_number(value.strip()))
    are_words = not any(character.isdigit() for value in odd for character in value)
    if not (are_words and 0 < len(odd) <= (len(values) - len(odd)) / _TO_ONE):
        return ""
    return f"holds numbers, and {_shown(odd)}: it is taken for categories. If these are amounts, {_MEND}"


def is_number(text: str) -> bool:
    """Whether it is a number as programs write them."""
    return bool(_NUMBER.fullmatch(text))


def _shown(texts: list[str]) -> str:
    return ", ".join(map(repr, texts[:_SHOWN])) + ", …" * (len(texts) > _SHOWN)
