"""Checks of the paper's section "Data, an imperfect window on the clinic": bias, confounding, labels, subgroups."""

from collections.abc import Mapping
from typing import Any

from cxrshort.places import MANIFEST
from cxrshort.results import interval_text
from cxrshort.stats.characteristics import MISSING, TOTAL
from cxrshort.stats.confounding import NONE, STRONG, UNKNOWN, WEAK, WORST
from cxrshort.stats.verdicts import NOT_TESTABLE, SHORTCUT, SUSPICIOUS
from cxrshort.verbs.stats.checklist.outcome import FAIL, PASS, WARN, Outcome, combine_outcomes, not_assessable
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.run_folders import RunFolder

MISSING_SHARE = 0.1
"""Share of images without sex, age or view from which on a column counts as incomplete."""
LARGE_DROP = 0.1
"""Fall of the AUC outside that fails, where even the lower limit reaches it."""
SMALL_DROP = 0.05
"""Fall of the AUC outside that passes, where even the upper limit stays below it."""
NO_DATASET = "no dataset folder (build-dataset) is among the folders"
NO_TRAINING_DATASET = "the dataset that the models were trained on is not among the folders"
_DEMOGRAPHICS = ("sex", "age_years", "view")


def check_sources(study: Study) -> Outcome:
    """Look for training images of more than one repository."""

    def judge(run: RunFolder) -> Outcome:
        names = [str(row["repository"]) for row in run.summary.get("repositories", [])]
        fact = f"{run.dataset_name} holds images of {len(names)} repositories: {', '.join(names)}"
        return Outcome(PASS if len(names) > 1 else WARN, fact, run.source(field="summary.repositories"))

    return combine_outcomes(map(judge, study.training_datasets), missing=NO_TRAINING_DATASET)


def check_criteria(study: Study) -> Outcome:
    """Look whether every candidate is a row or has a reason for its exclusion."""

    def judge(run: RunFolder) -> Outcome:
        summary = run.summary
        candidates, rows, excluded = (summary.get(name) for name in ("candidates", "rows", "excluded"))
        source = run.source(field="summary.excluded")
        if not (isinstance(candidates, int) and isinstance(rows, int) and isinstance(excluded, dict)):
            return Outcome(FAIL, f"{run.name} does not count its candidates", source)
        left_out = sum(excluded.values())
        sums = f"{candidates:,} candidates = {rows:,} rows + {left_out:,} excluded"
        if candidates != rows + left_out:
            return Outcome(FAIL, f"{run.dataset_name}: {sums} does not hold", source)
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in excluded.items())
        return Outcome(PASS, f"{run.dataset_name}: {sums}{f' ({reasons})' if reasons else ''}", source)

    return combine_outcomes(map(judge, study.datasets), missing=NO_DATASET)


def check_demographics(study: Study) -> Outcome:
    """Look whether sex, age and view of the images are known."""

    def judge(run: RunFolder) -> Outcome:
        missing = missing_shares(run)
        if not missing:
            return not_assessable(f"{run.name} has no table of characteristics")
        listed = ", ".join(f"{name} {share:.0%}" for name, share in missing.items())
        source = run.source(field="summary.characteristics")
        worst = max(missing.values())
        status = PASS if worst <= MISSING_SHARE else FAIL if min(missing.values()) == 1 else WARN
        return Outcome(status, f"{run.dataset_name}: missing are {listed}", source)

    return combine_outcomes(map(judge, study.datasets), missing=NO_DATASET)


def missing_shares(run: RunFolder) -> dict[str, float]:
    """Return the share of a dataset's images without sex, age or view; empty where nothing was tabulated."""
    counts = count_items(run)
    total = counts.get(("images", ""))
    if not total:
        return {}
    shares = {}
    for name in _DEMOGRAPHICS:
        items = {item: count for (characteristic, item), count in counts.items() if characteristic == name}
        present = sum(count for item, count in items.items() if item not in ("", "UNKNOWN", "median"))
        shares[name] = items[MISSING] / total if MISSING in items else 1 - present / total
    return shares


def count_items(run: RunFolder) -> dict[tuple[str, str], int]:
    """Return how many images of a dataset have each item of a characteristic, over repositories and classes."""
    rows = run.summary.get("characteristics") or []
    counts: dict[tuple[str, str], int] = {}
    for row in [row for row in rows if row["repository"] == TOTAL] or rows:
        key = (str(row["characteristic"]), str(row["item"] or ""))
        counts[key] = counts.get(key, 0) + int(row["count"] or 0)
    return counts


