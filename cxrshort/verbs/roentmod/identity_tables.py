"""Identity as rows of tables, and as what people see: Supplemental Table 2 of RoentMod 2025, with intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.models.embedders import Embedder
from cxrshort.quantities import quantity
from cxrshort.results import ALWAYS, DEFAULT, UNLESS_QUIET, VERBOSE, Block, Column, Facts, Table, interval_text
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.stats.identity_scores import (
    FARTHER,
    KEPT,
    LEAST_SHARE,
    LOST,
    NEARER,
    DistanceSummary,
    WinRate,
    keeps_word,
    summarise_distances,
    win_rate,
)
from cxrshort.stats.verdicts import NOT_TESTABLE
from cxrshort.verbs.roentmod.identity_pairs import (
    ALL_EDITS,
    CONTROL,
    EDIT,
    KINDS,
    REAL,
    REAL_CONTROL,
    ROUND_TRIP,
    SAME_PLACE,
    SHAM,
    IdentityPairs,
)
from cxrshort.verbs.roentmod.scores import list_names

Record = dict[str, Any]
DISTANCE = "distance."
"""Before the name of an embedding: its column of distances."""
COMPARISONS = ((EDIT, CONTROL), (EDIT, REAL), (EDIT, SHAM), (REAL, REAL_CONTROL))
"""Which picture is nearer to the same original; the first comparison says whether identity is kept."""
MEASURES = tuple(f"{measure}{part}" for measure in ("ssim", "difference") for part in ("", "_inside", "_outside"))
_MEANINGS = {
    CONTROL: "another person's edit",
    EDIT: "the edit",
    SHAM: "the sham edit",
    ROUND_TRIP: "encoded and decoded",
    REAL: "the person's follow-up with the finding",
    REAL_CONTROL: "another person's follow-up",
}
_NONE = "no such pair"
_SHARE_WIDTH = len("0.583 [0.325, 0.812] undecided")


def shown_edits(pairs: IdentityPairs) -> list[str]:
    """Return the edits of tables: each, and all together where there are more than one."""
    return [*pairs.edits, *([ALL_EDITS] if len(pairs.edits) > 1 else [])]


def distance_records(pairs: IdentityPairs, embedders: Sequence[Embedder]) -> list[Record]:
    """Return a row for each edit, kind of pair and embedding."""
    rows = []
    for edit in shown_edits(pairs):
        part = pairs.of_edit(edit)
        for kind in KINDS:
            own = part[part["kind"] == kind]
            for embedder in embedders:
                record = {"edit": edit, "kind": kind, "embedding": embedder.name}
                if own.empty:
                    rows.append({**record, **_distance_numbers(None), "reason": _reason(pairs, edit, kind)})
                    continue
                summary = summarise_distances(own[DISTANCE + embedder.name], own["person_id"])
                rows.append({**record, **_distance_numbers(summary), "reason": ""})
    return rows


def _reason(pairs: IdentityPairs, edit: str, kind: str) -> str:
    if edit == ALL_EDITS:
        return next((reason for (_, own), reason in pairs.reasons.items() if own == kind), _NONE)
    return pairs.reasons.get((edit, kind), _NONE)


def _distance_numbers(summary: DistanceSummary | None) -> Record:
    if summary is None:
        empty = dict.fromkeys(("median", "low", "high", "lower_quartile", "upper_quartile", "interquartile_range"))
        return {"pairs": 0, "persons": 0, **empty}
    return {
        "pairs": summary.pairs,
        "persons": summary.persons,
        "median": summary.median.value,
        "low": _finite(summary.median.low),
        "high": _finite(summary.median.high),
        "lower_quartile": summary.lower_quartile,
        "upper_quartile": summary.upper_quartile,
        "interquartile_range": summary.interquartile_range,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def comparison_records(pairs: IdentityPairs, embedders: Sequence[Embedder]) -> list[Record]:
    """Return a row for each edit, comparison and embedding: how often the one picture is nearer than the other."""
    rows = []
    for edit in shown_edits(pairs):
        part = pairs.of_edit(edit)
        for first, second in COMPARISONS:
            for embedder in embedders:
                rate = _rate(part, first, second, column=DISTANCE + embedder.name)
                record = {"edit": edit, "nearer": first, "than": second, "embedding": embedder.name}
                rows.append({**record, **_rate_numbers(rate), **_words(rate, first, second, pairs=pairs, edit=edit)})
    return rows


def _rate(part: pd.DataFrame, first: str, second: str, *, column: str) -> WinRate | None:
    """Return how often the pairs of one kind are nearer than those of another of the same original and edit."""
    keys = ["image_id", "edit", "person_id"]
    sides = [part[part["kind"] == kind].groupby(keys, sort=False)[column].mean() for kind in (first, second)]
    if second == SHAM:
        # A sham is of all edits of an image, and stands under one of them where all edits are taken together.
        means = part[part["kind"] == SHAM].groupby("image_id")[column].mean()
        own = sides[0].reset_index()
        sides[1] = pd.Series(means.reindex(own["image_id"]).to_numpy(), index=sides[0].index).dropna()
    both = pd.concat(sides, axis=1, join="inner", keys=["a", "b"]).reset_index()
    return None if both.empty else win_rate(both["a"], both["b"], both["person_id"])


def _rate_numbers(rate: WinRate | None) -> Record:
    if rate is None:
        return {"images": 0, "persons": 0, "share": None, "low": None, "high": None}
    share = rate.share
    limits = {"low": _finite(share.low), "high": _finite(share.high)}
    return {"images": rate.images, "persons": rate.persons, "share": share.value, **limits}


def _words(rate: WinRate | None, first: str, second: str, *, pairs: IdentityPairs, edit: str) -> Record:
    """Return the verdict of a comparison and why there is none."""
    if rate is None:
        missing = [_reason(pairs, edit, kind) for kind in (second, first)]
        reason = next((text for text in missing if text != _NONE), "no original has both")
        return {"verdict": NOT_TESTABLE, "reason": reason}
    if math.isnan(rate.share.low):
        return {"verdict": NOT_TESTABLE, "reason": "one person: a share of persons has no limits"}
    return {"verdict": keeps_word(rate) if second == CONTROL else rate.direction, "reason": ""}


def difference_records(pairs: IdentityPairs) -> list[Record]:
    """Return a row for each edit and kind of pair: how alike the pictures are, pixel by pixel, by region."""
    rows = []
    for edit in shown_edits(pairs):
        part = pairs.of_edit(edit)
        for kind in KINDS:
            own = part[part["kind"] == kind]
            if own.empty:
                continue
            regions = " or ".join(sorted(set(own["region"]) - {""})) if kind in SAME_PLACE else ""
            record: Record = {"edit": edit, "kind": kind, "pairs": len(own), "region": regions}
            for measure in MEASURES:
                values = own[measure].to_numpy(np.float64)
                finite = np.isfinite(values)
                names = (measure, f"{measure}_low", f"{measure}_high")
                if not finite.any():
                    record |= dict.fromkeys(names)
                    continue
                interval = clustered_median(values[finite], own["person_id"][finite])
                record |= dict(zip(names, map(_finite, (interval.value, interval.low, interval.high)), strict=True))
            rows.append(record)
    return rows


def disagreements(comparisons: Sequence[Record]) -> list[str]:
    """Return what embeddings contradict each other in, and what none of them can say."""
    notes: list[str] = []
    for edit in dict.fromkeys(row["edit"] for row in comparisons):
        kept = _by_verdict(comparisons, edit, EDIT, CONTROL)
        if kept.get(KEPT) and kept.get(LOST):
            notes.append(
                f"{edit}: embeddings disagree: identity is kept by {list_names(kept[KEPT])} and not by "
                f"{list_names(kept[LOST])}"
            )
        nearer = _by_verdict(comparisons, edit, EDIT, REAL)
        if nearer.get(NEARER) and nearer.get(FARTHER):
            notes.append(
                f"{edit}: embeddings disagree: the edit is nearer than the follow-up by {list_names(nearer[NEARER])}, "
                f"the follow-up by {list_names(nearer[FARTHER])}"
            )
    last = comparisons[-1]["edit"] if comparisons else ""
    blind = _by_verdict(comparisons, last, REAL, REAL_CONTROL)
    if unsure := [name for word, names in blind.items() if word not in (NEARER, NOT_TESTABLE) for name in names]:
        count = max(row["images"] for row in comparisons if row["than"] == REAL_CONTROL)
        notes.append(
            f"by {list_names(unsure)} a person's own follow-up is not nearer than another person's beyond doubt "
            f"({quantity(count, 'pair')}): what it says of identity may mean little"
        )
    if len({row["embedding"] for row in comparisons}) == 1:
        notes.append(
            "small pixels are the only embedding, and see where things lie and no detail; --embedding adds a network: "
            "a MODEL, inception:FILE, clip:FOLDER, or NAME=FILE.npz"
        )
    return notes


def _by_verdict(comparisons: Sequence[Record], edit: str, first: str, second: str) -> Mapping[str, list[str]]:
    words: dict[str, list[str]] = {}
    for row in comparisons:
        if (row["edit"], row["nearer"], row["than"]) == (edit, first, second):
            words.setdefault(row["verdict"], []).append(row["embedding"])
    return words


def identity_blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return what people see: verdicts by embedding, distances, pixel differences, definitions."""
    names = [row["embedding"] for row in summary["embeddings"]]
    kinds = [kind for kind in KINDS if any(row["kind"] == kind and row["pairs"] for row in summary["findings"])]
    facts = [(kind, f"{_MEANINGS[kind]} beside the original") for kind in kinds]
    facts += [(row["embedding"], f"{summary['distance']} of {row['definition']}") for row in summary["embeddings"]]
    return [
        _comparison_table(summary["comparisons"], names),
        _distance_table(summary["findings"], names),
        *_difference_tables(summary["differences"]),
        Facts(facts, shown=UNLESS_QUIET),
    ]


