"""Checks of "Incorrectly chosen baselines" and "Statistical significance not tested, or misunderstood"."""

import numpy as np

from cxrshort.errors import DataError
from cxrshort.quantities import quantity
from cxrshort.stats.claims import false_claim_of_aucs
from cxrshort.verbs.stats.checklist.metrics import ONE_MODEL
from cxrshort.verbs.stats.checklist.outcome import FAIL, PASS, WARN, Outcome, combine_outcomes, not_assessable
from cxrshort.verbs.stats.checklist.procedures import NO_PREDICTIONS
from cxrshort.verbs.stats.checklist.result_tables import ADJUSTED, CLAIM, COUNTS, EFFECTS, P_VALUES, ResultTable
from cxrshort.verbs.stats.checklist.study import Study, TestSet

ENOUGH_IMAGES = 300
"""Images of a test set that the paper calls several hundred."""
ENOUGH_OF_CLASS = 100
"""Images of the rarer class: a rule of thumb; 100 to 200 can still be imprecise (Snell et al. 2021)."""
TOO_FEW_OF_CLASS = 10
"""Images of the rarer class below which intervals cannot be trusted."""
ENOUGH_SEEDS = 5
"""Models of a training from which on their spread is worth printing."""
DOUBTFUL = 0.05
"""Probability of a false claim above which it is doubtful (Christodoulou et al. 2025)."""
DOZENS = 10
"""Test sets from which on methods can be compared over datasets; by Wilcoxon, 5 cannot reach p < 0.05."""
_OF_NOISE = {"overfit": FAIL, "within noise": WARN, "beyond noise": PASS}
"""What the verdicts on evaluation noise come to."""
_NOISE_TEXT = {
    "overfit": "smaller than the fall of the scores: an overfit",
    "within noise": "within the noise of the evaluation",
    "beyond noise": "beyond the noise of the evaluation",
}
NO_TABLE_OF_P = "no p-value is among the results"


def check_baselines(study: Study) -> Outcome:
    """Look for baselines that see no anatomy, and whether the model beats them."""
    floors = study.of("stats floors")
    if not floors:
        if not study.tests:
            return not_assessable(NO_PREDICTIONS)
        return Outcome(WARN, "no baseline without anatomy (cxrshort stats floors: prevalence, metadata, thumbnail)")
    words = [str(row.get("finding", "")) for run in floors for row in _rows(run.summary)]
    not_superior = [word for word in words if word.startswith("not ")]
    if not any(words):
        return Outcome(WARN, "baselines were measured, and no model was compared with them", floors[0].source())
    if not_superior:
        fact = f"{len(not_superior)} of {len(words)} comparisons with a baseline: superiority not shown"
        return Outcome(FAIL, fact, floors[0].source())
    return Outcome(PASS, f"superior to all {len(words)} baselines", floors[0].source())


def _rows(summary: dict[str, object]) -> list[dict[str, object]]:
    """Return the rows of the tables of a summary that state a finding."""
    tables = [value for value in summary.values() if isinstance(value, list)]
    return [row for table in tables for row in table if isinstance(row, dict) and row.get("finding")]


def check_size(study: Study) -> Outcome:
    """Look whether test sets are large enough: several hundred images, 100 of the rarer class."""

    def judge(test: TestSet) -> Outcome:
        positives, negatives = test.counts
        fewest, images = min(positives, negatives), positives + negatives
        persons = f"{test.persons:,} persons, " if test.has_persons else ""
        area = test.area
        width = (
            f", AUC within +-{(area.high - area.low) / 2:.3f}" if area.low is not None and area.high is not None else ""
        )
        fact = f"{test.title}: {images:,} images, {persons}{positives:,} positives, {negatives:,} negatives{width}"
        enough = images >= ENOUGH_IMAGES and fewest >= ENOUGH_OF_CLASS
        status = FAIL if fewest < TOO_FEW_OF_CLASS else PASS if enough else WARN
        return Outcome(status, fact, f"{test.source}: target.{study.label}")

    return combine_outcomes(map(judge, study.tests), missing=NO_PREDICTIONS)


