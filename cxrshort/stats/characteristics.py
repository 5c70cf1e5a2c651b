"""The table of characteristics by repository and class, as in DeGrave et al. 2021, Supplementary Table 1.

It shows at a glance what differs between the images that have a finding and those that do not: where they come from,
whose they are, how they were taken, and what is not known about them. Missing cells are counted, never left out.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import columns, registry

POSITIVE, NEGATIVE, SOFT, UNLABELLED, TOTAL = "positive", "negative", "soft label", "not labelled", "total"
MISSING, OTHER = "missing", "other"
TOP_MANUFACTURERS = 5
NUMBERS = ("count", "of", "median", "low", "high")


def characteristics(
    manifest: pd.DataFrame, label: str = columns.COVID, *, labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Describe the images of each repository and class.

    The classes are those of ``label``: 1 is positive, 0 negative, a value between is soft, an empty cell not labelled;
    classes without an image are left out. The last group is the total.

    Args:
        manifest: with ``repository``, ``patient_id``, ``person_id`` and the label; further columns where present.
        label: whose classes divide the images.
        labels: whose counts to list; None for the built-in labels that the manifest has, and ``label``.

    Returns:
        A row per characteristic, item and group, with the columns ``characteristic, item, repository, class, count, of,
        median, low, high``. ``count`` is how many of ``of`` images: of all images of the group, or of the labelled ones
        for ``positive``. Patients and persons have no ``of``. Age has the median and the quartiles ``low`` and
        ``high`` in years, over ``count`` known ages.

    Raises:
        UsageError: the manifest has no such label.

    Example:
        >>> manifest = pd.DataFrame(
        ...     {
        ...         "repository": ["a", "a", "b"],
        ...         "patient_id": ["a/1", "a/1", "b/1"],
        ...         "person_id": ["a/1", "a/1", "b/1"],
        ...         "view": ["PA", "AP", "PA"],
        ...         "COVID-19": [0.0, 0.0, 1.0],
        ...     }
        ... )
        >>> table = characteristics(manifest)
        >>> for row in [characteristics_header(table), *characteristics_rows(table)][:5]:
        ...     print(" | ".join(row))
         | a, negative | b, positive | total
        images | 2 | 1 | 3
        patients | 1 | 1 | 2
        persons | 1 | 1 | 2
        view PA | 1 (50.0 %) | 1 (100.0 %) | 2 (66.7 %)
    """
    listed = [name for name in columns.LABELS if name in manifest] if labels is None else list(labels)
    listed += [] if label in listed else [label]
    for name in listed:
        registry.check_name(map(str, manifest.columns), name, kind="label")
    cells = _text_columns(manifest)
    rows = [
        {"characteristic": characteristic, "item": item, "repository": repository, "class": group, **numbers}
        for repository, group, chosen in _groups(manifest, label)
        for characteristic, item, numbers in _describe(manifest[chosen], cells[chosen], labels=listed, whole=cells)
    ]
    order = ["characteristic", "item", "repository", "class", *NUMBERS]
    table = pd.DataFrame(rows).reindex(columns=order)
    return table.astype({"count": "Int64", "of": "Int64", "median": "float64", "low": "float64", "high": "float64"})


def _groups(manifest: pd.DataFrame, label: str) -> Iterator[tuple[str, str, pd.Series]]:
    values = manifest[label]
    classes = {
        POSITIVE: values == 1,
        NEGATIVE: values == 0,
        SOFT: values.notna() & (values != 0) & (values != 1),
        UNLABELLED: values.isna(),
    }
    for repository in sorted(manifest["repository"].unique()):
        for name, members in classes.items():
            chosen = members.fillna(False).astype(bool) & (manifest["repository"] == repository)
            if chosen.any():
                yield str(repository), name, chosen
    yield TOTAL, "", pd.Series(True, index=manifest.index)