def _side_by_side(rows: Sequence[Record], keys: Sequence[str], text: Any) -> list[Record]:
    """Return rows of the same keys as one, with a text for each embedding."""
    joined: dict[tuple[Any, ...], Record] = {}
    for row in rows:
        shown = joined.setdefault(tuple(row[key] for key in keys), {key: row[key] for key in keys})
        shown[DISTANCE + row["embedding"]] = text(row)
        for count in ("pairs", "images"):
            if count in row:
                shown[count] = row[count]
    return list(joined.values())


def _comparison_table(comparisons: Sequence[Record], names: Sequence[str]) -> Table:
    rows = _side_by_side(comparisons, ("edit", "nearer", "than"), _share_text)
    shown = [{**row, "comparison": f"{row['nearer']} < {row['than']}"} for row in rows if row["images"]]
    shown += [
        {**row, "comparison": f"{row['nearer']} < {row['than']}"}
        for row in rows
        if not row["images"] and (row["nearer"], row["than"]) == (EDIT, CONTROL)
    ]
    title = (
        "Share of images of which the first picture is nearer to the original than the second; edit < control says "
        f"whether identity is {KEPT} (lower limit above {LEAST_SHARE:g})"
    )
    columns = [
        Column("edit", "edit"),
        Column("comparison", "comparison", least=len(f"{REAL} < {REAL_CONTROL}")),
        Column("images", "images", "count"),
        *(Column(name, DISTANCE + name, least=_SHARE_WIDTH) for name in names),
    ]
    return Table(columns, shown, title, ALWAYS, blocks=True, keys=3)


