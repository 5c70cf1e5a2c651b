"""``cxrshort stats``: the sub-commands, a file each, by the question that they answer."""

from cxrshort.registry import Entry

_HERE = "cxrshort.cli.stats"

TEXT = """Compute numbers that can be trusted, from the scores of any model.

Every sub-command reads the predictions.csv of evaluate, or any table with a target and a score, and states the number
of images and persons, an interval and the method beside each number.
"""

QUESTIONS: dict[str, dict[str, Entry]] = {
    "How good is it?": {
        "auc": Entry(f"{_HERE}.auc:auc", "AUC, average precision and partial AUC, with intervals."),
        "gap": Entry(f"{_HERE}.gap:gap", "AUC inside minus outside, at the same case mix too."),
    },
    "Is it better?": {
        "wilcoxon": Entry(f"{_HERE}.wilcoxon:wilcoxon", "Signed-rank test of paired numbers, exact with ties."),
        "empirical-p": Entry(f"{_HERE}.empirical_p:empirical_p", "P-value of a number among random ones."),
    },
    "Is it fair?": {},
    "Is the data sound?": {},
    "Can I report it?": {},
}
"""The sub-commands; another one is one file and one line here."""
