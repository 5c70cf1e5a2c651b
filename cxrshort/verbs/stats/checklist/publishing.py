"""Checks of the paper's section "Publishing, distorted incentives": details, reproduction, documents, costs."""

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from cxrshort import files
from cxrshort.verbs.stats.checklist.outcome import FAIL, PASS, WARN, Outcome, combine_outcomes, not_assessable
from cxrshort.verbs.stats.checklist.procedures import NO_PREDICTIONS, NO_TRAINING
from cxrshort.verbs.stats.checklist.study import Study
from cxrshort.verbs.stats.registrations import CONFIRMATORY
from cxrshort.verbs.stats.run_folders import MODEL, RunFolder

REPORTING = "stats reporting"
ITEMS = "items.csv"
DOCUMENTS = ("model-card.md", "datasheet.md")
TO_WRITE = "[to be written]"
"""What stands in documents where a person must write."""
BLANK = "blank"
"""Status of an item that a person must write."""
_DETAILS = ("arguments", "versions", "machine", "started", "ended")
_NO_RUNS = "no run folder; tables alone do not say how they were made"
_NOT_SETTINGS = ("replicate", "seed", "device", "threads", "processes", "manifest_sha256", "name")
_SECONDS_PER_HOUR = 3600


def check_details(study: Study) -> Outcome:
    """Look whether each run records its settings, versions and machine."""

    def judge(run: RunFolder) -> Outcome:
        absent = [name for name in _DETAILS if not run.record.get(name)]
        if absent:
            return Outcome(FAIL, f"{run.name} does not record {', '.join(absent)}", run.source())
        count = len(study.folders.runs)
        return Outcome(PASS, f"all {count} runs record settings, versions and machine", run.source())

    return combine_outcomes(map(judge, study.folders.runs), missing=_NO_RUNS)


def check_ablations(study: Study) -> Outcome:
    """Look for trainings that differ in a single setting."""
    if not study.trainings:
        return not_assessable(NO_TRAINING)
    pairs = [(first, second, _differences(first, second)) for first, second in combinations(study.trainings, 2)]
    single = {names[0]: first for first, _, names in pairs if len(names) == 1}
    if single:
        listed = ", ".join(single)
        return Outcome(
            PASS,
            f"trainings that differ in one setting alone: {listed}",
            next(iter(single.values())).source(field="arguments"),
        )
    return Outcome(
        WARN,
        f"no two of {len(study.trainings)} models differ in one setting alone",
        study.trainings[0].source(field="arguments"),
    )


def _differences(first: RunFolder, second: RunFolder) -> list[str]:
    mine, other = first.arguments, second.arguments
    names = sorted({*mine, *other} - set(_NOT_SETTINGS))
    return [name for name in names if mine.get(name) != other.get(name)]


def check_reproducible(study: Study) -> Outcome:
    """Look for recorded seeds and inputs, and compare models that were trained twice by the same command."""
    if not study.trainings:
        return not_assessable(NO_TRAINING)
    bare = [run for run in study.trainings if "seed" not in run.arguments or not run.inputs]
    if bare:
        return Outcome(FAIL, f"{bare[0].name} does not record its seed and the hash of its inputs", bare[0].source())
    twins = [pair for pair in combinations(study.trainings, 2) if _same_work(*pair)]
    for first, second in twins:
        if files.sha256(first.folder / MODEL) != files.sha256(second.folder / MODEL):
            return Outcome(FAIL, f"{first.name} and {second.name} were trained alike, and differ", first.source(MODEL))
    if twins:
        return Outcome(
            PASS, f"{len(twins)} trainings were made twice and are equal, byte for byte", twins[0][0].source(MODEL)
        )
    source = study.trainings[0].source(field="arguments.seed, inputs")
    return Outcome(WARN, "seeds and hashes of inputs are recorded; no training was made twice to show it", source)


def _same_work(first: RunFolder, second: RunFolder) -> bool:
    same = first.arguments == second.arguments and first.record.get("versions") == second.record.get("versions")
    return same and first.has(MODEL) and second.has(MODEL)


