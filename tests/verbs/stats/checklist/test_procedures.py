"""Checks of leakage and selection: each passes on one folder and fails on another, and neither without a folder."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.verbs.stats.checklist import procedures

from ..scored import predictions, written
from ..studies import EVALUATION, INSIDE, MODEL, change_run, change_table, load, write_run

CHECKS = [
    procedures.check_split_by_person,
    procedures.check_same_films,
    procedures.check_leakage,
    procedures.check_fitted_on_training,
    procedures.check_splits_before_training,
    procedures.check_selection,
    procedures.check_looks,
    procedures.check_external_test,
]


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_passes_without_a_folder(tmp_path: Path, check: Callable) -> None:
    write_run(tmp_path / "other", "stats cost")
    assert check(load(tmp_path)).status == "NOT ASSESSABLE"


def test_split_by_person(changeable: Path) -> None:
    passed = procedures.check_split_by_person(load(changeable / INSIDE))
    assert passed.status == "PASS" and passed.fact.endswith("persons of phantom-I are in two folds")

    def leak(manifest: pd.DataFrame) -> pd.DataFrame:
        person = manifest["person_id"].value_counts().index[0]
        places = manifest.index[manifest["person_id"] == person]
        manifest.loc[places[0], "split_1"] = "test"
        manifest.loc[places[1], "split_1"] = "train"
        return manifest

    change_table(changeable / INSIDE, "manifest.csv", leak)
    failed = procedures.check_split_by_person(load(changeable / INSIDE))
    assert failed.status == "FAIL"
    assert "1 in split_1, such as phantom-I/P" in failed.fact
    assert failed.source.endswith("manifest.csv: person_id, split_0, split_1")


def test_split_without_persons_cannot_be_judged(changeable: Path) -> None:
    change_table(changeable / INSIDE, "manifest.csv", lambda manifest: manifest.drop(columns="person_id"))
    assert procedures.check_split_by_person(load(changeable / INSIDE)).status == "NOT ASSESSABLE"


def test_same_films(changeable: Path) -> None:
    assert procedures.check_same_films(load(changeable)).status == "NOT ASSESSABLE"  # phantoms are not searched
    change_run(changeable / INSIDE, lambda record: record.update(root="films"))
    passed = procedures.check_same_films(load(changeable / INSIDE))
    assert (passed.status, passed.fact) == (
        "PASS",
        "phantom-I: 0 pairs of near-identical images, their patients joined",
    )


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["suspicious", "leak"], "FAIL"),
        (["no evidence", "suspicious"], "WARN"),
        (["no evidence", "not testable"], "PASS"),
        (["not testable"], "NOT ASSESSABLE"),
    ],
)
def test_audit_of_leakage_is_believed(tmp_path: Path, verdicts: list[str], status: str) -> None:
    scope = "within I"
    findings = [{"check": "near-identical images", "scope": scope, "verdict": verdict} for verdict in verdicts]
    write_run(tmp_path / "l", "stats leakage", summary={"findings": findings})
    assert procedures.check_leakage(load(tmp_path)).status == status
    assert procedures.check_same_films(load(tmp_path)).status == status


def test_leak_in_a_column_is_none_of_images(tmp_path: Path) -> None:
    rows = [("label-leaking columns", "leak"), ("shared images", "no evidence")]
    findings = [{"check": check, "scope": "within I", "verdict": verdict} for check, verdict in rows]
    write_run(tmp_path / "l", "stats leakage", summary={"findings": findings})
    leak = procedures.check_leakage(load(tmp_path))
    assert (leak.status, leak.fact) == ("FAIL", "leakage, leak: label-leaking columns within I")
    assert procedures.check_same_films(load(tmp_path)).fact == "leakage, no evidence: shared images within I"


def test_fitted_on_training(changeable: Path) -> None:
    passed = procedures.check_fitted_on_training(load(changeable))
    assert passed.status == "PASS" and passed.fact.startswith("normalised by constants (mean 0.485, 0.456, 0.406)")
    change_run(changeable / MODEL, lambda record: record["arguments"]["spec"].pop("mean"))
    warned = procedures.check_fitted_on_training(load(changeable))
    assert warned.status == "WARN" and warned.fact.endswith("does not state what mean it normalises by")


def test_splits_before_training(changeable: Path) -> None:
    passed = procedures.check_splits_before_training(load(changeable))
    assert (passed.status, passed.fact) == ("PASS", "splits of phantom-I are older than its trainings, and unchanged")
    assert procedures.check_splits_before_training(load(changeable / MODEL)).status == "NOT ASSESSABLE"
    change_run(changeable / INSIDE, lambda record: record.update(ended="2999-01-01T00:00:00+00:00"))
    assert procedures.check_splits_before_training(load(changeable)).fact.split(" was written after ")[1]
    change_table(changeable / INSIDE, "manifest.csv", lambda manifest: manifest.iloc[::-1])
    failed = procedures.check_splits_before_training(load(changeable))
    assert failed.status == "FAIL"
    assert failed.fact.startswith("the manifest of phantom-I is not the one that ")


@pytest.mark.parametrize(
    ("selection", "status"),
    [({"split": "val", "measure": "AUC"}, "PASS"), ({"split": "test", "measure": "AUC"}, "FAIL"), ({}, "WARN")],
)
def test_selection(changeable: Path, selection: dict, status: str) -> None:
    change_run(changeable / MODEL, lambda record: record["summary"].update(selection=selection))
    assert procedures.check_selection(load(changeable / MODEL)).status == status


def test_looks(study: Path, tmp_path: Path) -> None:
    unknown = procedures.check_looks(load(study / EVALUATION))
    assert unknown.status == "NOT ASSESSABLE" and unknown.fact.endswith("(no ledger)")
    for trainings, status in ((1, "PASS"), (4, "WARN"), (None, "NOT ASSESSABLE")):
        folds = [{"dataset": "I", "trainings": trainings}] if trainings else []
        ledger = write_run(tmp_path / f"ledger-{trainings}", "stats ledger", summary={"folds": folds})
        assert procedures.check_looks(load(study / EVALUATION, ledger)).status == status
    table = predictions()
    other = table.assign(model_id="m9", training_id="t9")
    warned = procedures.check_looks(load(written(pd.concat([table, other]), tmp_path)))
    assert warned.status == "WARN"
    assert warned.fact == "test images were looked at by several trainings: hospital-a by 2, hospital-b by 2"


def test_external_test(tmp_path: Path) -> None:
    table = predictions()
    passed = procedures.check_external_test(load(written(table, tmp_path)))
    assert (passed.status, passed.fact) == ("PASS", "1 external: hospital-b")
    inside = table[table["role"] == "internal"]
    assert procedures.check_external_test(load(written(inside, tmp_path))).status == "WARN"
