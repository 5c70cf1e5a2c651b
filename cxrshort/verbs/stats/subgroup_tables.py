"""What people see of groups: the worst first, largest gaps, who is called healthy, and who are too few to be judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.results import ALWAYS, BRIEF, VERBOSE, Block, Column, Loudness, Table, Text, interval_text
from cxrshort.stats.subgroups import AUC, CALIBRATION, COMPARED, SENSITIVITY, SPECIFICITY
from cxrshort.verbs.stats.output import Draw

NOT_SHOWN = "not shown"
LOWER, HIGHER = "lower", "higher"
OVERESTIMATED, UNDERESTIMATED = "risk overestimated", "risk underestimated"
WORSE = (LOWER, OVERESTIMATED, UNDERESTIMATED)
"""Findings that accuse."""

_TEST = ("label", "training", "dataset", "replicate")
_HEADINGS = {"dataset": "tested on", "replicate": "repl."}
_FIRST, _FIRST_OF_MANY = 10, 3
"""Groups that are printed of each label, model and test set, where there is one of these and where there are more."""
_LISTED = 6
_PAIRS = "pairs that are lower"
_WIDTH = 22
Rows = Sequence[Mapping[str, Any]]


def blocks(results: Mapping[str, Rows], *, level: float) -> list[Block]:
    """Return what people see of ``groups``, ``comparisons``, ``gaps`` and ``underdiagnosis``."""
    groups = worst_first(results["groups"], results["comparisons"])
    tests = {_key(row) for row in groups}
    first = _FIRST if len(tests) == 1 else _FIRST_OF_MANY
    brief = [row for key in dict.fromkeys(map(_key, groups)) for row in [g for g in groups if _key(g) == key][:first]]
    title = f"Groups against everybody else, worst first; {100 * level:g} % intervals; P by Holm over all comparisons"
    shown: list[Block] = []
    if len(brief) < len(groups):
        counted = f"{title} ({len(brief)} of {len(groups)} groups)"
        shown += [_group_table(brief, counted, shown=BRIEF), _group_table(groups, title, shown=VERBOSE)]
    else:
        shown.append(_group_table(groups, title, shown=ALWAYS))
    shown += _gap_tables(results["gaps"])
    shown += _healthy_tables(results["underdiagnosis"], first=first, level=level)
    shown += _too_small(results["groups"])
    return shown


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("label", "training", "training_id", "dataset", "dataset_id", "replicate"))


def worst_first(groups: Rows, comparisons: Rows) -> list[dict[str, Any]]:
    """Return the groups that are judged, with their metrics: those that are shown to be worse first, then by AUC."""
    metrics: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in comparisons:
        metrics.setdefault((*_key(row), row["group"]), {})[row["metric"]] = row
    judged = [{**row, "metrics": metrics[*_key(row), row["group"]]} for row in groups if row["judged"]]
    places = {key: place for place, key in enumerate(dict.fromkeys(map(_key, judged)))}
    return sorted(judged, key=lambda row: (places[_key(row)], *_badness(row)))


def _badness(row: Mapping[str, Any]) -> tuple[bool, float]:
    is_worse = any(metric["finding"] in WORSE for metric in row["metrics"].values())
    difference = row["metrics"][AUC]["difference"]
    return not is_worse, 0.0 if difference is None else difference


def shared_columns(rows: Rows) -> list[Column]:
    """Return columns of what all rows have in common; what tells them apart stands in the first column."""
    return [
        Column(_HEADINGS.get(name, name), name, "count" if name == "replicate" else "text", folds=True)
        for name in _TEST
        if name in rows[0] and len({row[name] for row in rows}) == 1
    ]


def name_rows(rows: Rows, key: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield rows with what the first column calls them, which is repeated where a terminal is narrow."""
    varying = [name for name in _TEST if name in rows[0] and len({row[name] for row in rows}) > 1]
    for row in rows:
        parts = [f"replicate {row[name]}" if name == "replicate" else str(row[name]) for name in varying]
        yield row, ": ".join(filter(None, [", ".join(parts), str(row[key])]))


