"""Checks of the paper's "Metrics that do not reflect what we want": several metrics, calibration, benefit, averages."""

import numpy as np
import pandas as pd

from cxrshort.stats.curve_areas import curve_areas
from cxrshort.stats.predictions import EXTERNAL
from cxrshort.verbs.stats.checklist.outcome import FAIL, PASS, WARN, Outcome, combine_outcomes, not_assessable
from cxrshort.verbs.stats.checklist.procedures import NO_PREDICTIONS
from cxrshort.verbs.stats.checklist.result_tables import CLASSES, COUNTS, ResultTable
from cxrshort.verbs.stats.checklist.study import Study, TestSet, mean_auc

NO_RESULTS = "no table of results holds a metric"
ONE_MODEL = "one training alone; nothing is ranked"
_THRESHOLD_ALONE = {"F1", "accuracy"}
_MOST_FPR = 0.1
_METHODS, _PERSONS = ("interval_method", "method"), ("persons", "clusters")


def _measured(study: Study) -> list[ResultTable]:
    return [table for table in study.results if table.metrics]


def _families(study: Study) -> set[str]:
    return {family for table in _measured(study) for family in table.metrics.values()}


def check_several_metrics(study: Study) -> Outcome:
    """Count the kinds of metrics among the results."""
    tables = _measured(study)
    if not tables:
        return not_assessable(NO_RESULTS)
    families = sorted(_families(study))
    status = PASS if len(families) > 2 else WARN
    return Outcome(status, f"kinds of metrics: {', '.join(families)}", tables[0].name)


def check_f1_alone(study: Study) -> Outcome:
    """Look for F1 or accuracy without the sensitivity and specificity, or the AUC, that it hides."""
    families = _families(study)
    tables = _measured(study)
    if not tables:
        return not_assessable(NO_RESULTS)
    complete = "ranking" in families or {"sensitivity", "specificity"} <= families
    judged = [table for table in tables if set(table.metrics.values()) & _THRESHOLD_ALONE]
    if judged and not complete:
        names = ", ".join(sorted(families))
        return Outcome(FAIL, f"{names} without an AUC, or sensitivity and specificity", judged[0].name)
    beside = "AUC" if "ranking" in families else "sensitivity and specificity"
    if complete:
        return Outcome(PASS, f"results hold {beside}, not F1 or accuracy alone", tables[0].name)
    return Outcome(
        WARN, f"neither an AUC nor sensitivity and specificity: {', '.join(sorted(families))}", tables[0].name
    )


def check_averages(study: Study) -> Outcome:
    """Look whether averages over classes come with a row and a count for each class."""
    averaged = [table for table in study.results if table.averages]

    def judge(table: ResultTable) -> Outcome:
        folder = table.name.rpartition("/")[0]
        beside = [other for other in study.results if other.name.rpartition("/")[0] == folder]
        per_class = [other for other in beside if other.has(*CLASSES) and other.has(*COUNTS) and _fills_counts(other)]
        names = ", ".join(table.averages)
        if per_class:
            return Outcome(PASS, f"{names} with counts of each class", f"{table.name}; {per_class[0].name}")
        return Outcome(FAIL, f"{names} without the number of images of each class", table.name)

    return combine_outcomes(map(judge, averaged), missing="no average over classes is among the results")


def _fills_counts(table: ResultTable) -> bool:
    return any((table.values(name) != "").all() for name in table.has(*COUNTS)) and len(table.rows) > 1


def check_intervals(study: Study) -> Outcome:
    """Look for metrics without an interval."""

    def judge(table: ResultTable) -> Outcome:
        bare = dict(table.without_interval())
        if bare:
            listed = ", ".join(f"{metric} ({rows} rows)" for metric, rows in bare.items())
            return Outcome(FAIL, f"without an interval: {listed}", table.name)
        return Outcome(PASS, f"{', '.join(table.metrics)} with intervals", table.name)

    return combine_outcomes(map(judge, _measured(study)), missing=NO_RESULTS)