def _text_columns(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return views, sexes and manufacturers; missing cells and manufacturers beyond the top five are named."""
    present = [name for name in ("view", "sex", "manufacturer") if name in manifest]
    cells = manifest[present].astype(object)
    cells = cells.mask(cells.isna() | (cells == ""), MISSING)
    if "manufacturer" in cells:
        makers = cells["manufacturer"]
        kept = [*_by_size(makers[makers != MISSING])[:TOP_MANUFACTURERS], MISSING]
        cells["manufacturer"] = makers.where(makers.isin(kept), OTHER)
    return cells


def _by_size(values: pd.Series) -> list[str]:
    counts = values.value_counts()
    return sorted(map(str, counts.index), key=lambda name: (-int(counts[name]), name))


def _items(values: pd.Series) -> list[str]:
    """Return the values of a column: in the order of the column table, else the most frequent first; missing last."""
    present = _by_size(values)
    described = columns.BY_NAME[str(values.name)].values
    listed = [value for value in described if value in present]
    last = [value for value in (OTHER, MISSING) if value in present]
    return [*listed, *(value for value in present if value not in described and value not in last), *last]


def _describe(
    images: pd.DataFrame, cells: pd.DataFrame, *, labels: Sequence[str], whole: pd.DataFrame
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield characteristic, item and numbers of one group; the items are those of ``whole``, the same in all groups."""
    yield "images", "", {"count": len(images)}
    yield "patients", "", {"count": images["patient_id"].nunique()}
    yield "persons", "", {"count": images["person_id"].nunique()}
    for name in ("view", "sex"):
        yield from _counts(cells, whole, name)
    if "age_years" in images:
        yield from _ages(images["age_years"])
    yield from _counts(cells, whole, "manufacturer")
    for label in labels:
        values = images[label]
        labelled = int(values.notna().sum())
        yield label, POSITIVE, {"count": int((values == 1).sum()), "of": labelled}
        if soft := int((values.notna() & (values != 0) & (values != 1)).sum()):
            yield label, SOFT, {"count": soft, "of": labelled}
        yield label, UNLABELLED, {"count": len(images) - labelled, "of": len(images)}


def _counts(cells: pd.DataFrame, whole: pd.DataFrame, name: str) -> Iterator[tuple[str, str, dict[str, float]]]:
    if name in cells:
        counts = cells[name].value_counts()
        for item in _items(whole[name]):
            yield name, item, {"count": int(counts.get(item, 0)), "of": len(cells)}


def _ages(ages: pd.Series) -> Iterator[tuple[str, str, dict[str, float]]]:
    years = ages.dropna().to_numpy(dtype=np.float64)
    low, median, high = np.quantile(years, [0.25, 0.5, 0.75]) if len(years) else [np.nan] * 3
    yield "age_years", "median", {"count": len(years), "median": median, "low": low, "high": high}
    yield "age_years", MISSING, {"count": len(ages) - len(years), "of": len(ages)}


def characteristics_header(table: pd.DataFrame) -> list[str]:
    """Return the header for :func:`characteristics_rows`: one column per repository and class, then the total."""
    return ["", *(", ".join(filter(None, group)) for group in _columns_of(table))]


def characteristics_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return the table of :func:`characteristics` as cells of text, a row per characteristic.

    Counts are ``12 (3.4 %)``; ages ``median [quartile, quartile]``; ``-`` stands where there is nothing to count. Left
    out are the labels that no image has a value of; :func:`labels_without_values` lists them.
    """
    empty = set(labels_without_values(table))
    cells = {
        (row["characteristic"], row["item"], row["repository"], row["class"]): row for row in table.to_dict("records")
    }
    groups = _columns_of(table)
    lines = [(characteristic, item) for characteristic, item, *group in cells if tuple(group) == groups[-1]]
    return [
        [_title(*line), *(_cell(cells[*line, *group]) if (*line, *group) in cells else "0" for group in groups)]
        for line in lines
        if line[0] not in empty
    ]


def labels_without_values(table: pd.DataFrame) -> list[str]:
    """Return the labels of :func:`characteristics` that not one image has a value of."""
    total = table[(table["repository"] == TOTAL) & (table["item"] == UNLABELLED)]
    return [str(name) for name in total["characteristic"][total["count"] == total["of"]]]


def _columns_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(table["repository"], table["class"], strict=True)))


def _title(characteristic: str, item: str) -> str:
    if characteristic == "age_years":
        return "age, years: median [quartiles]" if item == "median" else f"age {item}"
    return characteristic if item in ("", POSITIVE) else f"{characteristic} {item}"


def _cell(row: Mapping[Hashable, Any]) -> str:
    if row["item"] == "median":
        if not row["count"]:
            return "-"
        median, low, high = (f"{round(row[name], 1):g}" for name in ("median", "low", "high"))
        return f"{median} [{low}, {high}]"
    if pd.isna(row["of"]):
        return f"{row['count']:,}"
    return f"{row['count']:,} ({row['count'] / row['of']:.1%})".replace("%", " %") if row["of"] else "-"
