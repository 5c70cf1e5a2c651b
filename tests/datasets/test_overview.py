"""What people see of a dataset that was built, of a shard, and of a dry run."""

from pathlib import Path
from typing import Any

from cxrshort.datasets.overview import build_forecast, dataset_result, shard_result
from cxrshort.results import Facts, Table, Text
from cxrshort.stats.characteristics import TOTAL

SUMMARY: dict[str, Any] = {
    "dataset": "I",
    "name": "I",
    "candidates": 5,
    "rows": 3,
    "excluded": {"no view": 2},
    "splits": {"split_0": {"train": 2, "test": 1}},
    "patients": 3,
    "people": 3,
    "same_films": [],
    "published": {},
    "notes": ["one file is read as Latin-1"],
}
MEASURED = {
    "column": "view",
    "value": "",
    "auc": 0.9,
    "low": 0.8,
    "high": 0.95,
    "images": 40,
    "verdict": "confounded (only 3 persons in the smaller class for an AUC of 0.90)",
    "reason": "",
}


def texts(result: Any) -> list[str]:
    return [block.text for block in result.tables if isinstance(block, Text)]


def rows(table: Table) -> list[list[Any]]:
    return [[row[column.key] for column in table.columns] for row in table.rows]


def test_dataset_is_accounted_for() -> None:
    result = dataset_result(SUMMARY, Path("out"), figures=[Path("out/contact-sheet.png")])
    assert texts(result) == ["candidates 5 = rows 3 + excluded 2\n1 splits by person; split_0: train 2, test 1"]
    assert result.document == {
        "schema": "cxrshort.dataset/1",
        **SUMMARY,
        "figures": ["contact-sheet.png"],
        "folder": "out",
    }


def test_joined_patients_and_published_counts_are_named() -> None:
    joined = {**SUMMARY, "people": 2, "same_films": [["a", "b"]], "published": {"images": 1000, "patients": 900}}
    lines = texts(dataset_result(joined, Path("out")))
    assert lines[0].splitlines()[-1] == "3 patient ids are 2 persons: 1 pair of images shows one film"
    assert lines[1] == "the paper counts 1,000 images of 900 patients; this dataset has 3 images of 3 patients"


def test_exclusions_are_counted_by_reason_and_with_verbose_by_detail(tmp_path: Path) -> None:
    (tmp_path / "excluded.csv").write_text(
        "path,patient_id,reason,detail\na,,no view,L\nb,,no view,L\nc,,no label,\nd,,no view,R\n"
    )
    summary = {**SUMMARY, "excluded": {"no view": 3, "no label": 1}}
    brief, whole = (block for block in dataset_result(summary, tmp_path).tables if isinstance(block, Table))
    assert (rows(brief), brief.shown) == ([["no view", 3], ["no label", 1]], ("quiet", "usual"))
    assert (rows(whole), whole.shown) == ([["no view", "L", 2], ["no label", "", 1], ["no view", "R", 1]], ("verbose",))


def test_confounding_shows_the_strongest_with_cautions_cut_short() -> None:
    counted = {"characteristic": "images", "item": "", "repository": TOTAL, "class": "", "count": 40, "of": None}
    tables = {"characteristics": [counted], "confounding": [{**MEASURED, "label": f"label {n}"} for n in range(14)]}
    result = dataset_result({**SUMMARY, **tables}, Path("out"))
    shown = [block for block in result.tables if isinstance(block, Table)]
    worst, whole = (table for table in shown if table.columns[0].heading == "label")
    assert (worst.shown, whole.shown, len(whole.rows)) == (("usual",), ("verbose",), 14)
    assert len(worst.rows) == 12 and {row["3"] for row in worst.rows} == {"confounded (only 3 persons)"}
    assert "the worst 12 of 14; all are in confounding.csv, and --verbose prints them" in texts(result)


def test_folder_of_ones_own_stands_under_its_name() -> None:
    counted = {"characteristic": "images", "item": "", "count": 40, "of": None}
    groups = [("folder", "positive"), ("folder", "negative"), (TOTAL, "")]
    table = [{**counted, "repository": repository, "class": name} for repository, name in groups]
    summary = {
        **SUMMARY,
        "dataset": "folder",
        "name": "clinic",
        "characteristics": table,
        "confounding": [{**MEASURED, "label": "Edema"}],
    }
    usual = next(block for block in dataset_result(summary, Path("out")).tables if isinstance(block, Table))
    headings = [column.heading for column in usual.columns]
    assert headings == ["", "clinic, positive", "clinic, negative", "total"]


def test_shard_is_one_line() -> None:
    result = shard_result({"shard": "1/2", "images": 20, "refused": {"truncated": 1}}, Path("out/shard-1"))
    assert texts(result) == ["shard 1/2: 20 images, refused truncated 1"]
    assert (result.document["schema"], result.folder) == ("cxrshort.shard/1", Path("out/shard-1"))


def test_forecast_counts_candidates_and_what_was_planted() -> None:
    plan = {
        **{name: SUMMARY[name] for name in ("dataset", "candidates", "rows", "excluded", "notes")},
        "reads": ["data/NIH"],
        "outputs": [{"folder": "datasets/I", "fate": "new", "reason": "", "hint": ""}],
        "images_to_make": 3,
        "size": 224,
        "disk_free_mib": 100,
        "planted": {"summary": ["rooms differ in: marker"]},
    }
    result = build_forecast(plan)
    (facts,) = (block for block in result.tables if isinstance(block, Facts))
    assert list(facts.pairs) == [
        ("would read", "data/NIH"),
        ("would write", "datasets/I"),
        ("dataset", "I"),
        ("candidates", "5 = 3 rows + 2 excluded"),
        ("excluded", "2 no view"),
        ("images to make", "3, 224 x 224 pixels"),
        ("disk", "0.0 MiB of 100 MiB free"),
    ]
    assert texts(result) == ["rooms differ in: marker", "\nnothing was written"]
    assert result.notes == SUMMARY["notes"] and result.plan
