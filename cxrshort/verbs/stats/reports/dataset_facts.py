"""Facts of datasets: sources, exclusions, flow, splits, who is in them, what is missing, what is confounded."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cxrshort.places import MANIFEST
from cxrshort.results import count_text
from cxrshort.stats.characteristics import POSITIVE, TOTAL
from cxrshort.stats.confounding import STRONG, WORST
from cxrshort.verbs.stats.checklist.data import area_text, count_items, missing_shares
from cxrshort.verbs.stats.checklist.outcome import PASS
from cxrshort.verbs.stats.checklist.procedures import check_same_films, judge_splits
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.reports.facts import Fact, parts_text
from cxrshort.verbs.stats.run_folders import RunFolder

_CHARACTERISTICS = ("view", "sex", "manufacturer")
_ACQUISITION = ("view", "manufacturer", "modality")


def data_sources(study: Study) -> list[Fact]:
    """Return images, patients and repositories of each dataset."""
    return [
        Fact(
            f"{_name(run)} holds {run.summary['rows']:,} images of {run.summary['patients']:,} patients from "
            + count_text({row["repository"]: row["images"] for row in run.summary["repositories"]}),
            run.source(field="summary.repositories"),
        )
        for run in _complete(study)
    ]


def patient_flow(study: Study) -> list[Fact]:
    """Return candidates, exclusions with their reasons, and what remains."""
    facts = []
    for run in _complete(study):
        excluded: Mapping[str, int] = run.summary["excluded"]
        reasons = f" ({count_text(excluded)})" if excluded else ""
        text = (
            f"{_name(run)}: {run.summary['candidates']:,} candidates, {sum(excluded.values()):,} excluded{reasons}, "
            f"{run.summary['rows']:,} images included, of {run.summary['patients']:,} patients"
        )
        facts.append(Fact(text, run.source("excluded.csv", "reason")))
    return facts


def inclusion_criteria(study: Study) -> list[Fact]:
    """Return what a row had to fulfil, and how many did not."""
    facts = []
    for run in _complete(study):
        options = run.arguments.get("options") or {}
        views = ", ".join(options.get("views") or [])
        where = run.arguments.get("where") or ""
        rules = [f"views {views}" if views else "", f"where {where}" if where else ""]
        rule = "; ".join(filter(None, rules)) or "every candidate"
        facts.append(Fact(f"{_name(run)} includes {rule}", run.source(field="arguments.options, arguments.where")))
    return facts + patient_flow(study)


def image_preparation(study: Study) -> list[Fact]:
    """Return how pixels became squares."""
    facts = []
    for run in study.datasets:
        recipe: Mapping[str, Any] = run.record.get("recipe") or {}
        if recipe.get("size"):
            equalised = "histograms equalised" if recipe.get("equalise") else "histograms not equalised"
            square = f"{recipe['size']} x {recipe['size']} px, fit {recipe.get('fit')}"
            text = f"images of {_name(run)} are {square}, {equalised}"
            facts.append(Fact(text, run.source(field="recipe")))
    return facts


def data_subsets(study: Study) -> list[Fact]:
    """Return which part of the sources was taken."""
    facts = []
    for run in _complete(study):
        sample, per = run.arguments.get("sample"), run.arguments.get("per")
        drawn = (
            f"a random sample of {sample:,} images{f' of each {per}' if per else ''}" if sample else "no sample drawn"
        )
        where = run.arguments.get("where")
        text = f"{_name(run)}: {drawn}{f', images where {where}' if where else ''}"
        facts.append(Fact(text, run.source(field="arguments.sample, arguments.where")))
    return facts


def missing_metadata(study: Study) -> list[Fact]:
    """Return the share of images without sex, age or view."""
    facts = []
    for run in study.datasets:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in missing_shares(run).items())
        if shares:
            facts.append(Fact(f"missing in {_name(run)}: {shares}", run.source("characteristics.csv", "missing")))
    return facts


def image_acquisition(study: Study) -> list[Fact]:
    """Return views and manufacturers."""
    return _tabulated(study, _ACQUISITION)


def characteristics(study: Study) -> list[Fact]:
    """Return sex, age, view and manufacturer of each dataset, and the same by fold of the first split."""
    return _tabulated(study, _CHARACTERISTICS, ages=True) + fold_characteristics(study)


def fold_characteristics(study: Study) -> list[Fact]:
    """Return who is in each fold of the first split."""
    facts = []
    for run in study.datasets:
        for row in fold_rows(run, study.label):
            text = (
                f"{_name(run)}, split_0, {row['fold']}: {row['images']:,} images of {row['persons']:,} persons"
                f"{row['women_text']}{row['age_text']}{row['label_text']}"
            )
            facts.append(Fact(text, run.source(MANIFEST, "split_0, sex, age_years")))
    return facts


def fold_rows(run: RunFolder, label: str) -> list[dict[str, Any]]:
    """Return images, persons, sex, age and positives of a label, of each fold of a dataset's first split."""
    manifest = run.read_table(MANIFEST)
    if "split_0" not in manifest:
        return []
    label = label if label in manifest else ""
    rows = []
    for fold in ("train", "val", "test"):
        part = manifest[manifest["split_0"] == fold]
        ages = pd.to_numeric(part.get("age_years", pd.Series(dtype=str)), errors="coerce").dropna()
        women = (part["sex"] == "F").sum() if "sex" in part else 0
        positives = int((pd.to_numeric(part[label], errors="coerce") == 1).sum()) if label else 0
        rows.append(
            {
                "fold": fold,
                "images": len(part),
                "persons": part["person_id"].nunique(),
                "women_text": f", {women:,} of women" if "sex" in part else "",
                "age_text": f", median age {ages.median():.0f}" if len(ages) else "",
                "label_text": f", {positives:,} with {label}" if label else "",
            }
        )
    return rows