def check_documents(study: Study) -> Outcome:
    """Look for a model card and a datasheet, and for what is still blank in them."""
    written = [(run, name) for run in study.of(REPORTING) for name in DOCUMENTS if run.has(name)]
    names = {name for _, name in written}
    if not study.folders.runs:
        return not_assessable(_NO_RUNS)
    if len(names) < len(DOCUMENTS):
        absent = ", ".join(name for name in DOCUMENTS if name not in names)
        return Outcome(WARN, f"not among the folders: {absent} (cxrshort stats reporting writes them)")
    blanks = {run.source(name): _blanks(run, name) for run, name in written}
    return _judge_blanks(sum(blanks.values()), next(iter(blanks)), what="the model card and the datasheet")


def _blanks(run: RunFolder, name: str) -> int:
    return (run.folder / name).read_text(encoding="utf-8").count(TO_WRITE)


def _judge_blanks(blanks: int, source: str, *, what: str) -> Outcome:
    if blanks:
        return Outcome(WARN, f"{blanks} places in {what} wait for a person", source)
    return Outcome(PASS, f"nothing in {what} is blank", source)


def check_guidelines(study: Study) -> Outcome:
    """Look for the items of CLAIM and TRIPOD+AI, and how many of them nobody has filled."""
    reports = [run for run in study.of(REPORTING) if run.has(ITEMS)]
    if not reports:
        if not study.folders.runs:
            return not_assessable(_NO_RUNS)
        return Outcome(WARN, "no items of CLAIM or TRIPOD+AI (cxrshort stats reporting lists them)")
    items: pd.DataFrame = reports[0].read_table(ITEMS)
    blank = int((items["status"] == BLANK).sum())
    return _judge_blanks(blank, reports[0].source(ITEMS, "status"), what=f"{len(items)} items of CLAIM and TRIPOD+AI")


def check_preregistration(study: Study) -> Outcome:
    """Look for a plan that was sealed before the test data were scored."""
    if not study.tests:
        return not_assessable(NO_PREDICTIONS)
    plans = [(run, plan) for run in study.of("stats ledger") for plan in run.summary.get("registrations") or []]
    if not plans:
        return Outcome(WARN, "no plan was registered before the predictions: read every test as exploratory")
    kept = [(run, plan) for run, plan in plans if plan.get("status") == CONFIRMATORY]
    run, plan = (kept or plans)[0]
    source = run.source(field="summary.registrations")
    if kept:
        fact = f"{plan.get('file')} was registered on {plan.get('time')}, before any scoring, and is unchanged"
        return Outcome(PASS, fact, source)
    return Outcome(FAIL, f"{plan.get('file')} was registered, and is exploratory: {plan.get('why')}", source)


def check_cost(study: Study) -> Outcome:
    """Add up the hours of the trainings, and count the weights of the models."""
    if not study.trainings:
        return not_assessable(NO_TRAINING)
    undated = [run for run in study.trainings if not run.is_dated]
    if undated:
        return Outcome(FAIL, f"{undated[0].name} does not record when it began and ended", undated[0].source())
    hours = sum(run.seconds / _SECONDS_PER_HOUR for run in study.trainings)
    devices = ", ".join(dict.fromkeys(str(run.arguments.get("device", "unknown")) for run in study.trainings))
    weights = sorted({run.weights for run in study.trainings} - {0})
    sizes = f"; {_range(weights)} weights a model" if weights else ""
    fact = f"{len(study.trainings)} trainings took {_duration(hours)} on {devices}{sizes} (energy is not measured)"
    return Outcome(PASS, fact, study.trainings[0].source(field="started, ended"))


def _duration(hours: float) -> str:
    """Return a time with two digits.

    Example:
        >>> _duration(0.004), _duration(26)
        ('14 s', '26.0 hours')
    """
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{hours * _SECONDS_PER_HOUR:.0f} s" if hours else "less than 1 s"


def _range(numbers: Sequence[int]) -> str:
    return f"{numbers[0]:,}" if numbers[0] == numbers[-1] else f"{numbers[0]:,} to {numbers[-1]:,}"


def check_groups_heard(study: Study) -> Outcome:
    """Say that whether affected groups were heard is not in run folders."""
    del study
    return not_assessable("whether affected groups took part is not in run folders")


def check_clinical_outcome(study: Study) -> Outcome:
    """Say that a test on stored images shows no benefit to patients."""
    del study
    return not_assessable("stored images alone: no outcome of patients was measured, and no benefit can be claimed")


def check_negative_results(study: Study) -> Outcome:
    """Say that tests which nobody reported are not in run folders."""
    del study
    return not_assessable("trainings and tests that are not among the folders cannot be seen")