def check_seeds(study: Study) -> Outcome:
    """Count the models of each training: one alone says nothing of the spread over seeds and splits."""
    trainings: dict[str, list[TestSet]] = {}
    for test in study.tests:
        trainings.setdefault(test.training_key, []).append(test)

    def judge(tests: list[TestSet]) -> Outcome:
        count = len({test.identity["model_id"] for test in tests})
        name = tests[0].identity["training"] or tests[0].identity["model_id"][:12]
        status = FAIL if count == 1 else PASS if count >= ENOUGH_SEEDS else WARN
        fact = (
            f"{name}: {count} models{_spread(tests)}" if count > 1 else f"{name}: one model, so one seed and one split"
        )
        return Outcome(status, fact, f"{tests[0].source}: model_id")

    return combine_outcomes(map(judge, trainings.values()), missing=NO_PREDICTIONS)


def _spread(tests: list[TestSet]) -> str:
    """Return the standard deviation of the AUC over models on the test set where it is largest."""
    areas: dict[str, list[float]] = {}
    for test in tests:
        if test.area.auc is not None:
            areas.setdefault(test.identity["dataset"], []).append(test.area.auc)
    deviations = {name: float(np.std(values, ddof=1)) for name, values in areas.items() if len(values) > 1}
    if not deviations:
        return ""
    name = max(deviations, key=deviations.__getitem__)
    return f", SD of the AUC {deviations[name]:.3f} on {name}"


def check_claim(study: Study) -> Outcome:
    """Look whether the claim that one training is better stands with its probability of being false."""
    if not study.tests:
        tables = [table for table in study.results if table.has(CLAIM)]
        return combine_outcomes(map(_judge_claims, tables), missing=NO_PREDICTIONS)
    tables = [table for table in study.results if table.has(CLAIM) and (table.values(CLAIM) != "").any()]
    if tables:
        return combine_outcomes(map(_judge_claims, tables), missing="")

    def judge(trainings: list[list[TestSet]]) -> Outcome:
        best, second = trainings[:2]
        names = f"{best[0].identity['training']} over {second[0].identity['training']}"
        probability = _false_claim(best, second)
        here = "" if probability is None else f"; it is {probability:.2g} here"
        fact = f"{names} on {best[0].identity['dataset']}: no probability of a false claim (stats compare){here}"
        return Outcome(FAIL, fact, best[0].source)

    return combine_outcomes(map(judge, study.contests), missing=f"no claim: {ONE_MODEL}")


def _judge_claims(table: ResultTable) -> Outcome:
    values = [float(value) for value in table.values(CLAIM) if value != ""]
    if not values:
        return Outcome(FAIL, "no probability of a false claim could be given", f"{table.name}: {CLAIM}")
    likeliest = max(min(value, 1 - value) for value in values)
    fact = f"the claim of the better one is false with a probability of at most {likeliest:.2g}"
    return Outcome(PASS if likeliest <= DOUBTFUL else WARN, fact, f"{table.name}: {CLAIM}")


def _false_claim(best: list[TestSet], second: list[TestSet]) -> float | None:
    """Return the probability that the best is not better, on the first images that both were scored on."""
    for first in best:
        rows = first.rows.set_index("image_id")
        for other in second:
            scores = other.rows.set_index("image_id")["score"].reindex(rows.index)
            if scores.notna().all() and len(other.rows) == len(rows):
                persons = first.sample.clusters
                try:
                    claim = false_claim_of_aucs(rows["target"], first=rows["score"], second=scores, clusters=persons)
                except DataError:
                    return None
                return claim.probability if np.isfinite(claim.probability) else None
    return None


def check_noise(study: Study) -> Outcome:
    """Look whether the gap of the winner was held against the noise of the evaluation."""
    made = study.of("stats noise")
    if not made:
        return _look_for_run(study, "noise")
    outcomes = [
        Outcome(
            _OF_NOISE[verdict], f"the gap of the winner is {_NOISE_TEXT[verdict]}", run.source(field="summary.noise")
        )
        for run in made
        for row in run.summary.get("noise") or []
        if (verdict := row.get("verdict")) in _OF_NOISE
    ]
    return combine_outcomes(outcomes, missing="no gap could be held against the noise of the evaluation")


