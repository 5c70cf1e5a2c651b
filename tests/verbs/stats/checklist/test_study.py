"""A study: every model on every test set once, the label that is judged, and contests of trainings."""

from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval
from cxrshort.verbs.stats.checklist.study import mean_auc

from ..scored import predictions, written
from ..studies import EVALUATION, INSIDE, MODEL, OUTSIDE, load, write_run


def test_tests_of_a_real_evaluation(study: Path) -> None:
    loaded = load(study)
    assert loaded.label == "COVID-19"
    names = [(test.identity["dataset"], test.identity["role"], test.identity["replicate"]) for test in loaded.tests]
    assert sorted(names) == sorted(
        (dataset, role, replicate)
        for dataset, role in (("phantom-I", "internal"), ("phantom-external", "external"))
        for replicate in "01"
    )
    aucs = pd.read_csv(study / EVALUATION / "aucs.csv")
    aucs = aucs[aucs["label"] == "COVID-19"]
    mine = {(test.identity["dataset"], int(test.identity["replicate"])): test.area.auc for test in loaded.tests}
    assert mine == pytest.approx(
        dict(zip(zip(aucs["dataset"], aucs["replicate"], strict=True), aucs["auc"], strict=True))
    )


def test_datasets_of_training_are_known_by_content(study: Path) -> None:
    names = [run.record["name"] for run in load(study).training_datasets]
    assert names == ["phantom-I"]
    without_training = load(study / INSIDE, study / OUTSIDE, study / EVALUATION)
    assert [run.record["name"] for run in without_training.training_datasets] == ["phantom-I"]
    assert load(study / OUTSIDE, study / MODEL).training_datasets == []


def test_test_made_twice_counts_once(tmp_path: Path) -> None:
    table = predictions()
    first, second = written(table, tmp_path), written(table, tmp_path, "again.csv")
    assert len(load(first, second).tests) == len(load(first).tests) == 2


def test_counts_and_persons(tmp_path: Path) -> None:
    test = load(written(predictions(), tmp_path), label="Edema").tests[0]
    assert (test.counts, test.persons, test.has_persons) == ((20, 40), 30, True)
    assert test.title == "internal test set hospital-a"
    sample = test.sample
    assert test.area == auc_interval(sample.targets, sample.scores, sample.clusters)
    assert test.area.method == "Obuchowski"


def test_contests_have_the_best_training_first(tmp_path: Path) -> None:
    table = predictions(replicates=2)
    other = table.assign(training_id="b", model_id="b" + table["model_id"])
    other["logit.Edema"] += 3 * table["target.Edema"]
    loaded = load(written(pd.concat([table, other]), tmp_path), label="Edema")
    assert len(loaded.contests) == 2
    for contest in loaded.contests:
        assert [tests[0].training_key for tests in contest] == ["b", "t"]
        assert mean_auc(contest[0]) > mean_auc(contest[1])
    assert load(written(table, tmp_path)).contests == []


def test_unknown_label_is_one_sentence(tmp_path: Path) -> None:
    table = written(predictions(), tmp_path)
    with pytest.raises(DataError, match="no predictions have a label 'edema'") as caught:
        load(table, label="edema")
    assert caught.value.hint == "did you mean 'Edema'?"
    with pytest.raises(DataError) as caught:
        load(table, label="Hernia")
    assert caught.value.hint == "one of: Edema, COVID-19"


def test_table_that_is_no_predictions_is_one_of_results(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,auc\na,0.9\n")
    loaded = load(tmp_path / "t.csv")
    assert (loaded.label, loaded.tests) == ("", ())
    assert [table.metrics for table in loaded.results] == [{"auc": "ranking"}]


def test_tables_of_runs_are_results_except_those_of_images(study: Path) -> None:
    names = {table.name.rpartition("/")[2] for table in load(study).results}
    assert {"aucs.csv", "means.csv", "gaps.csv", "visible.csv"} <= names
    assert names & {"predictions.csv", "maps.csv", "findings.csv", "changes.csv", "manifest.csv"} == set()


def test_rows_are_those_of_the_label(tmp_path: Path) -> None:
    rows = [{"label": "Edema", "gap": 0.1}, {"label": "COVID-19", "gap": 0.2}]
    run = write_run(tmp_path / "run", "evaluate", summary={"label": "Edema", "gaps": rows})
    loaded = load(run, written(predictions(), tmp_path), label="Edema")
    (evaluation,) = loaded.of("evaluate")
    assert (loaded.rows(evaluation, "gaps"), loaded.rows(evaluation, "means")) == (rows[:1], [])
