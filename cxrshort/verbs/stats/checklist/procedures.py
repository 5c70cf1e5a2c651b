"""Checks of the paper's "Improper evaluation procedures and leakage": splits, fitting, selection, repeated looks."""

from itertools import combinations

import pandas as pd

from cxrshort.columns import SPLIT_PREFIX
from cxrshort.places import MANIFEST
from cxrshort.verbs.stats.checklist.data import NO_DATASET
from cxrshort.verbs.stats.checklist.outcome import FAIL, PASS, WARN, Outcome, combine_outcomes, not_assessable
from cxrshort.verbs.stats.checklist.study import Study, TestSet
from cxrshort.verbs.stats.run_folders import RunFolder

NO_TRAINING = "no training folder is among the folders"
NO_PREDICTIONS = "no predictions are among the folders"
_CONSTANTS = ("mean", "std", "size")
"""What the input of a model is normalised by."""
_OF_IMAGES = ("near-identical images", "shared images")
"""Checks of an audit of leakage that compare images."""
_OF_LEAKAGE = {"leak": FAIL, "suspicious": WARN, "no evidence": PASS}
"""What the verdicts of an audit of leakage come to."""


def check_split_by_person(study: Study) -> Outcome:
    """Count persons who are in two folds of one split."""
    outcomes = [judge_splits(run) for run in study.datasets if run.has(MANIFEST)]
    return combine_outcomes(outcomes, missing=NO_DATASET)


def judge_splits(run: RunFolder) -> Outcome:
    """Return whether persons of a dataset are in two folds of one split."""
    manifest = run.read_table(MANIFEST)
    splits = [name for name in manifest if str(name).startswith(SPLIT_PREFIX)]
    source = run.source(MANIFEST, f"person_id, {', '.join(map(str, splits))}")
    if not splits or "person_id" not in manifest or (manifest["person_id"] == "").all():
        return not_assessable(f"{run.name} has no persons or no splits")
    shared = {str(name): _shared(manifest["person_id"], manifest[name]) for name in splits}
    crossing = {name: persons for name, persons in shared.items() if persons}
    if crossing:
        listed = ", ".join(f"{len(persons)} in {name}" for name, persons in crossing.items())
        example = next(iter(crossing.values()))[0]
        return Outcome(FAIL, f"persons of {run.name} in two folds: {listed}, such as {example}", source)
    persons = manifest["person_id"].nunique()
    return Outcome(PASS, f"0 of {persons:,} persons of {run.dataset_name} are in two folds", source)


def _shared(persons: "pd.Series[str]", folds: "pd.Series[str]") -> list[str]:
    pairs = pd.DataFrame({"person": persons, "fold": folds})
    pairs = pairs[(pairs["fold"] != "") & (pairs["person"] != "")].drop_duplicates()
    return sorted(pairs.loc[pairs["person"].duplicated(), "person"].unique())


def check_same_films(study: Study) -> Outcome:
    """Look whether near-identical images were searched for and their patients joined."""

    def judge(run: RunFolder) -> Outcome:
        pairs = run.summary.get("same_films")
        if pairs is None or not (run.record.get("root") or pairs):
            # Nobody looks for copies among phantoms, which have no files.
            return not_assessable(f"{run.dataset_name} was not searched for near-identical images")
        fact = f"{run.dataset_name}: {len(pairs)} pairs of near-identical images, their patients joined"
        return Outcome(PASS, fact, run.source(field="summary.same_films"))

    searched = [_judge_leakage(run, _OF_IMAGES) for run in study.of("stats leakage")]
    searched = [outcome for outcome in searched if outcome.source]
    return combine_outcomes(searched or map(judge, study.datasets), missing=NO_DATASET)


def check_leakage(study: Study) -> Outcome:
    """Look for what folds and datasets share, and for columns that give a label away."""
    outcomes = [_judge_leakage(run) for run in study.of("stats leakage")]
    return combine_outcomes(outcomes, missing="no audit of leakage (cxrshort stats leakage) is among the folders")


def _judge_leakage(run: RunFolder, checks: tuple[str, ...] = ()) -> Outcome:
    """Return what the verdicts of an audit of leakage come to, all or those of some checks."""
    rows = [row for row in run.summary.get("findings") or [] if row.get("verdict") in _OF_LEAKAGE]
    rows = [row for row in rows if not checks or row.get("check") in checks]
    if not rows:
        return not_assessable(f"{run.name} could test nothing")
    worst = min(rows, key=lambda row: list(_OF_LEAKAGE).index(row["verdict"]))["verdict"]
    names = ", ".join(
        dict.fromkeys(f"{row.get('check')} {row.get('scope')}" for row in rows if row["verdict"] == worst)
    )
    return Outcome(_OF_LEAKAGE[worst], f"leakage, {worst}: {names}", run.source(field="summary.findings"))


