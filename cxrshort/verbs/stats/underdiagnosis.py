"""Underdiagnosis over all labels: how often an image with a finding is called one without any, in each group.

What would invalidate the rates: labels whose targets are empty count neither as findings nor as calls, so that rows
which know few labels are called healthy more often. One label alone has no such rate beyond 1 - sensitivity.

Seyyed-Kalantari et al., Nat. Med. 27:2176 (2021): the false positive rate of "no finding".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.stats.midranks import Bools, Integers
from cxrshort.stats.signed_rank import holm
from cxrshort.stats.subgroups import compare_rate
from cxrshort.verbs.stats.group_decisions import Decisions
from cxrshort.verbs.stats.groupings import GroupColumn, Partition, partitions
from cxrshort.verbs.stats.output import clean_record

METRIC = "underdiagnosis"
_NO_FINDING = "nofinding"


def underdiagnosis(
    parts: Sequence[Decisions],
    columns: Sequence[GroupColumn],
    *,
    pairs: bool,
    minimum: int,
    level: float,
    table: str,
) -> list[dict[str, Any]]:
    """Return the rate of images with a finding that are called healthy, for each group of each model and test set.

    An image is called healthy where the label "No Finding" is called positive, or, in tables without that label, where
    no label is.

    Args:
        parts: decisions by label; those of one model and test set belong together.
        columns: that make groups.
        pairs: whether pairs of columns make groups too.
        minimum: persons with a finding below which a group is not judged.
        level: coverage of each interval.
        table: its name in messages.

    Returns:
        Rows; none where there is one label alone, or no threshold.
    """
    tests: dict[tuple[Any, ...], list[Decisions]] = {}
    for part in parts:
        key = tuple(item for item in part.facts.items() if item[0] != "label")
        tests.setdefault(key, []).append(part)
    rows = []
    for key, labels in tests.items():
        if len(labels) < 2 or any(part.rows.called is None for part in labels):
            continue
        own = list(_test(dict(key), labels, columns, pairs=pairs, minimum=minimum, level=level, table=table))
        adjusted = holm([row["p"] for row in own])
        rows += [
            clean_record({**row, "p_holm": p, "finding": _finding(row, p, level)})
            for row, p in zip(own, adjusted, strict=True)
        ]
    return rows


def _test(
    facts: Mapping[str, Any],
    labels: Sequence[Decisions],
    columns: Sequence[GroupColumn],
    *,
    pairs: bool,
    minimum: int,
    level: float,
    table: str,
) -> Iterator[dict[str, Any]]:
    ill, healthy, codes, cells = _join(labels)
    for partition in partitions(cells, columns, pairs=pairs, table=table):
        for number, name in enumerate(partition.names):
            member = partition.numbers == number
            yield {
                **facts,
                "column": partition.title,
                "group": name,
                **_rate(ill, healthy, codes, partition, member, minimum=minimum, level=level),
            }


def _rate(
    ill: Bools, healthy: Bools, codes: Integers, partition: Partition, member: Bools, *, minimum: int, level: float
) -> dict[str, Any]:
    rest = partition.filled & ~member
    persons = [len(np.unique(codes[inside & ill])) for inside in (member, rest)]
    numbers: dict[str, Any] = {"images": int((member & ill).sum()), "persons": persons[0]}
    empty = dict.fromkeys(("value", "low", "high", "rest", "difference", "difference_low", "difference_high", "p"))
    if min(persons) < minimum:
        where = "in the group" if persons[0] < minimum else "outside the group"
        return {**numbers, **empty, "reason": f"{min(persons)} persons with a finding {where}, of {minimum} needed"}
    kept = partition.filled
    rate = compare_rate(healthy[kept], ill[kept], codes[kept], member[kept], metric=METRIC, level=level)
    apart = rate.difference
    measured = {"value": rate.value, "low": rate.low, "high": rate.high, "rest": rate.rest}
    if apart is not None:
        names = ("difference", "difference_low", "difference_high", "p")
        measured |= dict(zip(names, (apart.value, apart.low, apart.high, apart.p), strict=True))
    return {**numbers, **empty, **measured, "reason": rate.reason}


def _join(labels: Sequence[Decisions]) -> tuple[Bools, Bools, Integers, pd.DataFrame]:
    """Return which images have a finding, which are called healthy, their persons and the cells of their columns."""
    cells = pd.concat([part.part.columns for part in labels])
    cells = cells[~cells.index.duplicated()].sort_index()
    ill, called, healthy = (np.zeros(len(cells), bool) for _ in range(3))
    codes = np.full(len(cells), -1)
    has_label = False
    for part in labels:
        places = cells.index.get_indexer(part.part.columns.index)
        # Persons are numbered once for the whole table; rows that stand for persons of their own by their place.
        codes[places] = part.part.columns.index if part.part.persons is None else part.part.persons
        hits = np.zeros(0, bool) if part.rows.called is None else part.rows.called
        if str(part.facts["label"]).lower().replace("_", "").replace(" ", "") == _NO_FINDING:
            has_label = True
            healthy[places] = hits
        else:
            ill[places] |= part.rows.positive
            called[places] |= hits
    return ill, healthy if has_label else ~called, codes, cells


def _finding(row: Mapping[str, Any], p: float | None, level: float) -> str:
    if p is None:
        return "not judged"
    if p > 1 - level:
        return "not shown"
    return "higher" if row["difference"] > 0 else "lower"
