"""``cxrshort stats``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.stats"

TEXT = """Evaluate the scores of any model: how good, better than what, fair, on which data, and how to report it.

The sub-commands read the predictions.csv of evaluate, or any CSV or Parquet table with a target and a score; those on
data read datasets, and those on reporting run folders. Beside each result they state the sample size, the method and,
for estimates, a confidence interval.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "How good is it?": {
        "auc": Entry(f"{_HERE}.auc:auc", "AUC, average precision and partial AUC, with confidence intervals."),
        "gap": Entry(f"{_HERE}.gap:gap", "Generalization gap: internal minus external AUC, also at the same case mix."),
        "calibration": Entry(
            f"{_HERE}.calibration:calibration",
            "Calibration of probabilities: Brier score, ECE, slope, intercept; recalibration.",
        ),
        "operating-point": Entry(
            f"{_HERE}.operating_point:operating_point",
            "Sensitivity, specificity, PPV, NPV and net benefit at a threshold.",
        ),
        "confusion": Entry(
            f"{_HERE}.confusion:confusion",
            "Scores of a confusion matrix, with Bayesian credible intervals.",
        ),
    },
    "Is it better?": {
        "compare": Entry(
            f"{_HERE}.compare:compare", "Compare two models or two groups of replicates; is the claim false?"
        ),
        "superiority": Entry(
            f"{_HERE}.superiority:superiority", "Test an improvement against a margin, over seeds, splits and images."
        ),
        "noise": Entry(f"{_HERE}.noise:noise", "Compare the lead of the winner with the noise of the evaluation."),
        "consensus": Entry(
            f"{_HERE}.consensus:consensus",
            "Rank methods over several datasets; practical equivalence of each pair.",
        ),
        "wilcoxon": Entry(
            f"{_HERE}.wilcoxon:wilcoxon", "Wilcoxon signed-rank test of paired values, exact also with ties."
        ),
        "empirical-p": Entry(
            f"{_HERE}.empirical_p:empirical_p", "Empirical p-value against draws from a null distribution."
        ),
    },
    "Is it fair?": {
        "subgroups": Entry(
            f"{_HERE}.subgroups:subgroups", "Every metric by sex, age, view and their pairs, worst group first."
        ),
        "slices": Entry(f"{_HERE}.slices:slices", "Clusters of errors that no column names, found and tested apart."),
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
            f"{_HERE}.power:power", "Images that an interval or a difference needs; what a test set can show."
        ),
    },
    "Can I report it?": {
        "ledger": Entry(
            f"{_HERE}.ledger:ledger",
            "How often each test fold was scored; preregistration.",
        ),
        "cost": Entry(f"{_HERE}.cost:cost", "Time, device-hours, parameters and learning curves of runs."),
        "checks": Entry(f"{_HERE}.checks:checks", "Recommendations for evaluations, checked against run folders."),
        "reporting": Entry(
            f"{_HERE}.reporting:reporting", "CLAIM and TRIPOD+AI items that runs prove; model card, datasheet."
        ),
    },
}
"""The sub-commands; another one is one file and one line here."""
