"""Which is better: two models on the same images, two groups of replicates, or two published accuracies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table
from cxrshort.stats.auc import check_level
from cxrshort.stats.claims import ONE_SEED, false_claim_of_rates
from cxrshort.stats.comparisons import DRAWS
from cxrshort.verbs.stats.compared_groups import (
    contest_rows,
    draw_shifts,
    finish_groups,
    group_row,
    note_small_groups,
    read_groups,
    show_groups,
)
from cxrshort.verbs.stats.compared_models import (
    compare_aucs,
    compare_hits,
    draw_differences,
    probability_text,
    show_aucs,
    show_hits,
)
from cxrshort.verbs.stats.corrections import check_correction
from cxrshort.verbs.stats.output import check_figures, check_intervals, write_result
from cxrshort.verbs.stats.pairs import PairTable, read_pairs
from cxrshort.verbs.stats.source import open_source

KIND = "stats-compare"
VERB = "stats compare"


def compare(
    table: str | Path | None = None,
    second: str | Path | None = None,
    *,
    target: str | None = None,
    score: str | None = None,
    before: str | None = None,
    after: str | None = None,
    image: str | None = None,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
    value: str | None = None,
    group: str | None = None,
    accuracies: tuple[float, float] | None = None,
    both: float | None = None,
    images: int | None = None,
    threshold: float | None = None,
    correction: str = "holm",
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compare two methods, with the probability that the claim "the second is better" is false.

    Args:
        table: predictions, any CSV or Parquet table, or ``-`` for standard input; None for published accuracies.
        second: another table of the same images.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores in both of two tables.
        before: the first method: a training, a column of scores, or a group of replicates.
        after: the second method.
        image: the column by which two tables are joined.
        person: the column that says whose image a row is.
        label: one label of predictions; None for all.
        by: a column whose values are compared apart.
        value: the column of one number per replicate, for a test of two groups.
        group: the column that says which group a replicate is of.
        accuracies: two published accuracies, of the first and the second method, instead of a table.
        both: share of images that both have right; None for the smallest and the largest that is possible.
        images: in the test set of the published accuracies.
        threshold: compare decisions at this score too; None for AUCs alone.
        correction: one of :data:`~cxrshort.verbs.stats.corrections.CORRECTIONS`.
        level: coverage of the intervals.
        draws: resamples of persons; 0 for none.
        seed: of the resamples.
        out: a folder for comparisons.csv, groups.csv, decisions.csv, summary.json and run.json; None writes nothing.
        figures: draw compare.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: a table breaks a rule, or nothing can be compared.
        UsageError: options that exclude each other, or a level or correction out of range.
    """
    check_figures(out, figures=figures)
    check_correction(correction)
    check_level(level)
    arguments: dict[str, Any] = {
        "table": None if table is None else str(table),
        "second": None if second is None else str(second),
    }
    arguments |= {"target": target, "score": score, "before": before, "after": after, "image": image, "person": person}
    arguments |= {"label": label, "by": by, "value": value, "group": group, "accuracies": accuracies, "both": both}
    arguments |= {"images": images, "threshold": threshold, "correction": correction, "level": level}
    arguments |= {"draws": draws, "seed": seed}
    options = {"out": out, "figures": figures, "force": force}
    if accuracies is not None or both is not None or images is not None:
        return _published(table, accuracies, both, images, arguments, options)
    if table is None:
        raise UsageError("a comparison needs a table", "TABLE, or --accuracies X Y --images N for published ones")
    if value is not None or group is not None:
        return _groups(arguments, options)
    pairs = read_pairs(
        table,
        second,
        target=target,
        score=score,
        before=before,
        after=after,
        image=image,
        person=person,
        label=label,
        by=by,
    )
    return _models(pairs, arguments, options)


