"""Answers are joined with their key; what does not fit is refused by name, and what is missing is counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.verbs.roentmod.answers import answer_matrix, read_answers, read_key

from .filled_sheets import FINDINGS, change, fill, truth, write_key


def test_answers_are_those_of_the_sheets(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2, repeats=3)
    answers = read_answers(fill(key), read_key(key))
    assert answers.findings == list(FINDINGS) and answers.realism == ["artificial", "other_finding"]
    shown = truth(pd.read_csv(key, keep_default_na=False), 0)
    assert len(answers.rows) == 2 * 83
    np.testing.assert_array_equal(
        answers.rows[list(FINDINGS)].to_numpy(), np.stack([shown[name] for name in answers.rows["image_id"]])
    )
    assert not answers.notes


def test_matrix_has_first_answers_by_image_and_reader(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2, shared=0.5, repeats=2)
    matrix = answer_matrix(read_answers(fill(key), read_key(key)).rows, "Edema")
    assert matrix.shape == (80, 2) and int(matrix.isna().sum().sum()) == 40


def test_sheets_as_programs_save_them_are_read(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    path = fill(key)[0]
    text = path.read_text().replace("Edema", "edema").replace(",1,", ",1.0,").replace(",", ";")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    answers = read_answers([path], read_key(key))
    assert answers.findings == ["Cardiomegaly", "edema", "Mass"] and not answers.notes


def test_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    paths = fill(key)
    before = read_answers(paths, read_key(key)).rows
    change(paths[1], lambda table: table.iloc[::-1, ::-1].rename(columns={"Mass": "lung mass"}))
    pd.testing.assert_frame_equal(read_answers(paths, read_key(key)).rows, before)


def test_missing_readings_cells_and_readers_are_counted(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=3)
    paths = fill(key)[:2]

    def lose(table: pd.DataFrame) -> pd.DataFrame:
        table = table.iloc[:-4].copy()
        table.loc[table.index[:2], [*FINDINGS, "artificial", "other_finding"]] = ""
        table.loc[table.index[5], "Edema"] = ""
        return table

    change(paths[0], lose)
    answers = read_answers(paths, read_key(key))
    assert answers.notes == [
        "answers-R1.csv: 4 of 80 readings of reader R1 are not in the file",
        "answers-R1.csv: 2 of 76 readings were not answered, and are left out",
        "answers-R1.csv: 1 of 222 cells of answered readings are empty, and left out; --blank absent reads 0",
        "no answers of reader 'R3'",
    ]
    assert int(answers.rows["Edema"].isna().sum()) == 3


def test_blanks_are_absent_where_readers_were_told_so(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    path = change(fill(key)[0], lambda table: table.replace("0", ""))
    answers = read_answers([path], read_key(key), blank="absent")
    assert not answers.rows[list(FINDINGS)].isna().any().any()
    assert len(answers.notes) == 1 and answers.notes[0].endswith("empty cells are read as absent")
    with pytest.raises(UsageError, match="'zero' is not a known meaning of an empty cell"):
        read_answers([path], read_key(key), blank="zero")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t.assign(Edema=["3", "x", *t["Edema"][2:]]),
            "'Edema' of reading {0} is '3', not 0, 1 or 2, and 1 more",
        ),
        (
            lambda t: t.assign(Comment=["seen before", *[""] * (len(t) - 1)]),
            "'Comment' of reading {0} is 'seen before', not",
        ),
        (
            lambda t: t.assign(reading_id=["R9-001", *t["reading_id"][1:]]),
            "1 of 80 readings are not in the key: 'R9-001'",
        ),
        (lambda t: pd.concat([t, t.iloc[:1]]), "reading '{0}' stands twice"),
        (lambda t: t.rename(columns={"reading_id": "id"}), "column 'reading_id' is missing"),
        (lambda t: t[["reading_id", "image", "notes"]], "has no column of a finding"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(tmp_path: Path, edit: object, message: str) -> None:
    key = write_key(tmp_path, readers=1)
    path = fill(key)[0]
    first = pd.read_csv(path)["reading_id"].iloc[0]
    with pytest.raises(DataError) as refusal:
        read_answers([change(path, edit)], read_key(key))
    assert message.format(first) in refusal.value.message and refusal.value.message.startswith("answers-R1.csv")


def test_reader_twice_or_two_readers_in_a_file_are_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    paths = fill(key)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(paths[0].read_bytes())
    with pytest.raises(DataError, match=r"answers-R1\.csv and copy\.csv are both of reader R1"):
        read_answers([paths[0], copy], read_key(key))
    pd.concat([pd.read_csv(path) for path in paths]).to_csv(copy, index=False)
    with pytest.raises(DataError, match=r"copy\.csv holds readings of 2 readers: R1, R2"):
        read_answers([copy], read_key(key))


def test_sheets_of_other_columns_are_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=2)
    paths = fill(key)
    change(paths[1], lambda table: table.rename(columns={"Edema": "Edemma"}))
    with pytest.raises(DataError) as refusal:
        read_answers(paths, read_key(key))
    assert refusal.value.message == (
        "answers-R2.csv and answers-R1.csv do not have the same columns: 'edema', 'edemma'"
    )


def test_sheets_that_nobody_filled_in_are_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    path = change(
        fill(key)[0], lambda table: table.assign(**dict.fromkeys([*FINDINGS, "artificial", "other_finding"], ""))
    )
    with pytest.raises(DataError, match="no cell of any sheet is filled in"):
        read_answers([path], read_key(key))


def test_files_that_are_not_there_or_no_key_are_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    with pytest.raises(MissingInputError, match="none.csv' does not exist"):
        read_key(tmp_path / "none.csv")
    with pytest.raises(MissingInputError, match="none.csv' does not exist"):
        read_answers([tmp_path / "none.csv"], read_key(key))
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="table.csv is no key: it has no column 'reading_id'"):
        read_key(tmp_path / "table.csv")


def test_key_that_was_changed_is_refused(tmp_path: Path) -> None:
    key = write_key(tmp_path, readers=1)
    table = pd.read_csv(key, keep_default_na=False)
    pd.concat([table, table.iloc[:1]]).to_csv(key, index=False)
    with pytest.raises(DataError, match="reading 'R1-001' stands twice"):
        read_key(key)
    pd.concat([table, table.iloc[:1].assign(reading_id="R1-999")]).to_csv(key, index=False)
    with pytest.raises(DataError, match="a reader reads an image at most twice"):
        read_key(key)