def _share_text(row: Record) -> str:
    if row["share"] is None:
        return NOT_TESTABLE
    limits = "no limits" if row["low"] is None else ""
    text = f"{row['share']:.2f} {limits}" if limits else interval_text(row["share"], row["low"], row["high"])
    return f"{text} {row['verdict']}"


def _distance_table(findings: Sequence[Record], names: Sequence[str]) -> Table:
    rows = [row for row in _side_by_side(findings, ("edit", "kind"), _distance_text) if row["pairs"]]
    columns = [
        Column("edit", "edit"),
        Column("pair", "kind", least=12),
        Column("pairs", "pairs", "count"),
        *(Column(name, DISTANCE + name, least=26) for name in names),
    ]
    title = "Distance to the original: median with 95 % interval (interquartile range)"
    return Table(columns, rows, title, UNLESS_QUIET, blocks=True, keys=3)


def _distance_text(row: Record) -> str:
    if row["median"] is None:
        return ""
    limits = "" if row["low"] is None else f" [{row['low']:.3g}, {row['high']:.3g}]"
    return f"{row['median']:.3g}{limits} ({row['interquartile_range']:.2g})"


def _difference_tables(differences: Sequence[Record]) -> list[Table]:
    """Return pixel differences of all edits together, and of each where the user wants to see everything."""
    columns = [
        Column("edit", "edit", folds=True),
        Column("pair", "kind", least=12),
        Column("SSIM", "ssim_text", "count"),
        Column("inside", "ssim_inside_text", "count"),
        Column("outside", "ssim_outside_text", "count"),
        Column("difference", "difference_text", "count"),
        Column("inside", "difference_inside_text", "count"),
        Column("outside", "difference_outside_text", "count"),
    ]
    rows = [
        {**row, **{f"{name}_text": "" if row[name] is None else f"{row[name]:.4f}" for name in MEASURES}}
        for row in differences
    ]
    title = "Structural similarity and mean absolute difference of grey in [0, 1]: medians over pairs"
    brief = [row for row in rows if row["edit"] == rows[-1]["edit"]]
    regions = " or ".join(dict.fromkeys(row["region"] for row in brief if row["region"]))
    inside = f", of whole pictures, and inside and outside of what is edited ({regions})" if regions else ""
    every = [*columns, Column("region", "region")]
    return [
        Table(columns, brief, f"{title}{inside}", DEFAULT, blocks=True, keys=2),
        Table(every, rows, title, VERBOSE, blocks=True, keys=2),
    ]