def check_fitted_on_training(study: Study) -> Outcome:
    """Look whether the model's normalisation is stated, so that nothing can have been fitted on all data."""

    def judge(run: RunFolder) -> Outcome:
        spec, source = run.arguments.get("spec") or {}, run.source(field="arguments.spec")
        absent = [name for name in _CONSTANTS if name not in spec]
        if absent:
            return Outcome(WARN, f"{run.name} does not state what {', '.join(absent)} it normalises by", source)
        mean = ", ".join(f"{value:g}" for value in spec["mean"])
        return Outcome(PASS, f"normalised by constants (mean {mean}); pixels are made image by image", source)

    return combine_outcomes(map(judge, study.trainings), missing=NO_TRAINING)


def check_splits_before_training(study: Study) -> Outcome:
    """Look whether the split that stands in the dataset is the one that the model was trained on."""
    datasets = {run.manifest_sha256: run for run in study.datasets if run.manifest_sha256}

    def judge(run: RunFolder) -> Outcome:
        recorded = str(run.inputs.get("manifest", ""))
        source = run.source(field="inputs.manifest")
        data = datasets.get(recorded)
        if not recorded or data is None:
            name = run.arguments.get("dataset")
            changed = [other for other in study.datasets if other.dataset_name == name]
            if recorded and changed:
                return Outcome(FAIL, f"the manifest of {name} is not the one that {run.name} was trained on", source)
            return not_assessable(f"the dataset of {run.name} is not among the folders")
        if str(data.record.get("ended", "")) > str(run.record.get("started", "")):
            return Outcome(FAIL, f"{data.name} was written after the training {run.name} began", source)
        return Outcome(PASS, f"splits of {data.dataset_name} are older than its trainings, and unchanged", source)

    return combine_outcomes(map(judge, study.trainings), missing=NO_TRAINING)


def check_selection(study: Study) -> Outcome:
    """Look which images chose the epoch and the settings."""

    def judge(run: RunFolder) -> Outcome:
        selection = run.summary.get("selection") or {}
        split, source = selection.get("split"), run.source(field="summary.selection")
        if split is None:
            return Outcome(WARN, f"{run.name} does not record what chose its state", source)
        measure = selection.get("measure", "unknown measure")
        fact = f"the state was chosen by {measure} on {split}"
        return Outcome(FAIL if split == "test" else PASS, fact, source)

    return combine_outcomes(map(judge, study.trainings), missing=NO_TRAINING)


def check_looks(study: Study) -> Outcome:
    """Count the trainings that were scored on the same test images."""
    if not study.tests:
        return not_assessable(NO_PREDICTIONS)
    overlapping: dict[str, set[str]] = {}
    for first, second in combinations(study.tests, 2):
        if first.identity["dataset_id"] == second.identity["dataset_id"] and _share_images(first, second):
            trainings = {first.training_key, second.training_key}
            if len(trainings) > 1:
                overlapping.setdefault(first.identity["dataset"], set()).update(trainings)
    source = study.tests[0].source
    if overlapping:
        listed = ", ".join(f"{name} by {len(trainings)}" for name, trainings in overlapping.items())
        return Outcome(WARN, f"test images were looked at by several trainings: {listed}", source)
    ledgers = study.of("stats ledger")
    if ledgers:
        return combine_outcomes(map(_judge_ledger, ledgers), missing="")
    return not_assessable("one training on each test set here; looks outside these folders are not counted (no ledger)")


def _judge_ledger(run: RunFolder) -> Outcome:
    """Return whether a ledger counts test folds that several trainings were scored on."""
    folds = run.summary.get("folds") or []
    if not folds:
        return not_assessable(f"{run.name} counts no test fold")
    most = max(folds, key=lambda fold: int(fold["trainings"]))
    source = run.source(field="summary.folds")
    if most["trainings"] > 1:
        fact = f"{most['trainings']} trainings were scored on the test fold of {most['dataset']}, by the ledger"
        return Outcome(WARN, fact, source)
    return Outcome(PASS, f"one training was scored on each of {len(folds)} test folds, by the ledger", source)


def _share_images(first: TestSet, second: TestSet) -> bool:
    return not first.images.isdisjoint(second.images)


def check_external_test(study: Study) -> Outcome:
    """Count the test sets that no model was trained on."""
    if not study.tests:
        return not_assessable(NO_PREDICTIONS)
    names = dict.fromkeys(test.identity["dataset"] for test in study.external_tests)
    source = study.tests[0].source
    if names:
        return Outcome(PASS, f"{len(names)} external: {', '.join(names)}", f"{study.external_tests[0].source}: role")
    return Outcome(WARN, "every test set is a part of a training dataset, or of unknown role", f"{source}: role")
