"""Checks of the data: each passes on one folder and fails on another, and neither without a folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cxrshort.verbs.stats.checklist import data

from ..studies import EXPLANATION, INSIDE, SWAPS, change_run, load, write_run

DATASET_CHECKS = [
    data.check_sources,
    data.check_criteria,
    data.check_demographics,
    data.check_confounding,
    data.check_manifest_columns,
]


def set_summary(name: str, value: object) -> Callable[[dict], None]:
    return lambda record: record["summary"].__setitem__(name, value)


@pytest.mark.parametrize("check", [*DATASET_CHECKS, data.check_drop, data.check_shortcuts, data.check_labels])
def test_nothing_passes_without_a_folder(tmp_path: Path, check: Callable) -> None:
    write_run(tmp_path / "other", "stats cost")
    outcome = check(load(tmp_path))
    assert (outcome.status, outcome.source) == ("NOT ASSESSABLE", "")
    assert outcome.fact


def test_sources(changeable: Path) -> None:
    outcome = data.check_sources(load(changeable))
    assert (outcome.status, outcome.fact) == ("PASS", "phantom-I holds images of 2 repositories: site-a, site-b")
    assert outcome.source == f"{(changeable / INSIDE).as_posix()}/run.json: summary.repositories"
    change_run(changeable / INSIDE, lambda record: record["summary"]["repositories"].pop())
    assert data.check_sources(load(changeable)).status == "WARN"


def test_sources_of_a_dataset_that_nobody_trained_on_say_nothing(study: Path) -> None:
    assert data.check_sources(load(study / INSIDE)).status == "NOT ASSESSABLE"


def test_criteria(changeable: Path) -> None:
    passed = data.check_criteria(load(changeable / INSIDE))
    assert (passed.status, passed.fact) == ("PASS", "phantom-I: 160 candidates = 160 rows + 0 excluded")
    change_run(changeable / INSIDE, set_summary("excluded", {"lateral": 3}))
    failed = data.check_criteria(load(changeable / INSIDE))
    assert (failed.status, failed.fact) == (
        "FAIL",
        "phantom-I: 160 candidates = 160 rows + 3 excluded does not hold",
    )
    change_run(changeable / INSIDE, set_summary("candidates", 163))
    assert data.check_criteria(load(changeable / INSIDE)).fact.endswith("+ 3 excluded (lateral 3)")
    change_run(changeable / INSIDE, set_summary("candidates", None))
    assert data.check_criteria(load(changeable / INSIDE)).status == "FAIL"


def test_demographics(changeable: Path) -> None:
    assert data.check_demographics(load(changeable)).status == "PASS"

    def without_ages(record: dict) -> None:
        for row in record["summary"]["characteristics"]:
            if (row["characteristic"], row["item"]) == ("age_years", "missing"):
                row["count"] = 160

    change_run(changeable / INSIDE, without_ages)
    warned = data.check_demographics(load(changeable / INSIDE))
    assert (warned.status, warned.fact) == ("WARN", "phantom-I: missing are sex 0%, age_years 100%, view 0%")

    def without_all(record: dict) -> None:
        record["summary"]["characteristics"] = [
            row
            for row in record["summary"]["characteristics"]
            if row["characteristic"] not in ("sex", "view") or row["item"] == "UNKNOWN"
        ]

    change_run(changeable / INSIDE, without_all)
    assert data.check_demographics(load(changeable / INSIDE)).status == "FAIL"


def test_items_are_counted_in_the_total_else_over_groups(tmp_path: Path) -> None:
    groups = [{"repository": name, "characteristic": "sex", "item": "F", "count": 2} for name in "ab"]
    total = {"repository": "total", "characteristic": "sex", "item": "F", "count": 4}
    for name, rows in (("whole", [*groups, total]), ("parts", groups)):
        folder = write_run(tmp_path / name, "build-dataset", summary={"characteristics": rows})
        assert data.count_items(load(folder).datasets[0]) == {("sex", "F"): 4}
    assert data.count_items(load(write_run(tmp_path / "none", "build-dataset")).datasets[0]) == {}


def test_regions_that_could_not_be_tested_are_left_out(tmp_path: Path) -> None:
    rows = [{"region": "marker", "verdict": "not testable"}, {"region": "border", "verdict": "no evidence"}]
    (run,) = load(write_run(tmp_path, "explain", summary={"findings": rows})).audits
    assert data.tested_regions(run) == rows[1:]


def test_confounding(changeable: Path) -> None:
    failed = data.check_confounding(load(changeable))
    assert failed.status == "FAIL"
    assert failed.fact.startswith("COVID-19 from repository alone in phantom-I: AUC 1.00 [")
    assert failed.fact.endswith("], worst-case confounded")

    def judged(word: str) -> Callable[[dict], None]:
        def change(record: dict) -> None:
            for row in record["summary"]["confounding"]:
                row.update(verdict=word, auc=0.5, low=0.4, high=0.6)

        return change

    for word, status in (("strong", "WARN"), ("weak", "WARN"), ("none shown (x)", "PASS")):
        change_run(changeable / INSIDE, judged(word))
        assert data.check_confounding(load(changeable)).status == status
    change_run(changeable / INSIDE, judged("not measurable"))
    assert data.check_confounding(load(changeable)).status == "NOT ASSESSABLE"


@pytest.mark.parametrize(
    ("gap", "low", "high", "status", "text"),
    [
        (0.3, 0.2, 0.4, "FAIL", "a fall is shown"),
        (0.1, 0.05, 0.15, "WARN", "a fall is shown"),
        (0.02, -0.05, 0.09, "WARN", "a fall is not shown, and one of 0.09 not excluded"),
        (0.0, -0.03, 0.03, "PASS", "a fall of more than 0.05 is excluded"),
        (0.0, None, None, "NOT ASSESSABLE", "has no interval: too few"),
    ],
)
def test_drop(tmp_path: Path, gap: float, low: float | None, high: float | None, status: str, text: str) -> None:
    row = {
        "label": "Edema",
        "internal": "a",
        "external": "b",
        "gap": gap,
        "low": low,
        "high": high,
        "reason": "too few",
    }
    evaluated(tmp_path, [row, {**row, "label": "Mass", "gap": 0.9, "low": 0.8, "high": 1.0}])
    outcome = data.check_drop(load(tmp_path, label="Edema"))
    assert outcome.status == status
    assert text in outcome.fact


def evaluated(folder: Path, gaps: list[dict]) -> None:
    from ..scored import predictions

    write_run(
        folder / "e", "evaluate", summary={"label": "Edema", "gaps": gaps}, tables={"predictions.csv": predictions()}
    )


@pytest.mark.parametrize(
    ("verdicts", "status", "text"),
    [
        (["no evidence", "not testable"], "PASS", "swap-test: no evidence in 1 regions (region 0)"),
        (["no evidence", "suspicious"], "WARN", "swap-test calls suspicious: region 1"),
        (["suspicious", "shortcut"], "FAIL", "swap-test calls shortcut: region 1"),
        (["not testable"], "NOT ASSESSABLE", "no region could be tested"),
    ],
)
def test_shortcuts(tmp_path: Path, verdicts: list[str], status: str, text: str) -> None:
    findings = [{"region": f"region {number}", "verdict": verdict} for number, verdict in enumerate(verdicts)]
    write_run(tmp_path / "swaps", "swap-test", summary={"findings": findings})
    outcome = data.check_shortcuts(load(tmp_path))
    assert outcome.status == status
    assert text in outcome.fact


def test_shortcuts_of_real_audits_are_read(study: Path) -> None:
    outcome = data.check_shortcuts(load(study / EXPLANATION, study / SWAPS))
    assert outcome.status in ("PASS", "WARN", "FAIL", "NOT ASSESSABLE")
    assert "explain" in outcome.fact or "swap-test" in outcome.fact or "swaps" in outcome.fact


def test_dataset_tables(changeable: Path) -> None:
    assert data.check_manifest_columns(load(changeable)).status == "PASS"
    (changeable / INSIDE / "excluded.csv").unlink()
    failed = data.check_manifest_columns(load(changeable))
    assert failed.status == "FAIL" and failed.fact.endswith("lacks excluded.csv")


def test_label_errors_are_never_assessable(study: Path) -> None:
    assert data.check_labels(load(study)).status == "NOT ASSESSABLE"