def _group_table(groups: Rows, title: str, *, shown: Sequence[Loudness]) -> Table:
    measured = [metric for metric in COMPARED if any(metric in row["metrics"] for row in groups)]
    heads = [
        Column("group", "group", least=24),
        *shared_columns(groups),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        Column("persons", "persons", "count"),
        Column("AUC", AUC, least=_WIDTH),
        Column("minus the rest", "difference", least=_WIDTH),
        *(Column(metric, metric, least=_WIDTH) for metric in measured if metric != AUC),
        Column("finding", "finding", least=28),
    ]
    rows = [
        {
            **row,
            "group": name,
            **{metric: _interval(row["metrics"].get(metric)) for metric in measured},
            "difference": _interval(row["metrics"][AUC], "difference"),
            "finding": _findings(row["metrics"]),
        }
        for row, name in name_rows(groups, "group")
    ]
    return Table(heads, rows, title, shown=shown, blocks=True)


def _interval(metric: Mapping[str, Any] | None, name: str = "value") -> str:
    prefix = "" if name == "value" else f"{name}_"
    if metric is None or metric[name] is None or metric[f"{prefix}low"] is None:
        return "none" if metric is None or not metric["reason"] else f"none: {metric['reason']}"
    return interval_text(metric[name], metric[f"{prefix}low"], metric[f"{prefix}high"])


