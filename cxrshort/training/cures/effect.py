"""The effect of a cure on validation persons: AUC and accuracy before and after, over all and in each group.

What would invalidate it: logits after the cure of persons whose labels it was fitted to; a cure hands over the rows
that are free of that. Differences are paired, with the person as the unit; AUCs within a group say whether the disease
is still seen, and accuracies of cells (group and class, at a probability of one half) whether the shortcut decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.stats.auc import Sample, auc, auc_interval, compare_paired, macro_auc_limits
from cxrshort.training.cures.contract import Floats, Judged, ValidationFeatures

ALL = "all"
EFFECT = "effect.csv"
MACRO = "mean over labels"


def effect_table(data: ValidationFeatures, before: Floats, judged: Sequence[Judged]) -> pd.DataFrame:
    """Return a row per label for all its images, and one for each of its groups.

    Args:
        data: the fold.
        before: (N, L) log-odds of the model as it was.
        judged: for each label, what it may be judged on.

    Returns:
        ``label``, ``group``, ``persons``, ``positives``, ``negatives``; ``auc_before``, ``auc_after``, ``difference``
        with ``low`` and ``high`` (95 %), ``reason`` and ``caution``; ``sensitivity_before``, ``specificity_before``
        and those after, at a probability of one half.
    """
    rows = []
    for number, (label, judgement) in enumerate(zip(data.labels, judged, strict=True)):
        targets, old = data.targets[judgement.rows, number], before[judgement.rows, number]
        persons = data.persons[judgement.rows]
        exact = np.isin(targets, (0, 1))
        for group in [ALL, *sorted(set(judgement.groups) - {""})]:
            members = exact if group == ALL else exact & (judgement.groups == group)
            measured = _compare(targets[members], old[members], judgement.scores[members], persons[members])
            rows.append({"label": label, "group": group, **measured})
    return pd.DataFrame(rows)


def _compare(
    targets: npt.NDArray[np.float32], before: Floats, after: Floats, persons: npt.NDArray[np.object_]
) -> dict[str, Any]:
    counts = {"persons": len(set(persons)), "positives": int((targets == 1).sum())}
    counts["negatives"] = len(targets) - counts["positives"]
    paired = compare_paired(targets, before=before, after=after, clusters=persons)
    shares = {
        f"{name}_{when}": _share((scores > 0) == value, targets == value)
        for when, scores in (("before", before), ("after", after))
        for name, value in (("sensitivity", 1), ("specificity", 0))
    }
    return {
        **counts,
        "auc_before": paired.before,
        "auc_after": paired.after,
        "difference": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "reason": paired.reason,
        "caution": paired.caution,
        **shares,
    }


def _share(hits: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float | None:
    return float(hits[among].mean()) if among.any() else None


def summarise_effect(table: pd.DataFrame) -> dict[str, Any]:
    """Return for each label the AUC lost over all images, and the worst group and cell before and after."""
    summary: dict[str, Any] = {}
    for label, rows in table.groupby("label", sort=False):
        whole, groups = rows[rows["group"] == ALL].iloc[0], rows[rows["group"] != ALL]
        lost = whole["difference"]
        summary[str(label)] = {
            "auc_lost": None if lost is None or pd.isna(lost) else -float(lost),
            **{f"worst_group_auc_{when}": _lowest(groups, [f"auc_{when}"]) for when in ("before", "after")},
            **{
                f"worst_cell_accuracy_{when}": _lowest(groups, [f"sensitivity_{when}", f"specificity_{when}"])
                for when in ("before", "after")
            },
        }
    return summary


def _lowest(rows: pd.DataFrame, names: Sequence[str]) -> float | None:
    values = rows[list(names)].to_numpy(dtype=float)
    return None if not len(values) or np.isnan(values).all() else float(np.nanmin(values))


def score_cure(data: ValidationFeatures, judged: Sequence[Judged], *, select: int | None) -> Mapping[str, Any]:
    """Return the AUC after the cure, of the selecting label or the mean over all, with its limits where it has some.

    Args:
        data: the fold.
        judged: for each label, what it may be judged on.
        select: position of the selecting label; None takes the mean over labels.
    """
    samples = []
    for number in range(len(data.labels)) if select is None else [select]:
        targets = data.targets[judged[number].rows, number]
        exact = np.isin(targets, (0, 1))
        if len(set(targets[exact])) == 2:
            persons = data.persons[judged[number].rows]
            samples.append(Sample(targets[exact], judged[number].scores[exact], persons[exact]))
    measure = f"AUC of {MACRO if select is None else data.labels[select]}"
    areas = [auc(sample.targets, sample.scores) for sample in samples]
    scored = {"split": "val", "measure": measure, "score": float(np.mean([area or 0.0 for area in areas]))}
    limits: tuple[float | None, float | None] | None
    if len(samples) == 1:
        interval = auc_interval(samples[0].targets, samples[0].scores, samples[0].clusters)
        limits = interval.low, interval.high
    else:
        limits = macro_auc_limits(samples) if samples else None
    return scored if limits is None or None in limits else {**scored, "low": limits[0], "high": limits[1]}
