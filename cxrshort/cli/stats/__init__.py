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
            "Rank methods over several datasets; test each pair for practical equivalence.",
        ),
        "wilcoxon": Entry(
            f"{_HERE}.wilcoxon:wilcoxon", "Wilcoxon signed-rank test of paired values, exact also with ties."
        ),
        "empirical-p": Entry(
            f"{_HERE}.empirical_p:empirical_p", "Empirical p-value against draws from a null distribution."
        ),
    },
    "Is it fair?": {},
    "Is the data sound?": {},
    "Can I report it?": {},
}
"""The sub-commands; another one is one file and one line here."""