def check_confounding(study: Study) -> Outcome:
    """Look how well metadata alone predicts the label in the training data."""

    def judge(run: RunFolder) -> Outcome:
        rows = [row for row in run.summary.get("confounding") or [] if row["label"] == study.label or not study.label]
        rows = [row for row in rows if not str(row["verdict"]).startswith(UNKNOWN)]
        if not rows:
            return not_assessable(f"no column of {run.dataset_name} could be measured against {study.label}")
        ranks = {WORST: 0, STRONG: 1, WEAK: 2, NONE: 3}
        kind = {id(row): next(word for word in ranks if str(row["verdict"]).startswith(word)) for row in rows}
        worst = min(rows, key=lambda row: ranks[kind[id(row)]])
        status = {WORST: FAIL, STRONG: WARN, WEAK: WARN, NONE: PASS}[kind[id(worst)]]
        place = f"{worst['label']} from {worst['column']} alone in {run.dataset_name}"
        fact = f"{place}: {area_text(worst)}, {worst['verdict']}"
        return Outcome(status, fact, run.source("confounding.csv", "verdict"))

    return combine_outcomes(map(judge, study.training_datasets), missing=NO_TRAINING_DATASET)


def area_text(row: Mapping[str, Any]) -> str:
    """Return the AUC of a column of metadata with its interval; empty without one.

    Example:
        >>> area_text({"auc": 0.71, "low": 0.6, "high": 0.8}), area_text({"auc": 0.71, "low": None, "high": None})
        ('AUC 0.71 [0.60, 0.80]', '')
    """
    return "" if row["low"] is None else f"AUC {row['auc']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def check_drop(study: Study) -> Outcome:
    """Look how far the AUC falls outside the training dataset."""

    def judge(run: RunFolder) -> list[Outcome]:
        return [_judge_gap(row, run.source("gaps.csv", "gap")) for row in study.rows(run, "gaps")]

    outcomes = [outcome for run in study.of("evaluate") for outcome in judge(run)]
    missing = "no evaluation inside and outside the training dataset is among the folders"
    return combine_outcomes(outcomes, missing=missing)


def _judge_gap(row: Mapping[str, object], source: str) -> Outcome:
    names = f"{row['internal']} - {row['external']}"
    if row["gap"] is None or row["low"] is None or row["high"] is None:
        return not_assessable(f"the gap {names} has no interval: {row.get('reason') or 'unknown reason'}")
    gap, low, high = (float(str(row[name])) for name in ("gap", "low", "high"))
    shown = f"AUC {names}: {interval_text(gap, low, high)}"
    if low > 0:
        return Outcome(FAIL if low >= LARGE_DROP else WARN, f"{shown}, a fall is shown", source)
    if high <= SMALL_DROP:
        return Outcome(PASS, f"{shown}, a fall of more than {SMALL_DROP:g} is excluded", source)
    return Outcome(WARN, f"{shown}, a fall is not shown, and one of {high:.2f} not excluded", source)


def check_shortcuts(study: Study) -> Outcome:
    """Look for regions that an audit calls a shortcut: markers, borders, devices."""

    def judge(run: RunFolder) -> Outcome:
        rows = tested_regions(run)
        if not rows:
            return not_assessable(f"{run.name}: no region could be tested")
        worst = [row for word in (SHORTCUT, SUSPICIOUS) for row in rows if row["verdict"] == word]
        source = run.source("findings.csv", "verdict")
        if not worst:
            names = ", ".join(str(row["region"]) for row in rows[:4]) + (", ..." if len(rows) > 4 else "")
            return Outcome(PASS, f"{run.verb}: no evidence in {len(rows)} regions ({names})", source)
        status = FAIL if worst[0]["verdict"] == SHORTCUT else WARN
        listed = ", ".join(str(row["region"]) for row in worst if row["verdict"] == worst[0]["verdict"])
        return Outcome(status, f"{run.verb} calls {worst[0]['verdict']}: {listed}", source)

    missing = "no audit (explain, swap-test) is among the folders"
    return combine_outcomes(map(judge, study.audits), missing=missing)


def tested_regions(run: RunFolder) -> list[dict[str, Any]]:
    """Return the findings of an audit on the regions that could be tested."""
    return [row for row in run.summary.get("findings") or [] if row.get("verdict") != NOT_TESTABLE]


def check_labels(study: Study) -> Outcome:
    """Say that label errors need a second reading, which no run folder holds."""
    del study
    return not_assessable("no second reading of the images; label errors cannot be seen in run folders")


def check_manifest_columns(study: Study) -> Outcome:
    """Look whether datasets are described: a table of characteristics, and every exclusion listed."""

    def judge(run: RunFolder) -> Outcome:
        wanted = (MANIFEST, "characteristics.csv", "confounding.csv", "excluded.csv")
        absent = [name for name in wanted if not run.has(name)]
        if absent:
            return Outcome(FAIL, f"{run.name} lacks {', '.join(absent)}", run.source(field="outputs"))
        return Outcome(PASS, f"{run.dataset_name} has {', '.join(wanted[1:])}", run.source(field="outputs"))

    return combine_outcomes(map(judge, study.datasets), missing=NO_DATASET)