def _models(pairs: PairTable, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Compare models on the same images, and the replicates of both where there are several."""
    by, correction, level = (arguments[name] for name in ("by", "correction", "level"))
    parts = [(key, part) for contest in pairs.contests for pair in contest.pairs for key, part in pair.by(by)]
    notes = list(pairs.notes)
    rows = compare_aucs(parts, draws=arguments["draws"], seed=arguments["seed"], level=level, correction=correction)
    groups = finish_groups(contest_rows(pairs.contests, level=level), level=level, correction=correction)
    if not rows and not groups:
        raise DataError("no replicate has both methods, and no test set has two of each", "evaluate both methods")
    if rows:
        check_intervals(rows, "low", measure="difference", table=pairs.sources[0].name)
    hits: list[dict[str, Any]] = []
    if arguments["threshold"] is not None:
        hits = compare_hits(parts, threshold=arguments["threshold"], level=level, correction=correction)
    titled = f"{pairs.names[1]} minus {pairs.names[0]}, {100 * level:g} % intervals"
    claim = f'"claim false": probability that "{pairs.names[1]} is better" is false'
    blocks: list[Block] = []
    if rows:
        methods = ", ".join(dict.fromkeys(row["method"] for row in rows if row["method"] != "none"))
        title = f"{titled}, by {methods}; {claim}"
        blocks.append(show_aucs(rows, by=by, title=title, correction=correction))
    if hits:
        title = f"decisions at a score of at least {arguments['threshold']:g}"
        blocks.append(show_hits(hits, by=by, title=title, correction=correction))
    if groups:
        title = "AUCs of all replicates: Mann-Whitney test, two-sided; shift of Hodges and Lehmann"
        blocks.append(show_groups(groups, by=None, title=title, correction=correction))
        notes += note_small_groups(groups, level)
    notes += list(dict.fromkeys(row["claim_caution"] for row in rows if row["claim_caution"]))
    summary = {**arguments, "names": list(pairs.names), "comparisons": rows, "decisions": hits, "groups": groups}
    tables = {"comparisons.csv": rows, "decisions.csv": hits, "groups.csv": groups}
    measure = "AUC, after minus before"
    drawing = draw_differences(rows, measure=measure) if rows else draw_shifts(groups, measure=measure)
    return write_result(
        Result(summary, blocks, notes=notes, kind=KIND),
        VERB,
        source=pairs.sources,
        arguments=arguments,
        out=options["out"],
        tables={name: lines for name, lines in tables.items() if lines},
        draw=drawing if options["figures"] else None,
        force=options["force"],
    )


def _groups(arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Compare two groups of replicates, a number each."""
    value, group, by, level = (arguments[name] for name in ("value", "group", "by", "level"))
    if value is None or group is None:
        missing = "--value" if value is None else "--group"
        raise UsageError(f"{missing} is missing: --value and --group name two columns", f"{missing} COLUMN")
    alone = ("second", "target", "score", "image", "person", "label", "threshold")
    if wrong := [name for name in alone if arguments[name] is not None]:
        raise UsageError(f"--value compares numbers of replicates, and '{wrong[0]}' is of images", "leave it out")
    source = open_source(arguments["table"])
    names, families, notes = read_groups(
        source, value=value, group=group, before=arguments["before"], after=arguments["after"], by=by
    )
    rows = finish_groups(
        [group_row({"group": key} if key else {}, *sides, level=level) for key, *sides in families],
        level=level,
        correction=arguments["correction"],
    )
    title = (
        f"{value}: {names[1]} minus {names[0]}, Mann-Whitney test, two-sided; shift of Hodges and Lehmann with "
        f'{100 * level:g} % interval; "claim false": probability that "{names[1]} is better" is false'
    )
    notes += [*note_small_groups(rows, level), *dict.fromkeys(filter(None, (row["claim_caution"] for row in rows)))]
    summary = {**arguments, "names": list(names), "groups": rows}
    block = show_groups(rows, by=by, title=title, correction=arguments["correction"])
    return write_result(
        Result(summary, [block], notes=notes, kind=KIND),
        VERB,
        source=source,
        arguments=arguments,
        out=options["out"],
        tables={"groups.csv": rows},
        draw=draw_shifts(rows, measure=f"{value}, after minus before") if options["figures"] else None,
        force=options["force"],
    )


def _published(
    table: str | Path | None,
    accuracies: Sequence[float] | None,
    both: float | None,
    images: int | None,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Result:
    """Return how doubtful a claim is that rests on two published accuracies."""
    if table is not None:
        raise UsageError("--accuracies stands for a table", "give the accuracies, or a table")
    if options["figures"]:
        raise UsageError("published accuracies cannot be drawn", "leave out --figures")
    if accuracies is None or images is None:
        missing = "--accuracies" if accuracies is None else "--images"
        raise UsageError(
            f"{missing} is missing: a published comparison needs both", "--accuracies 0.80 0.82 --images 200"
        )
    if images < 1 or not all(0 <= accuracy <= 1 for accuracy in accuracies):
        raise DataError(
            f'accuracies "{accuracies[0]:g}" and "{accuracies[1]:g}" of {images} images: accuracies lie in [0, 1], and '
            "there is at least one image"
        )
    before, after = accuracies
    possible = [max(0.0, before + after - 1), min(before, after)]
    rows = [
        {
            "both": share,
            "before": before,
            "after": after,
            "difference": after - before,
            "images": images,
            "after_only": images * (after - share),
            "before_only": images * (before - share),
            "claim_false": false_claim_of_rates(after, before, both=share, images=images),
        }
        for share in ([both] if both is not None else possible)
    ]
    columns = [
        Column("images", "images", "count"),
        Column("accuracy before", "before_text"),
        Column("accuracy after", "after_text"),
        Column("both right", "both_text"),
        Column("before only", "before_only_text"),
        Column("after only", "after_only_text"),
        Column("claim false", "claim"),
    ]
    shown = [
        {
            **row,
            **{f"{name}_text": f"{row[name]:.3g}" for name in ("before", "after", "both")},
            **{f"{name}_text": f"{row[name]:.1f}" for name in ("before_only", "after_only")},
            "claim": probability_text(row["claim_false"]),
        }
        for row in rows
    ]
    notes = [ONE_SEED]
    if both is None:
        notes = [
            "the share that both have right is not given: the smallest and the largest possible one are shown",
            ONE_SEED,
        ]
    title = '"claim false": probability that "the second method is more often right" is false'
    return write_result(
        Result({**arguments, "published": rows}, [Table(columns, shown, title)], notes=notes, kind=KIND),
        VERB,
        source=None,
        arguments=arguments,
        out=options["out"],
        tables={"published.csv": rows},
        force=options["force"],
    )