def check_margin(study: Study) -> Outcome:
    """Look for a test of superiority with a margin in place of a test against nothing."""
    tested = study.of("stats superiority")
    if not tested:
        return _look_for_run(study, "superiority")
    margins = [run.arguments.get("margin") for run in tested]
    if not all(isinstance(margin, int | float) and margin > 0 for margin in margins):
        return Outcome(WARN, "superiority was tested with a margin of 0: any trivial effect counts", tested[0].source())
    listed = ", ".join(f"{margin:g}" for margin in margins)
    return Outcome(
        PASS, f"superiority was tested with a margin of {listed}", tested[0].source(field="arguments.margin")
    )


def _look_for_run(study: Study, command: str) -> Outcome:
    """Return WARN where trainings are compared without this analysis."""
    if not study.contests:
        return not_assessable(ONE_MODEL if study.tests else NO_PREDICTIONS)
    return Outcome(WARN, f"several trainings are compared, without cxrshort stats {command}", study.tests[0].source)


def check_multiplicity(study: Study) -> Outcome:
    """Look whether several p-values of one table are corrected."""

    def judge(table: ResultTable) -> Outcome:
        names = table.has(*P_VALUES)
        tests = int((table.values(names[0]) != "").sum())
        corrected = table.has(*ADJUSTED)
        if tests < 2:
            return Outcome(PASS, f"{tests} test", table.name)
        if corrected:
            return Outcome(PASS, f"{tests} tests, corrected in {corrected[0]}", f"{table.name}: {corrected[0]}")
        return Outcome(FAIL, f"{tests} p-values without a correction", f"{table.name}: {names[0]}")

    tables = [table for table in study.results if table.has(*P_VALUES)]
    return combine_outcomes(map(judge, tables), missing=NO_TABLE_OF_P)


def check_p_values(study: Study) -> Outcome:
    """Look whether each p-value stands with an effect, its interval, and a number of cases."""

    def judge(table: ResultTable) -> Outcome:
        absent = [] if table.has(*EFFECTS) or table.metrics else ["an effect size"]
        if not any(name.endswith(("low", "lower")) for name in table.columns):
            absent.append("an interval")
        if not table.has(*COUNTS):
            absent.append("a number of cases")
        if absent:
            return Outcome(FAIL, f"p-values without {' and '.join(absent)}", table.name)
        return Outcome(PASS, "p-values with effect, interval and number of cases", table.name)

    tables = [table for table in study.results if table.has(*P_VALUES)]
    return combine_outcomes(map(judge, tables), missing=NO_TABLE_OF_P)


def check_consensus(study: Study) -> Outcome:
    """Count the datasets over which trainings are compared."""
    if not study.contests:
        return not_assessable(ONE_MODEL if study.tests else NO_PREDICTIONS)
    count = len(study.contests)
    fact = f"trainings are compared on {quantity(count, 'dataset')}"
    advice = "" if count >= DOZENS else "; dozens are needed, and 5 cannot reach p < 0.05 by Wilcoxon's test"
    return Outcome(PASS if count >= DOZENS else WARN, f"{fact}{advice}", f"{study.tests[0].source}: dataset_id")


def check_subgroups(study: Study) -> Outcome:
    """Look whether the model was measured in subgroups, and whether one of them is worse off."""
    made = study.of("stats subgroups")
    if not made:
        if not study.tests:
            return not_assessable(NO_PREDICTIONS)
        return Outcome(WARN, "no subgroup was measured (cxrshort stats subgroups: sex, age, view, repository)")
    rows = [row for run in made for row in run.summary.get("gaps", []) if isinstance(row, dict)]
    if not rows:
        return not_assessable("no gap between subgroups could be tested")
    worse = [row for row in rows if row.get("finding") == "shown"]
    source = made[0].source(field="summary.gaps")
    if worse:
        names = ", ".join(dict.fromkeys(f"{row.get('metric')} by {row.get('column')}" for row in worse))
        return Outcome(FAIL, f"a gap between subgroups is shown: {names}", source)
    return Outcome(PASS, f"{len(rows)} largest gaps between subgroups were tested; none is shown", source)