def _findings(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Return which metrics are shown to differ, with their adjusted p-values; else the smallest of these."""
    compared = [row for row in metrics.values() if row["p_holm"] is not None]
    shown = [row for row in compared if row["finding"] != NOT_SHOWN]
    if not shown:
        least = min((row["p_holm"] for row in compared), default=None)
        return NOT_SHOWN if least is None else f"{NOT_SHOWN} (P {p_text(least)})"
    return "; ".join(
        f"{'' if row['metric'] == CALIBRATION else row['metric'].replace(AUC, 'AUC') + ' '}{row['finding']} "
        f"(P {p_text(row['p_holm'])})"
        for row in shown
    )


def p_text(p: float) -> str:
    """Return a p-value with two digits.

    Example:
        >>> p_text(0.0312), p_text(1.0), p_text(1e-12)
        ('0.031', '1.0', '<= 1e-12')
    """
    return "<= 1e-12" if p <= 1e-12 else f"{p:#.2g}"


def _gap_tables(gaps: Rows) -> list[Block]:
    if not gaps:
        return []
    title = "Largest gap between the groups of a column; P by permutation of persons, Holm over columns"
    is_one = len({_key(row) for row in gaps}) == 1
    brief = [
        row for row in gaps if row["finding"] != NOT_SHOWN or (is_one and row["metric"] in (AUC, SENSITIVITY))
    ] or [min(gaps, key=lambda row: float(row["p"]))]
    if len(brief) == len(gaps):
        return [_gap_table(gaps, title, shown=ALWAYS)]
    counted = f"{title} ({len(brief)} of {len(gaps)} gaps)"
    tables: list[Block] = [_gap_table(brief, counted, shown=BRIEF), _gap_table(gaps, title, shown=VERBOSE)]
    return tables


def _gap_table(gaps: Rows, title: str, *, shown: Sequence[Loudness]) -> Table:
    heads = [
        Column("column", "column"),
        *shared_columns(gaps),
        Column("metric", "metric", least=11),
        Column("groups", "groups", "count"),
        Column("persons", "persons", "count"),
        Column("gap", "gap_text", least=5),
        Column("lowest", "lowest_text", least=20),
        Column("highest", "highest_text", least=20),
        Column("P", "p_text", least=6),
        Column("P, Holm", "holm_text", least=7),
        Column("finding", "finding", least=9),
    ]
    rows = [
        {
            **row,
            "column": name,
            "metric": row["metric"].replace(AUC, "AUC"),
            "gap_text": f"{row['gap']:z.3f}",
            "lowest_text": f"{row['lowest_value']:z.3f} {row['lowest']}",
            "highest_text": f"{row['highest_value']:z.3f} {row['highest']}",
            "p_text": p_text(row["p"]),
            "holm_text": p_text(row["p_holm"]),
        }
        for row, name in name_rows(gaps, "column")
    ]
    return Table(heads, rows, title, shown=shown, blocks=True)


def _healthy_tables(rows: Rows, *, first: int, level: float) -> list[Block]:
    judged = sorted((row for row in rows if row["value"] is not None), key=lambda row: -row["difference"])
    if not judged:
        return []
    keys = dict.fromkeys(map(_key, judged))
    brief = [row for key in keys for row in [own for own in judged if _key(own) == key][:first]]
    title = f"Underdiagnosis: images with a finding that are called healthy; {100 * level:g} % intervals"
    tables: list[Block] = [_healthy_table(brief, title, shown=BRIEF if len(brief) < len(judged) else ALWAYS)]
    if len(brief) < len(judged):
        tables.append(_healthy_table(judged, title, shown=VERBOSE))
    return tables


def _healthy_table(rows: Rows, title: str, *, shown: Sequence[Loudness]) -> Table:
    heads = [
        Column("group", "group", least=24),
        *shared_columns(rows),
        Column("images", "images", "count"),
        Column("persons", "persons", "count"),
        Column("called healthy", "rate", least=_WIDTH),
        Column("minus the rest", "apart", least=_WIDTH),
        Column("P, Holm", "p_text", least=7),
        Column("finding", "finding", least=9),
    ]
    cells = [
        {
            **row,
            "group": name,
            "rate": _interval(row),
            "apart": _interval(row, "difference"),
            "p_text": p_text(row["p_holm"]),
        }
        for row, name in name_rows(rows, "group")
    ]
    return Table(heads, cells, title, shown=shown, blocks=True)


def _too_small(groups: Rows) -> Iterator[Text]:
    """Yield the groups that are not judged, with their sizes: the first of them, and all with --verbose."""
    small = [row for row in groups if not row["judged"]]
    if not small:
        return
    is_one = len({_key(row) for row in groups}) == 1
    names = [("" if is_one else _where(row)) + row["group"] + f" ({_size(row)})" for row in small]
    start = f"Not judged, {len(small):,} of {len(groups):,} groups (persons with and without the finding): "
    more = f"; and {len(small) - _LISTED:,} more (groups.csv, --verbose)" if len(small) > _LISTED else ""
    yield Text(start + "; ".join(names[:_LISTED]) + more, shown=BRIEF if more else ALWAYS)
    if more:
        yield Text(start + "; ".join(names), shown=VERBOSE)


def _where(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[name]) for name in ("label", "dataset") if name in row) + ": "


def _size(row: Mapping[str, Any]) -> str:
    size = f"{row['persons_with']:,} and {row['persons_without']:,}"
    return size if "persons with" in row["reason"][:30] else f"{size}; {row['reason']}"


def drawing(comparisons: Rows) -> Draw:
    """Return what draws the metrics of each column's groups, and of pairs where a difference is shown."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import MOST_ROWS, Estimate, draw_intervals

        paths = []
        for metric, name in ((AUC, "AUC"), (SENSITIVITY, "sensitivity"), (SPECIFICITY, "specificity")):
            rows = [
                row
                for row in comparisons
                if row["metric"] == metric
                and row["low"] is not None
                and (" x " not in row["column"] or row["finding"] in WORSE)
            ]
            if not rows:
                continue
            estimates = [
                Estimate(row["group"], _figure_heading(row), row["value"], row["low"], row["high"])
                for row in rows[:MOST_ROWS]
            ]
            paths.append(draw_intervals(estimates, path(f"{name.lower()}-by-group.png"), measure=name))
        return paths

    return draw


def _figure_heading(row: Mapping[str, Any]) -> str:
    names = [str(row.get(name, "")) for name in ("label", "training", "dataset")]
    return ", ".join(filter(None, [*names, _PAIRS if " x " in row["column"] else row["column"]]))
