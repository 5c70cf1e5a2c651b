"""Reading scores: any table with image_id and logits, and what is no such table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.roentmod.scores import is_scores, list_names, read_score_rows, tidy

from .tables import NAMES, predictions

NO_TABLE = "is no table of predictions: it has no columns image_id and logit.LABEL"


def written(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text)
    return path


def test_table_of_its_own_needs_image_id_and_logits_alone(tmp_path: Path) -> None:
    scores = read_score_rows(written(tmp_path, "image_id;logit.Mass;report\na;1.5;text\nb;;more\n"))
    assert scores.models == {"": ""} and scores.labels() == ["Mass"]
    assert np.array_equal(scores.logits(["Mass"]), [[1.5], [np.nan]], equal_nan=True)
    assert np.isnan(scores.targets(["Mass"])).all() and "report" not in scores.rows
    assert scores.rows["person_id"].tolist() == ["", ""]


def test_models_are_told_apart_by_identity_and_shown_by_name(tmp_path: Path) -> None:
    text = "image_id,model,model_id,logit.Mass\na,erm,11aa,1\na,erm,22bb,2\n"
    scores = read_score_rows(written(tmp_path, text))
    assert scores.models == {"11aa": "erm (11aa)", "22bb": "erm (22bb)"}
    assert scores.of_model("22bb").logits(["Mass"]).tolist() == [[2.0]]


def test_label_without_a_logit_is_no_label_of_the_table(tmp_path: Path) -> None:
    assert read_score_rows(written(tmp_path, "image_id,logit.Mass,logit.Edema\na,1,\n")).labels() == ["Mass"]


def test_probabilities_become_their_log_odds_with_a_note(tmp_path: Path) -> None:
    path = written(
        tmp_path, "image_id,probability.Mass,probability.Edema,logit.Edema\na,0.25,0.5,3\nb,1,,\nc,,0.5,-2\n"
    )
    scores = read_score_rows(path)
    assert is_scores(str(path)) and set(scores.labels()) == {"Mass", "Edema"}
    own = scores.logits(["Mass", "Edema"])
    np.testing.assert_allclose(own[:, 0], [np.log(0.25 / 0.75), np.log((1 - 1e-6) / 1e-6), np.nan], rtol=1e-6)
    assert own[[0, 2], 1].tolist() == [3, -2]  # a logit stays as it is
    (note,) = scores.notes
    assert note == (
        "scores.csv: probabilities of 1 finding are taken as their log-odds, 1 of them moved to 1e-06 from 0 or 1"
    )
    assert scores.where(pd.Series([True, False, False])).notes == scores.notes == scores.of_model("").notes


def test_logits_that_look_like_probabilities_are_noted(tmp_path: Path) -> None:
    scores = read_score_rows(written(tmp_path, "image_id,logit.Mass,logit.Edema\na,0.2,\nb,0.9,1\n"))
    assert list(scores.notes) == [
        "scores.csv: all logits are in [0, 1], like probabilities; if they are, call them probability.LABEL"
    ]
    assert not read_score_rows(written(tmp_path, "image_id,logit.Mass\na,0.2\nb,-0.1\n")).notes


@pytest.mark.parametrize("cell", ["1.5", "-2"])
def test_probabilities_outside_of_0_to_1_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(CxrshortError) as caught:
        read_score_rows(written(tmp_path, f"image_id,probability.Mass\na,{cell}\nb,0.5\n"))
    assert caught.value.message == (
        f"scores.csv: column 'probability.Mass' holds 1 value outside [0, 1], such as '{cell}': no probability"
    )
    assert caught.value.hint == "call the column logit.Mass where it holds logits"


def test_folder_of_evaluate_is_read_too(tmp_path: Path) -> None:
    before, _, _ = predictions(tmp_path)
    (tmp_path / "run").mkdir()
    before.rename(tmp_path / "run" / "predictions.csv")
    assert len(read_score_rows(tmp_path / "run").rows) == 40 and is_scores(str(tmp_path / "run"))


def test_parquet_is_read_too(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    before, _, _ = predictions(tmp_path)
    pd.read_csv(before).to_parquet(tmp_path / "before.parquet")
    rows = read_score_rows(tmp_path / "before.parquet").rows
    pd.testing.assert_frame_equal(rows, read_score_rows(before).rows)
    assert is_scores(str(tmp_path / "before.parquet"))


def test_datasets_and_names_are_no_scores(tmp_path: Path) -> None:
    written(tmp_path, "image_id,Mass\na,1\n")
    assert not is_scores(str(tmp_path / "scores.csv"))
    assert not is_scores(str(tmp_path)) and not is_scores("phantom-I")


def test_tidy_keeps_scored_models_as_tables_have_them() -> None:
    table = pd.DataFrame({"image_id": ["a"], "edit": [None], "logit.Mass": np.float32([0.1]), "view": ["PA"]})
    tidied = tidy(table, "scored")
    assert tidied.loc[0, "edit"] == "" and tidied["logit.Mass"].dtype == np.float64 and "view" not in tidied


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image_id,logit.Mass\na,high\nb,low\n",
            "scores.csv: column 'logit.Mass' holds 'high', not a number, and 1 more like it",
        ),
        ("image,logit.Mass\na,1\n", f"scores.csv {NO_TABLE}"),
        ("image_id,Mass\na,1\n", f"scores.csv {NO_TABLE}"),
        ("image_id,logit.Mass\n", "scores.csv: the table is empty"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CxrshortError) as caught:
        read_score_rows(written(tmp_path, text))
    assert caught.value.message == message


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_missing_tables_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CxrshortError) as caught:
        read_score_rows(tmp_path / name)
    assert caught.value.message.endswith(("does not exist", "holds no predictions.csv"))


def test_many_names_are_counted() -> None:
    assert list_names(NAMES[:2]) == "'Cardiomegaly', 'Edema'"
