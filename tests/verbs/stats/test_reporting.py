"""The report of a study: counts, files, documents in place of the counts, refusals."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError, OutputError, UsageError
from cxrshort.verbs.stats.checks import checks
from cxrshort.verbs.stats.reporting import reporting

FILES = {"items.csv", "items.md", "model-card.md", "datasheet.md", "summary.json", "run.json"}


def test_counts_add_up(study: Path) -> None:
    result = reporting([study])
    counts = result.summary["counts"]
    assert {name: sum(numbers.values()) for name, numbers in counts.items()} == {"CLAIM 2024": 44, "TRIPOD+AI": 52}
    assert counts["CLAIM 2024"]["proven"] >= 23
    assert result.document["schema"] == "cxrshort.stats-reporting/1"


def test_folder_holds_tables_and_documents(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = reporting([study], out=out)
    assert {path.name for path in out.iterdir()} == FILES
    table = pd.read_csv(out / "items.csv", dtype=str, keep_default_na=False)
    assert table.to_dict("records") == result.summary["items"]
    assert json.loads((out / "summary.json").read_text())["counts"] == result.summary["counts"]
    assert (out / "items.md").read_text().count("\n| ") == 96 + 2
    with pytest.raises(OutputError, match="exists already"):
        reporting([study], out=out)
    reporting([study], out=out, force=True)
    assert {path.name for path in out.iterdir()} == FILES


def test_checks_read_what_was_written(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    reporting([study], out=out)
    rows = {row["check"]: row for row in checks([study, out]).summary["checks"]}
    blanks = sum((out / name).read_text().count("[to be written]") for name in ("model-card.md", "datasheet.md"))
    assert rows["documents"]["fact"] == f"{blanks} places in the model card and the datasheet wait for a person"
    assert rows["guidelines"]["status"] == "WARN"
    for name in ("model-card.md", "datasheet.md"):
        (out / name).write_text((out / name).read_text().replace("[to be written]", "said"))
    assert {row["check"]: row for row in checks([study, out]).summary["checks"]}["documents"]["status"] == "PASS"


@pytest.mark.parametrize(("document", "start"), [("card", "# Model card"), ("datasheet", "# Datasheet")])
def test_document_is_the_result(study: Path, document: str, start: str) -> None:
    result = reporting([study], **{document: True})
    assert result.summary["document"].startswith(start)
    assert result.tables[0].text == result.summary["document"].rstrip()


def test_wrong_requests_are_one_sentence(study: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        reporting([study], card=True, datasheet=True)
    (tmp_path / "t.csv").write_text("auc\n0.9\n")
    with pytest.raises(DataError, match="tables alone prove no item"):
        reporting([tmp_path / "t.csv"])
    with pytest.raises(DataError, match="no predictions have a label 'Covid'"):
        reporting([study], label="Covid")
