"""What a confusion matrix shows: sensitivity, specificity, precision and F1 with credible intervals."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Block, Column, Result, Table
from cxrshort.stats.confusion import CLASS_SCORES, ConfusionScores, Credible, confusion_scores
from cxrshort.verbs.stats.decisions import ClassCounts, read_decisions, read_matrix, read_scored_decisions
from cxrshort.verbs.stats.estimates import NAME_WIDTH, interval_cell, name_rows
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result

KIND = "stats-confusion"
OVERALL = {
    "balanced accuracy": "balanced_accuracy",
    "macro specificity": "macro_specificity",
    "macro precision": "macro_precision",
    "macro F1": "macro_f1",
    "accuracy": "accuracy",
}
"""Scores of all classes together; balanced accuracy is macro sensitivity."""
_NAMES = {"f1": "F1"}
_WIDTH = 22
"""Characters of a number with its interval."""


def confusion(
    table: str | Path,
    *,
    target: str | None = None,
    decision: str | None = None,
    score: str | None = None,
    logits: bool = False,
    threshold: float | None = None,
    matrix: bool = False,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
    class_prior: float = 1.0,
    decision_prior: float = 1.0,
    level: float = 0.95,
    seed: int = 0,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compute scores of confusion matrices from exact draws of a Bayesian posterior.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of true classes, names or numbers; with ``score`` 0 or 1.
        decision: the column of decided classes.
        score: the column of probabilities, or of logits; positive from ``threshold`` on.
        logits: ``score`` holds logits.
        threshold: a probability; None for 0.5.
        matrix: the table is a confusion matrix: a row for each true class with its name first, a column for each
            decision.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        by: a column whose values are measured apart.
        class_prior: Dirichlet parameter of each class size.
        decision_prior: Dirichlet parameter of each decision within a class.
        level: of the credible intervals.
        seed: of the posterior draws.
        out: a folder for confusion.csv, matrices.csv, summary.json and run.json; None writes nothing.
        figures: draw confusion.png and matrices.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or holds one class alone.
        UsageError: options that exclude each other, or a number out of range.
    """
    check_figures(out, figures=figures)
    columns = {"target": target, "person": person, "by": by}
    if matrix:
        _refuse_with("--matrix", decision=decision, score=score, threshold=threshold, label=label, **columns)
        counted = read_matrix(table)
    elif decision is not None:
        _refuse_with("--decision", score=score, threshold=threshold, label=label)
        counted = read_decisions(table, decision=decision, **columns)
    else:
        cut = 0.5 if threshold is None else threshold
        counted = read_scored_decisions(table, score=score, logits=logits, threshold=cut, label=label, **columns)
    priors = {"class_prior": class_prior, "decision_prior": decision_prior}
    posteriors = [_posterior(case, level=level, seed=seed, **priors) for case in counted.cases]
    rows = [row for case, scores in zip(counted.cases, posteriors, strict=True) for row in _rows(case, scores)]
    matrices = [row for case in counted.cases for row in _matrix_rows(case)]
    arguments: dict[str, Any] = {"table": str(table), **columns, "decision": decision, "score": score, "logits": logits}
    arguments |= {"threshold": threshold, "matrix": matrix, "label": label, **priors, "level": level, "seed": seed}
    result = Result(
        {**arguments, "scores": rows, "matrices": matrices, "draws": posteriors[0].draws},
        _blocks(rows, counted.cases, priors, level=level),
        notes=[*counted.notes, *_notes(counted.cases)],
        kind=KIND,
    )
    return write_result(
        result,
        "stats confusion",
        source=counted.source,
        arguments=arguments,
        out=out,
        tables={"confusion.csv": rows, "matrices.csv": matrices},
        draw=_drawing(rows, counted.cases) if figures else None,
        force=force,
    )


def _refuse_with(option: str, **others: Any) -> None:
    """Refuse options that have no meaning beside another one.

    Raises:
        UsageError: one of them is given.
    """
    for name, value in others.items():
        if value is not None:
            raise UsageError(f"{option} and --{name} exclude each other", "give one of them")


def _posterior(
    case: ClassCounts, *, level: float, seed: int, class_prior: float, decision_prior: float
) -> ConfusionScores:
    try:
        return confusion_scores(
            case.counts,
            rng=np.random.default_rng(seed),
            labels=case.classes,
            class_prior=class_prior,
            decision_prior=decision_prior,
            level=level,
        )
    except DataError as error:
        name = ", ".join(str(value) for value in (case.facts.get("label"), case.facts.get("group")) if value)
        raise DataError(f"{name}: {error.message}" if name else error.message, error.hint) from error


def _rows(case: ClassCounts, scores: ConfusionScores) -> list[dict[str, Any]]:
    """Return a row for each score of each class, and of all classes."""
    images = int(case.counts.sum())
    rows = []
    for place, part in enumerate(scores.classes):
        # What a score is a share of: the images of the class, those of the others, or those called so.
        counted = {"specificity": images - part.images, "precision": int(case.counts[:, place].sum())}
        for name in CLASS_SCORES:
            size = counted.get(name, part.images)
            rows.append(_row(case, part.label, _NAMES.get(name, name), getattr(part, name), size))
    overall = [_row(case, "", name, getattr(scores, key), images) for name, key in OVERALL.items()]
    return [*rows, *overall]


