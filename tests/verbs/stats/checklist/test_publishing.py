"""Checks of reporting: each passes on one folder and fails or warns on another, and none without a run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cxrshort.verbs.stats.checklist import publishing

from ..studies import EVALUATION, MODEL, OTHER, change_run, copy_of, load, write_run

CHECKS = [
    publishing.check_details,
    publishing.check_ablations,
    publishing.check_reproducible,
    publishing.check_documents,
    publishing.check_guidelines,
    publishing.check_preregistration,
    publishing.check_cost,
    publishing.check_groups_heard,
    publishing.check_clinical_outcome,
    publishing.check_negative_results,
]


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_passes_on_a_table_of_others(tmp_path: Path, check: Callable) -> None:
    table = tmp_path / "t.csv"
    table.write_text("auc\n0.9\n")
    assert check(load(table)).status == "NOT ASSESSABLE"


def test_details(changeable: Path) -> None:
    passed = publishing.check_details(load(changeable))
    assert (passed.status, passed.fact) == ("PASS", "all 8 runs record settings, versions and machine")
    change_run(changeable / MODEL, lambda record: [record.pop(name) for name in ("versions", "machine")])
    failed = publishing.check_details(load(changeable))
    assert failed.status == "FAIL" and failed.fact.endswith("does not record versions, machine")


def test_ablations(changeable: Path) -> None:
    assert publishing.check_ablations(load(changeable)).status == "WARN"
    change_run(changeable / OTHER, lambda record: record["arguments"].update(augment="flip"))
    passed = publishing.check_ablations(load(changeable))
    assert (passed.status, passed.fact) == ("PASS", "trainings that differ in one setting alone: augment")
    change_run(changeable / OTHER, lambda record: record["arguments"].update(epochs=9))
    assert publishing.check_ablations(load(changeable)).status == "WARN"


def test_reproducible(changeable: Path) -> None:
    assert publishing.check_reproducible(load(changeable)).status == "WARN"
    copy_of(changeable / MODEL, changeable / "runs/again")
    passed = publishing.check_reproducible(load(changeable))
    assert (passed.status, passed.fact) == ("PASS", "1 trainings were made twice and are equal, byte for byte")
    with (changeable / "runs/again/model.safetensors").open("ab") as stream:
        stream.write(b" ")
    failed = publishing.check_reproducible(load(changeable))
    assert failed.status == "FAIL" and failed.fact.endswith("were trained alike, and differ")
    change_run(changeable / MODEL, lambda record: record["arguments"].pop("seed"))
    assert "does not record its seed" in publishing.check_reproducible(load(changeable)).fact


def test_documents(tmp_path: Path) -> None:
    half = write_run(tmp_path / "a", "stats reporting", texts={"model-card.md": "all said"})
    warned = publishing.check_documents(load(half))
    assert warned.status == "WARN" and "datasheet.md" in warned.fact
    blank = {"model-card.md": "all said", "datasheet.md": f"why {publishing.TO_WRITE}"}
    waiting = publishing.check_documents(load(write_run(tmp_path / "b", "stats reporting", texts=blank)))
    assert (waiting.status, waiting.fact) == ("WARN", "1 places in the model card and the datasheet wait for a person")
    full = dict.fromkeys(publishing.DOCUMENTS, "all said")
    assert publishing.check_documents(load(write_run(tmp_path / "c", "stats reporting", texts=full))).status == "PASS"


@pytest.mark.parametrize(("statuses", "status"), [(["proven", "blank"], "WARN"), (["proven", "proven"], "PASS")])
def test_guidelines(study: Path, tmp_path: Path, statuses: list[str], status: str) -> None:
    assert publishing.check_guidelines(load(study)).status == "WARN"
    run = write_run(tmp_path / "r", "stats reporting", tables={"items.csv": {"item": [1, 2], "status": statuses}})
    outcome = publishing.check_guidelines(load(run))
    assert outcome.status == status
    assert "2 items of CLAIM and TRIPOD+AI" in outcome.fact


@pytest.mark.parametrize(
    ("plan", "status", "text"),
    [
        ({"status": "confirmatory"}, "PASS", "plan.md was registered on 2026-01-01, before any scoring"),
        ({"status": "exploratory", "why": "3 scorings before"}, "FAIL", "exploratory: 3 scorings before"),
    ],
)
def test_preregistration(study: Path, tmp_path: Path, plan: dict, status: str, text: str) -> None:
    assert publishing.check_preregistration(load(study / EVALUATION)).status == "WARN"
    plans = [{"file": "plan.md", "time": "2026-01-01", **plan}]
    run = write_run(tmp_path / "ledger", "stats ledger", summary={"registrations": plans})
    outcome = publishing.check_preregistration(load(study / EVALUATION, run))
    assert outcome.status == status
    assert text in outcome.fact


def test_cost(changeable: Path) -> None:
    passed = publishing.check_cost(load(changeable))
    assert passed.status == "PASS" and passed.fact.startswith("2 trainings took ")
    assert passed.fact.endswith(" weights a model (energy is not measured)")
    change_run(
        changeable / MODEL,
        lambda record: record.update(started="2026-01-01T00:00:00+00:00", ended="2026-01-02T02:30:00+00:00"),
    )
    assert load(changeable / MODEL).trainings[0].seconds == 26.5 * 3600
    change_run(changeable / MODEL, lambda record: record.update(started="yesterday"))
    assert publishing.check_cost(load(changeable)).status == "FAIL"
    change_run(changeable / MODEL, lambda record: record.pop("ended"))
    assert publishing.check_cost(load(changeable)).status == "FAIL"


@pytest.mark.parametrize("check", CHECKS[-3:])
def test_what_no_file_can_show_is_never_passed(study: Path, check: Callable) -> None:
    assert check(load(study)).status == "NOT ASSESSABLE"
