"""What a verb returns."""

from pathlib import Path

from cxrshort.results import Result


def test_document_is_the_summary_with_the_folder_where_there_is_one():
    summary = {"rows": 3}
    assert Result(summary).document == {"rows": 3}
    assert Result(summary, folder=Path("runs/a")).document == {"rows": 3, "folder": "runs/a"}
    assert summary == {"rows": 3}