def partitions(study: Study) -> list[Fact]:
    """Return the splits and how they were drawn."""
    facts = []
    for run in _complete(study):
        splits: Mapping[str, Mapping[str, int]] = run.summary.get("splits") or {}
        if splits:
            sizes = "; ".join(
                f"{name}: {count_text({fold: folds[fold] for fold in ('train', 'val', 'test') if fold in folds})}"
                for name, folds in splits.items()
            )
            text = f"{len(splits)} random splits of {_name(run)} by person, seed {run.arguments.get('seed')}: {sizes}"
            facts.append(Fact(text, run.source(field="summary.splits")))
    return facts


def disjoint_level(study: Study) -> list[Fact]:
    """Return that no person is in two folds, where that is so."""
    outcomes = [judge_splits(run) for run in study.datasets if run.has(MANIFEST)]
    facts = [Fact(outcome.fact, outcome.source) for outcome in outcomes if outcome.status == PASS]
    films = check_same_films(study)
    return facts + ([Fact(films.fact, films.source)] if facts and films.status == PASS else [])


def sample_size(study: Study) -> list[Fact]:
    """Return the size of test sets, and what they can show where that was computed."""
    facts = []
    for test in study.tests:
        positives, negatives = test.counts
        text = f"{test.title}: {positives:,} images with {study.label} and {negatives:,} without"
        facts.append(Fact(text, f"{test.source}: target.{study.label}"))
    facts += [Fact("the size that is needed was computed", run.source()) for run in study.of("stats power")]
    return facts


def study_dates(study: Study) -> list[Fact]:
    """Return the first and last date of images."""
    facts = []
    for run in study.datasets:
        manifest = run.read_table(MANIFEST)
        dates = manifest["study_date"] if "study_date" in manifest else pd.Series(dtype=str)
        dates = dates[dates != ""]
        if len(dates):
            text = f"{len(dates):,} images of {_name(run)} are dated, from {dates.min()} to {dates.max()}"
            facts.append(Fact(text, run.source(MANIFEST, "study_date")))
    return facts


def data_differences(study: Study) -> list[Fact]:
    """Return how training and test datasets differ: repositories, and what predicts the label in each."""
    return data_sources(study) + confounders(study)


def confounders(study: Study) -> list[Fact]:
    """Return what predicts the label of the study without looking at an image."""
    facts = []
    for run in study.datasets:
        for row in study.rows(run, "confounding"):
            if str(row["verdict"]).startswith((WORST, STRONG)) and row["low"] is not None:
                text = f"in {_name(run)}, {row['column']} alone predicts {row['label']}: {area_text(row)}"
                facts.append(Fact(text, run.source("confounding.csv", "verdict")))
    return facts


def label_counts(study: Study) -> list[Fact]:
    """Return how many images have each label."""
    facts = []
    for run in study.datasets:
        counts = count_items(run)
        labels = [name for name in run.record.get("labels", []) if (name, POSITIVE) in counts]
        if labels:
            text = f"positives in {_name(run)}: {count_text({name: counts[name, POSITIVE] for name in labels})}"
            facts.append(Fact(text, run.source("characteristics.csv", "positive")))
    return facts


def _tabulated(study: Study, names: tuple[str, ...], *, ages: bool = False) -> list[Fact]:
    facts = []
    for run in study.datasets:
        counts = count_items(run)
        texts = []
        for name in names:
            parts = [(item, count) for (own, item), count in counts.items() if own == name and item]
            texts += [parts_text(name, parts)] if parts else []
        age = _median_age(run)
        if ages and age is not None and age["median"] is not None:
            texts.append(f"median age {age['median']:g} years [{age['low']:g}, {age['high']:g}]")
        if texts:
            facts.append(Fact(f"{_name(run)}: {'; '.join(texts)}", run.source("characteristics.csv", "total")))
    return facts


def _median_age(run: RunFolder) -> Mapping[str, Any] | None:
    """Return the median age with its quartiles, over all repositories and classes."""
    wanted = ("age_years", "median", TOTAL)
    rows = run.summary.get("characteristics") or []
    return next((row for row in rows if (row["characteristic"], row["item"], row["repository"]) == wanted), None)


def _complete(study: Study) -> list[RunFolder]:
    return [run for run in study.datasets if {"rows", "candidates", "excluded", "repositories"} <= set(run.summary)]


def _name(run: RunFolder) -> str:
    return f"dataset {run.dataset_name}"
