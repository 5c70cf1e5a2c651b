"""``stats ledger``: counts, levels, optimism and registrations."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import UsageError
from cxrshort.stats.auc import auc_covariance
from cxrshort.stats.selection import best_of_models
from cxrshort.verbs.stats import registrations
from cxrshort.verbs.stats.ledger import ledger

from .finished_runs import evaluation, scores


def results(folder: Path, models: int = 4) -> Path:
    for model in range(models):
        evaluation(folder / "results" / f"r{model}", scores(model), day=10 + model)
    return folder / "results"


def test_levels_and_optimism_of_a_fold(tmp_path: Path) -> None:
    (fold,) = ledger([results(tmp_path)]).summary["folds"]
    assert (fold["scorings"], fold["models"], fold["images"], fold["compared"]) == (4, 4, 120, 4)
    assert fold["bonferroni_level"] == pytest.approx(0.05 / 4)
    assert fold["next_level"] == pytest.approx(0.05 * 6 / np.pi**2 / 25)
    assert fold["false_finding"] == pytest.approx(1 - 0.95**4)
    tables = [scores(model) for model in range(4)]
    logits = np.column_stack([table["logit.Edema"] for table in tables])
    aucs, covariance = auc_covariance(tables[0]["target.Edema"], logits, tables[0]["person_id"])
    expected = best_of_models(aucs, covariance, rng=np.random.default_rng(0))
    assert (fold["best_auc"], fold["optimism"]) == pytest.approx((aucs.max(), expected.expected), abs=1e-12)
    assert fold["best_low"] < fold["best_auc"] < fold["best_high"]
    assert fold["corrected_auc"] == pytest.approx(fold["best_auc"] - fold["optimism"])
    assert fold["registered"] is None


@pytest.mark.parametrize(
    ("day", "status", "before", "after"),
    [(1, "confirmatory", 0, 4), (12, "exploratory", 3, 1), (25, "exploratory", 4, 0)],
)
def test_registration_is_confirmatory_only_before_every_scoring(
    day: int, status: str, before: int, after: int, tmp_path: Path
) -> None:
    folder = results(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text("H1")
    now = datetime(2026, 3, 1 + day, 12, tzinfo=UTC)
    registrations.register(plan, folder, scorings=before, now=now)
    summary = ledger([folder]).summary
    (entry,) = summary["registrations"]
    assert (entry["status"], entry["scorings_before"], entry["scorings_after"]) == (status, before, after)
    assert bool(summary["folds"][0]["registered"]) == (day == 1)
    plan.write_text("H1, or H2")
    (entry,) = ledger([folder]).summary["registrations"]
    assert (entry["status"], entry["state"]) == ("exploratory", "changed")
    assert ledger([folder]).summary["folds"][0]["registered"] is None


def test_scorings_that_vanished_are_seen(tmp_path: Path) -> None:
    folder = results(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text("H1")
    (entry,) = ledger([folder], register=plan).summary["registrations"]
    assert entry["scorings_before"] == 4
    for path in (folder / "r0").iterdir():
        path.unlink()
    (entry,) = ledger([folder]).summary["registrations"]
    assert (entry["scorings_before"], entry["scorings_gone"]) == (4, 1)
    assert entry["why"] == "3 scorings came before; 1 scorings that were counted then are gone"


def test_one_class_gives_a_reason_in_place_of_an_optimism(tmp_path: Path) -> None:
    table = scores(0).assign(**{"target.Edema": 0.0})
    evaluation(tmp_path / "r", table, table.assign(model_id="m1"))
    (fold,) = ledger([tmp_path]).summary["folds"]
    assert fold["optimism"] is None and "only negatives" in fold["reason"]
    json.dumps(fold, allow_nan=False)


def test_folder_holds_tables_and_a_figure(tmp_path: Path) -> None:
    folder = results(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text("H1")
    result = ledger([folder], register=plan, out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["ledger.png"]
    assert len(pd.read_csv(tmp_path / "out" / "scorings.csv")) == 4
    assert len(pd.read_csv(tmp_path / "out" / "folds.csv")) == 1
    assert len(pd.read_csv(tmp_path / "out" / "registrations.csv")) == 1


def test_no_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="no folder to search"):
        ledger([])
