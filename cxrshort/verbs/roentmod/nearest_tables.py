"""The nearest real images as a summary, and as what people see of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.quantities import quantity
from cxrshort.results import ALWAYS, UNLESS_QUIET, Block, Column, Facts, Table
from cxrshort.stats.leakage import LEAK, NO_EVIDENCE, SUSPICIOUS

IMAGE, DISTANCE, SHARE = "nearest.", "distance.", "share_as_near."
"""Before the name of a measure: its columns of nearest images, of distances, and of shares of real films as near."""
ALIKE = "images_alike"
"""How many images of a film, which is edited more than once, have the same nearest real image."""
_LISTED = 10
_LONGEST_NAME = 40
"""Characters of a name that stay in one line on a narrow terminal."""
_QUANTILES = (0.0, 0.01, 0.05, 0.5)

Measures = Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]


def summarise_nearest(
    table: pd.DataFrame, measures: Measures, facts: Mapping[str, Any], *, names: tuple[str, str]
) -> dict[str, Any]:
    """Return the summary.

    Args:
        table: a row for each synthetic image, the most suspicious first.
        measures: distances and yardstick by measure.
        facts: what was compared.
        names: of the synthetic and the real dataset.
    """
    counts = {verdict: int((table["verdict"] == verdict).sum()) for verdict in (LEAK, SUSPICIOUS, NO_EVIDENCE)}
    worst = next(verdict for verdict in (LEAK, SUSPICIOUS, NO_EVIDENCE) if counts[verdict] or verdict == NO_EVIDENCE)
    yardstick = facts["yardstick_images"]
    shown = ["image_id", "nearest_image_id", ALIKE, "correlation", "verdict", "why"]
    shown += [SHARE + name for name in measures]
    return {
        "dataset": names[0],
        "compared_with": names[1],
        "images": len(table),
        **facts,
        "verdict": worst,
        "counts": counts,
        "expected_by_chance": round(len(table) / (yardstick + 1), 3) if yardstick else None,
        "measures": [_measure(name, *values) for name, values in measures.items()],
        "nearest": closest_pairs(table)[shown].head(_LISTED).to_dict("records"),
    }


def closest_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the closest pair of each film, whose edits are mostly near to the same real image, in order.

    Args:
        table: a row for each synthetic image, the most suspicious first; ``source_image_id`` is empty for a film.

    Returns:
        Rows of the table, with the number of a film's images that have this nearest real image.

    Example:
        >>> rows = [("a#x", "a", "r1"), ("a", "", "r1"), ("b", "", "r2"), ("a#y", "a", "r3")]
        >>> table = pd.DataFrame(rows, columns=["image_id", "source_image_id", "nearest_image_id"])
        >>> closest_pairs(table)[["image_id", "nearest_image_id", "images_alike"]].values.tolist()
        [['a#x', 'r1', 2], ['b', 'r2', 1]]
    """
    sources = table["source_image_id"].fillna("").astype(str)
    films = sources.where(sources != "", table["image_id"])
    alike = table.groupby([films, table["nearest_image_id"]], sort=False)["image_id"].transform("size")
    return table.assign(**{ALIKE: alike})[~films.duplicated()].reset_index(drop=True)


def nearest_blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return the facts, the distances by measure, and the nearest pairs, as people see them."""
    counts, chance = summary["counts"], summary["expected_by_chance"]
    by_chance = "" if chance is None else f" (about {chance:.2g} by chance, for each measure)"
    facts = [
        ("compared", f"{quantity(summary['images'], 'image')} of {summary['dataset']}"),
        ("with", f"{quantity(summary['real_images'], 'real image')} of {summary['compared_with']}"),
        ("copies", f"{counts[LEAK]:,}"),
        ("suspicious", f"{counts[SUSPICIOUS]:,}{by_chance}"),
        ("verdict", summary["verdict"]),
    ]
    distances = Table(
        [
            Column("distance by", "measure"),
            Column("synthetic: nearest", "smallest", "count"),
            Column("median", "median", "count"),
            Column("real: nearest", "yardstick_smallest", "count"),
            Column("median", "yardstick_median", "count"),
        ],
        [{name: _short(value) for name, value in row.items()} for row in summary["measures"]],
        shown=UNLESS_QUIET,
    )
    names = [str(row["image_id"]) for row in summary["nearest"]]
    pairs = Table(
        [
            Column("synthetic image", "image_id", least=min(_LONGEST_NAME, max(map(len, names), default=0))),
            Column("nearest real image", "nearest_image_id"),
            Column("images", ALIKE, "count"),
            Column("r", "shown", "count"),
            Column("verdict", "verdict"),
            Column("why", "why"),
        ],
        [{**row, "shown": f"{row['correlation']:.2f}"} for row in summary["nearest"]],
        title="the nearest pairs, one of each film; images: the film's images that have this neighbour; r: correlation "
        "of fine structure",
        shown=ALWAYS,
        blocks=True,
    )
    return [Facts(facts), distances, pairs]


def _measure(name: str, distances: npt.NDArray[np.float64], yardstick: npt.NDArray[np.float64]) -> dict[str, Any]:
    low, high = float(distances.min()), float(np.median(distances))
    record: dict[str, Any] = {"measure": name, "smallest": low, "median": high}
    real = [float(value) for value in np.quantile(yardstick, _QUANTILES)] if len(yardstick) else [None] * 4
    names = ("yardstick_smallest", "yardstick_1_percent", "yardstick_5_percent", "yardstick_median")
    return record | dict(zip(names, real, strict=True))


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value or "")
