"""A second table of validation images: matched model by model, and refused where test images are among them."""

from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.stats.scores import ScoreTable, read_scores
from cxrshort.verbs.stats.validation import Validation, identity_columns, read_validation, read_with_validation

from .scored import plain, predictions, written

OURS = {"target": None, "score": None, "person": None, "label": "Edema"}
THEIRS = {"target": "label", "score": "score", "person": "patient", "label": None}


def validation_rows(replicates: int = 1, **columns: object) -> pd.DataFrame:
    """Return the predictions of the same models on persons of their own, inside."""
    table = predictions(replicates=replicates, seed=9)
    table = table[table["role"] == "internal"].assign(split="val")
    table = table.assign(image_id="val/" + table["image_id"], person_id="val/" + table["person_id"])
    return table.assign(**columns)


def read_table(folder: Path, table: pd.DataFrame | None = None, **columns: str | None) -> ScoreTable:
    path = written(predictions(replicates=2) if table is None else table, folder, "test.csv")
    arguments = {**OURS, **columns}
    return read_scores(path, **arguments, optional=identity_columns(arguments["person"]))  # type: ignore[arg-type]


def match(folder: Path, table: pd.DataFrame, of: ScoreTable) -> Validation:
    return read_validation(written(table, folder, "val.csv"), of, option="--val", **OURS)  # type: ignore[arg-type]


def test_each_model_gets_its_own_validation_rows(tmp_path: Path) -> None:
    table = validation_rows(2)
    of = read_table(tmp_path)
    validation = match(tmp_path, table, of)
    assert [part.facts["dataset"] for part in of.parts] == ["hospital-a"] * 2 + ["hospital-b"] * 2
    assert [part.facts["replicate"] for part in validation.parts] == [part.facts["replicate"] for part in of.parts]
    assert validation.parts[0] is validation.parts[2] and validation.parts[1] is validation.parts[3]
    expected = table.loc[table["replicate"] == 1, "logit.Edema"]
    assert validation.parts[1].scores.tolist() == expected.tolist()
    assert validation.notes == []


def test_both_tables_are_read_with_their_scale(tmp_path: Path) -> None:
    tested, validation = (
        written(table, tmp_path, name)
        for table, name in ((predictions(replicates=2), "test.csv"), (validation_rows(2), "val.csv"))
    )
    options = {"option": "--val", "columns": OURS, "by": None, "logits": False}
    scores, scale, second = read_with_validation(tested, validation, **options)  # type: ignore[arg-type]
    assert scale.is_logit and second is not None
    assert [part.facts["replicate"] for part in second.parts] == [part.facts["replicate"] for part in scores.parts]
    alone = read_with_validation(tested, None, **options)  # type: ignore[arg-type]
    assert alone[2] is None and "image_id" not in alone[0].parts[0].columns


def test_model_without_validation_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        match(tmp_path, validation_rows(1), read_table(tmp_path))
    assert caught.value.message == "val.csv: no validation rows for 'Edema' of 'a/small-cnn/erm', replicate 1"
    assert caught.value.hint == "evaluate --split val writes predictions of the validation fold"


def test_of_two_validation_sets_the_internal_one_is_taken_and_two_internal_ones_are_refused(tmp_path: Path) -> None:
    first = validation_rows(2)
    second = first.assign(dataset="hospital-c", dataset_id="c", role="external")
    second = second.assign(image_id="c/" + first["image_id"], **{"logit.Edema": 0.0})
    validation = match(tmp_path, pd.concat([second, first]), read_table(tmp_path))
    assert {part.facts["dataset"] for part in validation.parts} == {"hospital-a"}
    with pytest.raises(DataError, match=r"val.csv: 2 validation sets for 'Edema' .* \('hospital-c', 'hospital-a'\)"):
        match(tmp_path, pd.concat([second.assign(role="internal"), first]), read_table(tmp_path))


@pytest.mark.parametrize(("column", "things"), [("image_id", "images"), ("person_id", "persons")])
def test_images_and_persons_of_both_tables_are_refused(tmp_path: Path, column: str, things: str) -> None:
    table = validation_rows(2)
    table.loc[table["image_id"] == "val/hospital-a/4", column] = (
        "hospital-a/3" if things == "images" else "hospital-a:7"
    )
    shared = "hospital-a/3" if things == "images" else "hospital-a:7"
    with pytest.raises(DataError, match=f"test.csv and val.csv share 1 {things}, such as '{shared}'"):
        match(tmp_path, table, read_table(tmp_path))


def test_rows_of_a_test_fold_choose_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="val.csv: 60 rows are of a test fold: test images choose nothing"):
        match(tmp_path, validation_rows(2, split="test"), read_table(tmp_path))


def test_table_that_names_no_models_is_refused_for_one_that_does(tmp_path: Path) -> None:
    named = {"target": "target.Edema", "score": "logit.Edema", "person": None, "label": None}
    of = read_scores(written(predictions(), tmp_path, "test.csv"), **named)  # type: ignore[arg-type]
    other = written(predictions()[["target.Edema", "logit.Edema"]], tmp_path, "val.csv")
    with pytest.raises(DataError, match="val.csv does not name its models, and test.csv does"):
        read_validation(other, of, option="--val", **named)  # type: ignore[arg-type]


def test_tables_of_others_are_matched_by_their_columns(tmp_path: Path) -> None:
    of = read_scores(plain(tmp_path), **THEIRS, optional=identity_columns("patient"))  # type: ignore[arg-type]
    other = pd.read_csv(plain(tmp_path)).assign(patient=[f"v{number}" for number in range(12)], score=0.25)
    validation = read_validation(written(other, tmp_path, "v.csv"), of, option="--val", **THEIRS)  # type: ignore[arg-type]
    assert validation.parts[0].scores.tolist() == [0.25] * 12
    assert validation.notes == []
    copy = written(pd.read_csv(plain(tmp_path)), tmp_path, "copy.csv")
    with pytest.raises(DataError, match="share 8 persons, such as 'a'"):
        read_validation(copy, of, option="--val", **THEIRS)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="scores.csv' cannot be both TABLE and --val"):
        read_validation(plain(tmp_path), of, option="--val", **THEIRS)  # type: ignore[arg-type]


def test_tables_without_persons_are_noted_and_so_are_rows_left_out(tmp_path: Path) -> None:
    columns = {**THEIRS, "person": None}
    of = read_scores(plain(tmp_path), **columns, optional=identity_columns(None))  # type: ignore[arg-type]
    other = pd.read_csv(plain(tmp_path))
    other.loc[0, "score"] = None
    validation = read_validation(written(other, tmp_path, "v.csv"), of, option="--val", **columns)  # type: ignore[arg-type]
    assert validation.notes == [
        "--val: rows without a score are left out, of 12: score 1",
        "nothing tells whether --val holds other persons than TABLE; --person COLUMN does",
    ]


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    of = read_table(tmp_path)
    piped = ScoreTable(type(of.source)("standard input", None, of.source.columns), of.parts, [], of.predictions)
    with pytest.raises(UsageError, match="standard input cannot be both TABLE and --val"):
        read_validation("-", piped, option="--val", **OURS)  # type: ignore[arg-type]
