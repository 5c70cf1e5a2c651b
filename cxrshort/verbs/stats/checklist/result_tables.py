"""Tables of results, ours and others': which metrics they hold, and whether each has what it needs.

Columns are read by the names that are usual in papers and software: ``auc`` or ``AUROC``, ``macro_f1``, ``low`` or
``auc_low``. A table with a metric in each row, in columns ``metric`` and ``value`` or ``score`` and ``estimate``, is
read too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from cxrshort.verbs.stats.run_folders import RunFolder

FAMILIES: dict[str, str] = {
    **dict.fromkeys(("auc", "auroc", "roc_auc", "auc_roc", "partial_auc"), "ranking"),
    **dict.fromkeys(("average_precision", "auprc", "pr_auc", "auc_pr"), "precision and recall"),
    **dict.fromkeys(("sensitivity", "recall", "tpr"), "sensitivity"),
    **dict.fromkeys(("specificity", "tnr"), "specificity"),
    **dict.fromkeys(("precision", "ppv", "npv"), "predictive value"),
    **dict.fromkeys(("f1", "f1_score", "f_score", "fscore"), "F1"),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "mcc", "kappa"), "accuracy"),
    **dict.fromkeys(("brier", "brier_score", "ece", "slope", "calibration_slope", "observed_expected"), "calibration"),
    **dict.fromkeys(("net_benefit",), "net benefit"),
}
"""Kinds of metrics by the names of their columns."""
AVERAGES = ("macro", "micro", "weighted", "mean")
P_VALUES = ("p", "p_value", "pvalue", "p_val", "p_exact", "p_normal")
ADJUSTED = ("p_holm", "p_bh", "p_fdr", "p_adjusted", "p_bonferroni", "q", "q_value")
EFFECTS = ("difference", "effect", "gap", "median", "shift", "improvement", "odds_ratio", "mean_difference")
COUNTS = ("n", "images", "persons", "patients", "pairs", "positives", "support", "n_pos", "count", "clusters")
CLASSES = ("label", "class", "finding")
CLAIM = "claim_false"
_LONG = (("metric", "value"), ("score", "estimate"))
_LIMITS = (
    ("low", "high"),
    ("lower", "upper"),
    ("ci_low", "ci_high"),
    ("ci_lower", "ci_upper"),
    ("mean_low", "mean_high"),
)
_REASON = "reason"


@dataclass(frozen=True, eq=False)
class ResultTable:
    """Hold a table of results.

    Args:
        name: where it lies.
        rows: its cells as text.
        run: the run that wrote it; None for a table of others.
    """

    name: str
    rows: pd.DataFrame
    run: RunFolder | None

    @cached_property
    def columns(self) -> dict[str, str]:
        """Return the columns by their names in lower case, words joined by underscores."""
        return {_plain(str(name)): str(name) for name in self.rows.columns}

    @cached_property
    def _long(self) -> tuple[str, str] | None:
        """Return the columns of the metric and its value, of a table with a metric in each row."""
        pairs = [pair for pair in _LONG if set(pair) <= set(self.columns)]
        return pairs[0] if pairs else None

    @cached_property
    def metrics(self) -> dict[str, str]:
        """Return the metrics that have a value, with their kinds; averages over classes are named ``macro f1``."""
        if self._long is not None:
            names = [_plain(value) for value in self.values(self._long[0])]
        else:
            names = [name for name, column in self.columns.items() if (self.rows[column] != "").any()]
        split = {name: _without_average(name) for name in dict.fromkeys(names)}
        return {
            f"{average} {metric}".strip(): FAMILIES[metric] for average, metric in split.values() if metric in FAMILIES
        }

    @property
    def averages(self) -> list[str]:
        """Return the metrics that are averages over classes."""
        return [metric for metric in self.metrics if " " in metric]

    def has(self, *names: str) -> list[str]:
        """Return which of these columns it has."""
        return [name for name in names if name in self.columns]

    def values(self, name: str) -> "pd.Series[str]":
        """Return a column by its plain name."""
        return self.rows[self.columns[name]]

    def without_interval(self) -> Iterator[tuple[str, int]]:
        """Yield each metric that stands without its limits, and in how many rows; a row that says why is none."""
        for metric in self.metrics:
            column = metric.replace(" ", "_")
            value = self.values(column if self._long is None else self._long[1])
            bare = value != ""
            if self._long is not None:
                bare &= self.values(self._long[0]).map(_plain) == column
            for reason in self.has(_REASON, f"{column}_{_REASON}"):
                bare &= self.values(reason) == ""
            limits = self._limits(column)
            if limits is not None:
                bare &= (self.rows[limits[0]] == "") | (self.rows[limits[1]] == "")
            if bare.any():
                yield metric, int(bare.sum())

    def _limits(self, metric: str) -> tuple[str, str] | None:
        for low, high in _LIMITS:
            for names in ((f"{metric}_{low}", f"{metric}_{high}"), (low, high)):
                if set(names) <= set(self.columns):
                    return self.columns[names[0]], self.columns[names[1]]
        return None


def _plain(name: str) -> str:
    """Return a name in lower case with underscores.

    Example:
        >>> _plain("Macro F1-score")
        'macro_f1_score'
    """
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _without_average(name: str) -> tuple[str, str]:
    """Return which average a metric is, and the metric.

    Example:
        >>> _without_average("macro_f1"), _without_average("auc")
        (('macro', 'f1'), ('', 'auc'))
    """
    average, _, metric = name.partition("_")
    return (average, metric) if average in AVERAGES and metric else ("", name)
