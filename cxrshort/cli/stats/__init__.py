"""``cxrshort stats``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.stats"

TEXT = """Compute AUCs, generalization gaps and significance tests from the scores of any model.

The sub-commands read the predictions.csv of evaluate, or any CSV or Parquet table. Beside each result they state the
sample size, the method and, for estimates, a confidence interval.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "How good is it?": {
        "auc": Entry(f"{_HERE}.auc:auc", "AUC, average precision and partial AUC, with confidence intervals."),
        "gap": Entry(f"{_HERE}.gap:gap", "Generalization gap: internal minus external AUC, also at the same case mix."),
        "calibration": Entry(
            f"{_HERE}.calibration:calibration",
            "Calibration of probabilities, before and after recalibration: Brier score, ECE, slope, intercept.",
        ),
        "operating-point": Entry(
            f"{_HERE}.operating_point:operating_point",
            "Sensitivity, specificity, PPV, NPV and net benefit at a threshold chosen on validation images.",
        ),
        "confusion": Entry(
            f"{_HERE}.confusion:confusion",
            "Sensitivity, specificity, precision and F1 of a confusion matrix, with Bayesian credible intervals.",
        ),
    },
    "Is it better?": {
        "wilcoxon": Entry(
            f"{_HERE}.wilcoxon:wilcoxon", "Wilcoxon signed-rank test of paired values, exact also with ties."
        ),
        "empirical-p": Entry(
            f"{_HERE}.empirical_p:empirical_p", "Empirical p-value against draws from a null distribution."
        ),
    },
    "Is it fair?": {
        "subgroups": Entry(
            f"{_HERE}.subgroups:subgroups", "Every metric by sex, age, view and their pairs, the worst group first."
        ),
        "slices": Entry(
            f"{_HERE}.slices:slices", "Groups that no column names: clusters of errors, found and tested apart."
        ),
    },
    "Is the data sound?": {
        "attributes": Entry(
            f"{_HERE}.attributes:attributes", "Attributes that tell a label and can be read from the pixels."
        ),
        "floors": Entry(f"{_HERE}.floors:floors", "Shortcut floors: the AUC that is reached without seeing anatomy."),
        "leakage": Entry(
            f"{_HERE}.leakage:leakage", "Leaks between folds and datasets, and columns that give a label away."
        ),
        "power": Entry(
            f"{_HERE}.power:power", "Images that an interval or a difference needs, and what a test set can show."
        ),
    },
    "Can I report it?": {
        "ledger": Entry(
            f"{_HERE}.ledger:ledger",
            "How often each test fold was scored, what that does to p-values; preregistration.",
        ),
        "cost": Entry(f"{_HERE}.cost:cost", "Time, device-hours, parameters and learning curves of runs."),
        "checks": Entry(f"{_HERE}.checks:checks", "Recommendations for evaluations, each checked against run folders."),
        "reporting": Entry(
            f"{_HERE}.reporting:reporting", "CLAIM and TRIPOD+AI items that run folders prove; model card, datasheet."
        ),
    },
}
"""The sub-commands; another one is one file and one line here."""
