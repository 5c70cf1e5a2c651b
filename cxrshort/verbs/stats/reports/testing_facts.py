"""Facts of tests: internal and external testing with intervals, the gap, shortcuts, subgroups, failures."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.stats.predictions import EXTERNAL, INTERNAL
from cxrshort.stats.verdicts import SHORTCUT, SUSPICIOUS
from cxrshort.verbs.stats.checklist.data import tested_regions
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.reports.facts import Fact, number_text
from cxrshort.verbs.stats.run_folders import RunFolder

_SWAPS = "audit swap-test"


def metrics(study: Study) -> list[Fact]:
    """Return which metrics were computed."""
    facts = []
    for table in study.results:
        if table.metrics:
            facts.append(Fact(f"computed: {', '.join(table.metrics)}", table.name))
    return facts


def uncertainty(study: Study) -> list[Fact]:
    """Return by what intervals were computed."""
    facts = []
    for run in study.of("evaluate"):
        rows = [row for row in run.summary.get("aucs") or [] if row["low"] is not None]
        methods = ", ".join(dict.fromkeys(str(row["interval_method"]) for row in rows))
        levels = ", ".join(dict.fromkeys(f"{100 * row['level']:g} %" for row in rows))
        if methods:
            by = " (persons are the unit)" if "Obuchowski" in methods else ""
            facts.append(
                Fact(f"{levels} intervals of the AUC by {methods}{by}", run.source("aucs.csv", "interval_method"))
            )
    return facts


def internal_testing(study: Study) -> list[Fact]:
    """Return AUCs on test folds of the training dataset."""
    return _testing(study, INTERNAL)


def external_testing(study: Study) -> list[Fact]:
    """Return AUCs on datasets that no model was trained on."""
    return _testing(study, EXTERNAL)


def performance(study: Study) -> list[Fact]:
    """Return AUCs of internal and external testing, and the gap between them."""
    return internal_testing(study) + external_testing(study) + gaps(study)


def testing_rows(study: Study) -> list[tuple[RunFolder, Mapping[str, Any]]]:
    """Return the mean AUCs of the label of the study, of every evaluation."""
    return [(run, row) for run in study.of("evaluate") for row in study.rows(run, "means") if row["mean"] is not None]


def _testing(study: Study, role: str) -> list[Fact]:
    facts = []
    for run, row in testing_rows(study):
        if row["role"] == role:
            number = number_text(row["mean"], row["low"], row["high"])
            models = f"mean of {row['replicates']} models" if row["replicates"] > 1 else "one model"
            counts = f"{row['positives']:,} positives and {row['negatives']:,} negatives"
            test = f"{role} testing of {row['training']} on dataset {row['dataset']}"
            text = f"{test}: AUC of {study.label} {number}, {models}, {counts}"
            facts.append(Fact(text, run.source("means.csv", "mean")))
    return facts


def gaps(study: Study) -> list[Fact]:
    """Return the fall of the AUC from inside to outside."""
    facts = []
    for run in study.of("evaluate"):
        for row in study.rows(run, "gaps"):
            if row["gap"] is not None:
                number = number_text(row["gap"], row["low"], row["high"])
                text = f"gap of the AUC, {row['internal']} (internal) - {row['external']} (external): {number}"
                facts.append(Fact(text, run.source("gaps.csv", "gap")))
    return facts


def explanations(study: Study) -> list[Fact]:
    """Return which maps were made."""
    facts = []
    for run in study.of("explain"):
        method, images, dataset = (run.summary.get(name) for name in ("method", "images", "dataset"))
        text = f"maps by {method} of {images} images of {dataset}"
        facts.append(Fact(text, run.source(field="summary.method")))
    return facts


def shortcuts(study: Study) -> list[Fact]:
    """Return what audits call a shortcut, suspicious, or nothing."""
    facts = []
    for run in study.audits:
        rows = tested_regions(run)
        for word in (SHORTCUT, SUSPICIOUS):
            regions = [str(row["region"]) for row in rows if row["verdict"] == word]
            if regions:
                text = f"{_audit(run)} calls {word}: {', '.join(regions)}"
                facts.append(Fact(text, run.source("findings.csv", "verdict")))
        quiet = [row for row in rows if row["verdict"] not in (SHORTCUT, SUSPICIOUS)]
        if quiet:
            text = f"{_audit(run)} has no evidence in {', '.join(str(row['region']) for row in quiet)}"
            facts.append(Fact(text, run.source("findings.csv", "verdict")))
    return facts


def _audit(run: RunFolder) -> str:
    return f"audit {run.verb} of {run.summary.get('model')} on dataset {run.summary.get('dataset')}"


def robustness(study: Study) -> list[Fact]:
    """Return tests on images that were changed on purpose."""
    changed = [fact for fact in shortcuts(study) if fact.text.startswith(_SWAPS)]
    return changed + _made(study, "roentmod stress-test", "a stress test with edited images was made")


def failures(study: Study) -> list[Fact]:
    """Return analyses of single images and of groups of errors."""
    facts = [
        Fact("images that a border drives most are listed", run.source("most-driven.csv"))
        for run in study.of("explain")
        if run.has("most-driven.csv")
    ]
    return facts + _made(study, "stats slices", "groups of errors were searched for")


def fairness(study: Study) -> list[Fact]:
    """Return analyses of subgroups."""
    return _made(study, "stats subgroups", "performance was measured in subgroups")


def updating(study: Study) -> list[Fact]:
    """Return recalibrations."""
    facts = []
    for run in study.of("stats calibration"):
        if run.has("recalibrations.csv"):
            facts.append(Fact("the model was recalibrated on the fold val", run.source("recalibrations.csv")))
    return facts


def calibrations(study: Study) -> list[Fact]:
    """Return measures of calibration."""
    return _made(study, "stats calibration", "calibration was measured")


def caution(study: Study) -> list[Fact]:
    """Return what makes an interval unreliable, of the label of the study."""
    return [
        Fact(
            f"dataset {row['dataset']}, replicate {row['replicate']}: {row['caution']}",
            run.source("aucs.csv", "caution"),
        )
        for run in study.of("evaluate")
        for row in study.rows(run, "aucs")
        if row.get("caution")
    ]


def _made(study: Study, verb: str, text: str) -> list[Fact]:
    runs: Sequence[RunFolder] = study.of(verb)
    return [Fact(text, run.source()) for run in runs]
