"""Read the fields that every repository writes in its own way: age, sex, date.

A column has few distinct texts, so each distinct text is read once.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TypeVar

import numpy as np
import pandas as pd

OLDEST = 120.0
"""Years; higher ages are errors of the source (ChestX-ray14's first release has 414)."""

_YEARS_IN = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([YMWD]?)", flags=re.IGNORECASE)
_SEX_WORDS = {
    "M": ("m", "male", "man", "männlich", "maennlich", "hombre", "masculino", "varón", "varon", "homme", "masculin"),
    "F": ("f", "female", "woman", "weiblich", "w", "mujer", "femenino", "femme", "féminin", "feminin"),
}
"""English, German, Spanish and French; a Spanish "M" for mujer cannot be told from a male one."""

_SEXES = {word: sex for sex, words in _SEX_WORDS.items() for word in words}
_MONTH_FIRST = ("%m/%d/%Y", "%m/%d/%y")
_DAY_FIRST = ("%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y", "%d-%m-%y")
_FORMATS = {
    # Dots are written where the day comes first.
    "%Y-%m-%d": ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y"),
    "%Y-%m": ("%Y-%m", "%B %Y", "%b %Y"),
    "%Y": ("%Y",),
}
_SHOWN = 10

T = TypeVar("T")


def read_distinct(texts: pd.Series, read: Callable[[str], T]) -> list[T]:
    """Return ``read(text)`` for each text, calling it once per distinct text."""
    codes, distinct = pd.factorize(texts)
    values = [read(str(text)) for text in distinct]
    return [values[code] for code in codes]


def read_ages(texts: pd.Series, *, unit: str = "convert") -> tuple[pd.Series, list[str]]:
    """Read ages such as ``58``, ``058Y``, ``011M`` or ``001D``.

    Args:
        texts: ages as the source writes them.
        unit: ``"convert"`` or ``"drop"``, see ``ReadOptions.age_unit``.

    Returns:
        Ages in years, NaN where empty, unreadable or above `OLDEST`; and notes that count the last two.

    Example:
        >>> read_ages(pd.Series(["058Y", "006M", "411Y"]))
        (0    58.0
        1     0.5
        2     NaN
        dtype: float64, ['1 ages above 120 years emptied'])
    """
    read = _age_with_unit if unit == "convert" else _age_without_unit
    years = pd.Series(read_distinct(texts, read), index=texts.index, dtype=np.float64)
    impossible = years > OLDEST
    unreadable = texts[years.isna() & (texts != "")]
    notes = []
    if impossible.any():
        notes.append(f"{int(impossible.sum())} ages above {OLDEST:.0f} years emptied")
    if len(unreadable):
        notes.append(list_words("unreadable ages emptied", Counter(unreadable)))
    return years.mask(impossible), notes


def _age_with_unit(text: str) -> float:
    match = _AGE.fullmatch(text)
    return float(match[1]) * _YEARS_IN[match[2].upper()] if match else np.nan


def _age_without_unit(text: str) -> float:
    match = _AGE.fullmatch(text)
    return float(match[1]) if match else np.nan


def read_sexes(texts: pd.Series) -> pd.Series:
    """Return ``M``, ``F``, or ``""`` where the source says neither."""
    return pd.Series(read_distinct(texts, lambda text: _SEXES.get(text.casefold(), "")), index=texts.index, dtype=str)


def read_dates(texts: pd.Series, *, day_first: bool = False) -> pd.Series:
    """Return dates as ``YYYY-MM-DD``, or ``YYYY-MM`` or ``YYYY`` where no more is known, ``""`` where nothing is.

    Args:
        texts: dates as the source writes them.
        day_first: whether 03/04/2021 is 3 April; else it is March 4.

    Example:
        >>> read_dates(pd.Series(["31.12.2020", "03/04/2021"]), day_first=True).tolist()
        ['2020-12-31', '2021-04-03']
    """
    slashed = _DAY_FIRST if day_first else _MONTH_FIRST
    return pd.Series(read_distinct(texts, lambda text: _date(text, slashed)), index=texts.index, dtype=str)


def looks_day_first(text: str) -> bool:
    """Return whether a date has its day before its month, such as 31/12/2020 or 31-12-2020."""
    return not _date(text, ()) and bool(_date(text, _DAY_FIRST)) and not _date(text, _MONTH_FIRST)


def _date(text: str, slashed: tuple[str, ...]) -> str:
    if re.fullmatch(r"\d{8}", text):
        try:
            return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
        except ValueError:
            return ""
    for shown, formats in _FORMATS.items():
        for pattern in (*formats, *(slashed if shown == "%Y-%m-%d" else ())):
            try:
                return datetime.strptime(text, pattern).strftime(shown)
            except ValueError:
                continue
    return ""


def read_labels(
    texts: pd.Series, read: Callable[[str], Mapping[str, float]], labels: tuple[str, ...], *, otherwise: float
) -> pd.DataFrame:
    """Return a column per label, in [0, 1] or NaN, read from one text per image.

    Args:
        texts: findings as the source writes them.
        read: gives the labels that a text decides.
        labels: the columns.
        otherwise: value of a label that ``read`` does not decide.
    """
    codes, distinct = pd.factorize(texts)
    table = np.full((len(distinct), len(labels)), otherwise, dtype=np.float32)
    for row, text in enumerate(distinct):
        decided = read(str(text))
        for column, label in enumerate(labels):
            table[row, column] = decided.get(label, otherwise)
    return pd.DataFrame(table[codes], index=texts.index, columns=list(labels))


def count_words(texts: pd.Series, unknown: Callable[[str], list[str]]) -> Counter[str]:
    """Count the words of each text that ``unknown`` returns, reading each distinct text once."""
    counts: Counter[str] = Counter()
    for text, number in texts.value_counts(sort=False).items():
        for word in unknown(str(text)):
            counts[word] += int(number)
    return counts


def list_words(noun: str, counts: Mapping[str, int]) -> str:
    """Return a note such as ``2 unknown findings: todo (78), ? (4)``, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{word[:60] or 'empty'} ({count})" for word, count in ranked[:_SHOWN])
    more = f", and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else ""
    return f"{len(ranked)} {noun}: {shown}{more}"
