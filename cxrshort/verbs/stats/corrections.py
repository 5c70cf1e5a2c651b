"""The correction of a family of tests, and what a corrected p-value says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cxrshort import registry
from cxrshort.stats.comparisons import adjust

CORRECTIONS = {
    "holm": "Holm",
    "benjamini-hochberg": "Benjamini-Hochberg",
    "none": "",
}
"""What ``--correction`` takes, and what a table calls it."""

Row = dict[str, Any]


def check_correction(correction: str) -> None:
    """Refuse an unknown correction.

    Raises:
        UsageError: it is none of `CORRECTIONS`.
    """
    registry.check_name(CORRECTIONS, correction, kind="correction")


def correct_rows(
    rows: Sequence[Mapping[str, Any]], correction: str, *, family: Callable[[Mapping[str, Any]], Any] = lambda _: None
) -> list[Row]:
    """Return rows with ``p_adjusted`` and ``tests``, the number of tests in the family of each.

    Args:
        rows: each with its ``p``, None where there was no test.
        correction: one of `CORRECTIONS`.
        family: what the rows of one family agree in; all rows are one family otherwise.

    Example:
        >>> [row["p_adjusted"] for row in correct_rows([{"p": 0.01}, {"p": None}, {"p": 0.5}], "holm")]
        [0.02, None, 0.5]
    """
    corrected = [dict(row) for row in rows]
    families: dict[Any, list[Row]] = {}
    for row in corrected:
        families.setdefault(family(row), []).append(row)
    for members in families.values():
        tests = sum(row["p"] is not None for row in members)
        for row, p in zip(members, adjust([row["p"] for row in members]), strict=True):
            values = {"holm": p.holm, "benjamini-hochberg": p.benjamini_hochberg, "none": p.raw}
            row.update(p_adjusted=values[correction], tests=tests)
    return corrected


def p_heading(rows: Sequence[Mapping[str, Any]], correction: str) -> str:
    """Return the heading of the corrected p-values; "" where nothing was corrected."""
    is_corrected = any(row["tests"] > 1 for row in rows)
    return f"P, {CORRECTIONS[correction]}" if is_corrected and CORRECTIONS[correction] else ""


def finding(difference: float | None, p: float | None, level: float) -> str:
    """Return what a test says of the second; a large p says that nothing was shown, never that there is nothing.

    Example:
        >>> finding(0.02, 0.001, 0.95), finding(-0.02, 0.001, 0.95), finding(0.02, 0.3, 0.95), finding(None, None, 0.95)
        ('better', 'worse', 'not shown', 'not testable')
    """
    if p is None or difference is None:
        return "not testable"
    if p > 1 - level:
        return "not shown"
    return "better" if difference > 0 else "worse"