def _row(case: ClassCounts, name: str, score: str, posterior: Credible, images: int) -> dict[str, Any]:
    return clean_record(
        {
            **case.facts,
            "class": name,
            "score": score,
            "images": images,
            "estimate": posterior.estimate,
            "mean": posterior.mean,
            "mean_low": posterior.low,
            "mean_high": posterior.high,
            "deviation": posterior.deviation,
            "reason": "" if posterior.estimate is not None else "0/0 in the matrix itself",
        }
    )


def _matrix_rows(case: ClassCounts) -> list[dict[str, Any]]:
    return [
        {**case.facts, "true": true, "decided": decided, "images": int(case.counts[row, column])}
        for row, true in enumerate(case.classes)
        for column, decided in enumerate(case.classes)
    ]


def _notes(cases: Sequence[ClassCounts]) -> list[str]:
    """Return the caveats that readers of the numbers need."""
    notes = []
    repeated = max((case.images - case.persons for case in cases if case.persons is not None), default=0)
    if repeated:
        notes.append(
            f"persons have several images (up to {repeated:,} more images than persons): the model takes images for "
            "independent, so that its intervals are too narrow; stats operating-point has intervals by person"
        )
    thin = sorted({name for case in cases for name, size in zip(case.classes, case.sizes, strict=True) if size < 5})
    if thin:
        notes.append(f"classes of fewer than 5 images, where the prior weighs as much as the images: {', '.join(thin)}")
    return notes


def _blocks(
    rows: Sequence[Mapping[str, Any]], cases: Sequence[ClassCounts], priors: Mapping[str, float], *, level: float
) -> list[Block]:
    """Return what people see: scores, then the matrices; of two classes 0 and 1 the scores of 1 alone."""
    binary = cases[0].classes == ("0", "1")
    hidden = {"class": "0", "score": "macro specificity"}  # of two classes, that is balanced accuracy again
    printed = [row for row in rows if not (binary and any(row[key] == value for key, value in hidden.items()))]
    names, shared = name_rows(printed)
    shown = [
        {
            **row,
            "name": ", ".join(filter(None, [name, "" if binary else row["class"], row["score"]])),
            "estimate": "0/0" if row["estimate"] is None else f"{row['estimate']:.3f}",
            "posterior": interval_cell(row, "mean"),
            "deviation": f"{row['deviation']:.3f}",
        }
        for name, row in zip(names, printed, strict=True)
    ]
    columns = [
        Column("score", "name", least=NAME_WIDTH),
        Column("images", "images", "count"),
        Column("counted", "estimate", least=5),
        Column("posterior mean", "posterior", least=_WIDTH),
        Column("SD", "deviation", least=5),
    ]
    prior = f"Dirichlet priors of {priors['class_prior']:g} (class sizes) and {priors['decision_prior']:g} (decisions)"
    title = ", ".join(filter(None, [shared, f"{100 * level:g} % credible intervals", prior]))
    return [Table(columns, shown, title, blocks=True), _matrix_table(cases)]


def _matrix_table(cases: Sequence[ClassCounts]) -> Table:
    classes = list(dict.fromkeys(name for case in cases for name in case.classes))
    names, _ = name_rows([case.facts for case in cases])
    shown = []
    for name, case in zip(names, cases, strict=True):
        for row, true in enumerate(case.classes):
            counts = {f"to {decided}": int(case.counts[row, column]) for column, decided in enumerate(case.classes)}
            text = dict.fromkeys((f"to {other}" for other in classes), "") | counts
            shown.append({"name": ", ".join(filter(None, [name, true])), **text})
    columns = [Column("true class", "name"), *(Column(f"called {name}", f"to {name}", "count") for name in classes)]
    return Table(columns, shown, "images by true class and decision", blocks=True)


def _drawing(rows: Sequence[Mapping[str, Any]], cases: Sequence[ClassCounts]) -> Draw:
    """Return what draws the scores and the matrices."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.confusion import MatrixPanel, draw_matrices
        from cxrshort.figures.intervals import Estimate, draw_intervals

        names, _ = name_rows(rows)
        estimates = [
            Estimate(
                f"{row['score']} (n = {row['images']:,})",
                ", ".join(filter(None, [name, f"class {row['class']}" if row["class"] else "all classes"])),
                *(row[key] for key in ("mean", "mean_low", "mean_high")),
            )
            for name, row in zip(names, rows, strict=True)
        ]
        titles, _ = name_rows([case.facts for case in cases])
        panels = [
            MatrixPanel(title or "confusion matrix", case.classes, case.counts)
            for title, case in zip(titles, cases, strict=True)
        ]
        return [
            draw_intervals(estimates, path("confusion.png"), measure="posterior mean with credible interval"),
            draw_matrices(panels, path("matrices.png")),
        ]

    return draw
