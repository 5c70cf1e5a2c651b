"""``cxrshort stats``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.stats"

TEXT = """Analyse the predictions of any model: performance, comparisons, fairness, data audits and reporting.

Most sub-commands read predictions.csv of evaluate, or any CSV or Parquet table with a target and a score; data audits
read datasets, and reporting commands read run folders. Results state their sample size and method, and estimates their
confidence or credible intervals.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "How good is it?": {
        "auc": Entry(f"{_HERE}.auc:auc", "AUC, average precision and partial AUC, with confidence intervals."),
        "gap": Entry(f"{_HERE}.gap:gap", "Generalization gap: internal minus external AUC, also at matched case mix."),
        "calibration": Entry(
            f"{_HERE}.calibration:calibration",
            "Calibration: Brier score, ECE, slope and intercept; temperature and Platt recalibration.",
        ),
        "operating-point": Entry(
            f"{_HERE}.operating_point:operating_point",
            "Sensitivity, specificity, PPV, NPV and net benefit at a decision threshold.",
        ),
        "confusion": Entry(
            f"{_HERE}.confusion:confusion", "Metrics of a confusion matrix, with Bayesian credible intervals."
        ),
    },
    "Is it better?": {
        "compare": Entry(
            f"{_HERE}.compare:compare",
            "Comparison of two models or two groups of replicates; probability of a false claim.",
        ),
        "superiority": Entry(
            f"{_HERE}.superiority:superiority",
            "Test of an improvement against a margin, over seeds, splits and test images.",
        ),
        "noise": Entry(f"{_HERE}.noise:noise", "Lead of the winner of a leaderboard or grid against evaluation noise."),
        "consensus": Entry(
            f"{_HERE}.consensus:consensus", "Ranking of methods over several datasets; practical equivalence of pairs."
        ),
        "wilcoxon": Entry(
            f"{_HERE}.wilcoxon:wilcoxon", "Wilcoxon signed-rank test of paired values, exact even with ties."
        ),
        "empirical-p": Entry(
            f"{_HERE}.empirical_p:empirical_p", "Empirical p-value from draws of a null distribution."
        ),
    },
    "Is it fair?": {
        "subgroups": Entry(
            f"{_HERE}.subgroups:subgroups", "Performance by sex, age, view and their pairs, worst group first."
        ),
        "slices": Entry(
            f"{_HERE}.slices:slices", "Clusters of errors that no metadata column defines, discovered and tested."
        ),
    },
    "Is the data sound?": {
        "attributes": Entry(
            f"{_HERE}.attributes:attributes", "Metadata that predict a label and are detectable in the pixels."
        ),
        "floors": Entry(f"{_HERE}.floors:floors", "Shortcut floors: the AUC reachable without seeing anatomy."),
        "leakage": Entry(
            f"{_HERE}.leakage:leakage", "Persons and images shared by folds or datasets; columns that leak a label."
        ),
        "power": Entry(
            f"{_HERE}.power:power", "Sample size of an AUC or a difference of AUCs; what a test set can detect."
        ),
    },
    "Can I report it?": {
        "ledger": Entry(f"{_HERE}.ledger:ledger", "Number of times each test fold was scored; preregistration."),
        "audits": Entry(
            f"{_HERE}.audits:audits", "AUCs and audit verdicts of models side by side: before and after a cure."
        ),
        "cost": Entry(f"{_HERE}.cost:cost", "Time, device-hours, parameters and learning curves of runs."),
        "checks": Entry(f"{_HERE}.checks:checks", "Published recommendations for evaluations, checked on run folders."),
        "reporting": Entry(
            f"{_HERE}.reporting:reporting", "CLAIM and TRIPOD+AI items that run folders prove; model card, datasheet."
        ),
    },
}
"""The sub-commands; another one is one file and one line here."""