def check_interval_unit(study: Study) -> Outcome:
    """Look whether intervals are by person where persons have several images."""
    repeated = [test for test in study.tests if test.has_persons and test.persons < len(test.rows)]
    unknown = [test for test in study.tests if not test.has_persons]
    if not study.tests:
        return not_assessable(NO_PREDICTIONS)
    if unknown:
        return Outcome(
            FAIL, f"{unknown[0].title} does not say whose images they are", f"{unknown[0].source}: person_id"
        )
    most = max(len(test.rows) / test.persons for test in study.tests)
    if not repeated:
        return Outcome(PASS, "every person has one image in each test set", f"{study.tests[0].source}: person_id")
    tables = [table for table in _measured(study) if table.has(*_METHODS, *_PERSONS)]
    by_image = [table for table in tables if _is_by_image(table)]
    fact = f"up to {most:.1f} images a person"
    if by_image:
        return Outcome(FAIL, f"{fact}, and intervals that take every image for a person", by_image[0].name)
    if not tables:
        return not_assessable(f"{fact}; no table says by what its intervals are")
    return Outcome(PASS, f"{fact}, and intervals by person", tables[0].name)


def _is_by_image(table: ResultTable) -> bool:
    """Return whether an interval of the table does not know persons: DeLong's, or no persons counted."""
    explained = table.values("reason") != "" if table.has("reason") else False
    without = [(table.values(name) == "") & ~pd.Series(explained, table.rows.index) for name in table.has(*_PERSONS)]
    by_image = [table.values(name) == "DeLong" for name in table.has(*_METHODS)]
    return any(rows.any() for rows in [*without, *by_image])


def check_calibration(study: Study) -> Outcome:
    """Look for a measure of calibration."""
    return _look_for(study, "calibration", command="calibration")


def check_benefit(study: Study) -> Outcome:
    """Look for net benefit, which weighs false alarms against misses."""
    return _look_for(study, "net benefit", command="operating-point")


def _look_for(study: Study, family: str, *, command: str) -> Outcome:
    tables = [table for table in study.results if family in table.metrics.values()]
    if tables:
        names = [metric for metric, kind in tables[0].metrics.items() if kind == family]
        return Outcome(PASS, f"measured: {', '.join(names)}", tables[0].name)
    if not (study.tests or _measured(study)):
        return not_assessable(NO_RESULTS)
    return Outcome(WARN, f"no {family} among the results (cxrshort stats {command} measures it)")


def check_rankings(study: Study) -> Outcome:
    """Look whether AUC and average precision name the same best training."""

    def judge(trainings: list[list[TestSet]]) -> Outcome:
        by_auc = trainings[0]
        by_precision = max(trainings, key=_mean_precision)
        names = [tests[0].identity["training"] for tests in (by_auc, by_precision)]
        source = by_auc[0].source
        if by_auc is by_precision:
            return Outcome(PASS, f"{by_auc[0].title}: AUC and average precision both rank {names[0]} first", source)
        return Outcome(WARN, f"{by_auc[0].title}: AUC ranks {names[0]} first, average precision {names[1]}", source)

    measurable = [trainings for trainings in study.contests if min(map(mean_auc, trainings)) >= 0]
    return combine_outcomes(map(judge, measurable), missing=ONE_MODEL)


def _mean_precision(tests: list[TestSet]) -> float:
    samples = [test.sample for test in tests]
    areas = [curve_areas(sample.targets, sample.scores, sample.clusters, most=_MOST_FPR)[0] for sample in samples]
    values = [area.value for area in areas]
    return float(np.mean([value for value in values if value is not None]))


def check_stress(study: Study) -> Outcome:
    """Look for a test beyond the test set: images that were edited on purpose."""
    stress = study.of("roentmod stress-test")
    if stress:
        return Outcome(PASS, f"{len(stress)} stress tests with edited images", stress[0].source())
    edited = [run for run in study.of("swap-test") if run.summary.get("findings")]
    if edited:
        return Outcome(
            WARN, "regions were edited by swap-test; no stress test of the findings themselves", edited[0].source()
        )
    return not_assessable(f"no stress test is among the folders{'' if study.tests else f', and {NO_PREDICTIONS}'}")


def check_failures(study: Study) -> Outcome:
    """Look whether failures were looked at, not only the score."""
    analyses = [
        run for run in study.of("stats slices", "explain") if run.verb != "explain" or run.has("most-driven.csv")
    ]
    if analyses:
        verbs = ", ".join(sorted({run.verb for run in analyses}))
        return Outcome(PASS, f"errors and driving regions by {verbs}", analyses[0].source())
    if not study.tests:
        return not_assessable(NO_PREDICTIONS)
    where = " on external test sets too" if any(test.identity["role"] == EXTERNAL for test in study.tests) else ""
    return Outcome(WARN, f"models were scored{where}, and no analysis of failures (explain, stats slices) is there")
