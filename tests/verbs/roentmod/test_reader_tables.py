"""What people see of readers' answers."""

from pathlib import Path

from cxrshort.results import Table
from cxrshort.verbs.roentmod.reader_tables import reader_blocks
from cxrshort.verbs.roentmod.readers import readers

from .filled_sheets import fill, write_key


def tables(tmp_path: Path, **settings: object) -> list[Table]:
    key = write_key(tmp_path, **settings)  # type: ignore[arg-type]
    blocks = reader_blocks(readers(fill(key), key=key).summary)
    return [block for block in blocks if isinstance(block, Table)]


def test_adherence_comes_first_and_is_never_left_out(tmp_path: Path) -> None:
    shown = tables(tmp_path, readers=2)
    assert shown[0].title.startswith("Adherence") and "quiet" in shown[0].shown
    headings = [column.heading for column in shown[0].columns]
    assert headings[-4:] == ["difference", "unsure", "R1", "R2"] and "seen in sham edits" in headings
    assert [row["of R1"] for row in shown[0].rows] == ["0.90", "1.00", "0.70"]


def test_cooccurrence_marks_what_was_asked_for(tmp_path: Path) -> None:
    matrix = tables(tmp_path, readers=1)[1]
    assert [row["cell Cardiomegaly"] for row in matrix.rows] == ["[0.90]", "0.80", "0.40", "0.30"]
    assert [row["added"] for row in matrix.rows] == ["Cardiomegaly", "Edema", "Mass", "sham"]


def test_agreement_of_single_findings_is_for_verbose_alone(tmp_path: Path) -> None:
    shown = [table for table in tables(tmp_path, readers=2) if table.title.startswith("Agreement")]
    assert [(len(table.rows), "usual" in table.shown) for table in shown] == [(2, True), (8, False)]


def test_without_shams_their_columns_are_left_out(tmp_path: Path) -> None:
    shown = tables(tmp_path, readers=1, edits=("cardiomegaly", "edema"))
    assert not any("sham" in column.heading for column in shown[0].columns)
