"""The long table of predictions against the statistics called directly."""

import io

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats import predictions as tables
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.gap import Sample, generalization_gap, mean_auc

TARGETS = [0, 0, 0, 1, 1, 1]
LOGITS = {
    ("I", 0): [-2.0, -1.0, 0.5, 0.0, 1.0, 2.0],
    ("I", 1): [-1.0, -2.0, 0.0, 1.5, -0.5, 2.5],
    ("II", 0): [0.0, 1.0, -1.0, 0.5, -0.5, 2.0],
    ("II", 1): [1.0, 0.5, -1.5, 2.0, 0.0, -1.0],
}
PEOPLE = ["a", "a", "b", "c", "d", "d"]


def part(dataset, replicate, *, logits=None, targets=TARGETS, **more):
    """Return the predictions of one model on one dataset."""
    columns = {
        "model": f"runs/{replicate}",
        "model_id": f"m{replicate}",
        "training": "I/small/erm",
        "training_id": "t0",
        "dataset": dataset,
        "dataset_id": f"d{dataset}",
        "replicate": replicate,
        "role": "internal" if dataset == "I" else "external",
        "image_id": [f"{dataset}/{number}" for number in range(6)],
        "person_id": [f"{dataset}:{person}" for person in PEOPLE],
        "target.X": np.array(targets, dtype=float),
        "logit.X": LOGITS[dataset, replicate] if logits is None else logits,
    }
    return pd.DataFrame(columns | more)


def table(*parts):
    return pd.concat(parts or [part(*key) for key in LOGITS], ignore_index=True)


def sample(dataset, replicate):
    people = np.array([f"{dataset}:{person}" for person in PEOPLE])
    return Sample(np.array(TARGETS, dtype=float), np.array(LOGITS[dataset, replicate]), people)


def test_cells_hold_a_sample_for_each_replicate():
    inside, outside = tables.cells(table(), "X")
    assert (inside.dataset, inside.role, inside.training) == ("I", "internal", "I/small/erm")
    assert (outside.dataset, outside.role, outside.label) == ("II", "external", "X")
    assert list(inside.samples) == [0, 1]
    assert inside.samples[1].scores.tolist() == LOGITS["I", 1]
    assert inside.samples[1].clusters.tolist() == sample("I", 1).clusters.tolist()


def test_cells_leave_out_images_without_a_logit_and_labels_without_any():
    gaps = [np.nan, *LOGITS["I", 0][1:]]
    empty = {"logit.Y": np.nan, "target.Y": 1.0}
    predictions = table(part("I", 0, logits=gaps, **empty))
    (cell,) = tables.cells(predictions, "X")
    assert cell.samples[0].targets.tolist() == TARGETS[1:]
    assert tables.cells(predictions, "Y") == []
    assert tables.predicted_labels(predictions) == ["X", "Y"]


def test_cells_part_trainings_by_their_identity():
    other = part("I", 0, model="runs/other", model_id="m9", training="I/small/adversarial", training_id="t1")
    parts = tables.cells(table(part("I", 0), other), "X")
    assert [(cell.training, cell.training_id) for cell in parts] == [
        ("I/small/erm", "t0"),
        ("I/small/adversarial", "t1"),
    ]


def test_two_trainings_of_one_name_are_told_apart():
    ids = ["2f3a0", "91c00"]
    parts = [part("I", 0, model_id=identity, training_id=identity) for identity in ids]
    assert [cell.training for cell in tables.cells(table(*parts), "X")] == ["I/small/erm (2f3a)", "I/small/erm (91c0)"]
    assert [cell.training for cell in tables.cells(parts[0], "X")] == ["I/small/erm"]


def test_two_datasets_of_one_name_are_never_pooled():
    sides = (("1f", "internal"), ("22", "external"))
    parts = [part("I", 0).assign(dataset="folder", dataset_id=f"aaaa{side}", role=role) for side, role in sides]
    names = [cell.dataset for cell in tables.cells(table(*parts), "X")]
    assert names == ["folder (aaaa1f)", "folder (aaaa22)"]
    (gap,) = tables.gap_table(table(*parts)).to_dict("records")
    assert (gap["internal"], gap["external"], gap["gap"]) == ("folder (aaaa1f)", "folder (aaaa22)", 0)


def test_models_of_one_replicate_stand_as_rows_of_their_own():
    cells = tables.cells(table(part("I", 0), part("I", 0, model="runs/again", model_id="m9")), "X")
    assert [cell.training for cell in cells] == ["I/small/erm (runs/0)", "I/small/erm (runs/again)"]
    assert [list(cell.samples) for cell in cells] == [[0], [0]]


def test_note_says_which_side_is_missing():
    notes = [
        tables.why_no_gap(part("I", 0)),
        tables.why_no_gap(part("II", 0)),
        tables.why_no_gap(part("I", 0, role="")),
        tables.why_no_gap(table(part("I", 0), part("II", 0))),
    ]
    assert [
        [note.partition("I/small/erm ")[2].partition(";")[0] for note in training_notes] for training_notes in notes
    ] == [
        ["was tested on its own dataset alone"],
        ["was tested outside alone"],
        ["does not say what it was trained on"],
        [],
    ]


def test_cells_refuse_an_image_twice():
    with pytest.raises(DataError) as caught:
        tables.cells(table(part("I", 0), part("I", 0)), "X")
    assert caught.value.message == "'I/0' stands twice for one model and dataset"
    assert caught.value.hint == "evaluate each dataset once"


def test_cells_refuse_a_table_without_targets():
    with pytest.raises(DataError) as caught:
        tables.cells(table().drop(columns="target.X"), "X")
    assert caught.value.message == "the predictions have no column 'target.X'"


def test_tables_survive_writing_and_reading():
    predictions = table(*(part(*key, training="") for key in LOGITS))
    again = pd.read_csv(io.StringIO(predictions.to_csv(index=False)))
    pd.testing.assert_frame_equal(tables.auc_table(again), tables.auc_table(predictions))
    pd.testing.assert_frame_equal(tables.gap_table(again), tables.gap_table(predictions))
    assert len(tables.auc_table(again)) == 4


def test_auc_table_has_the_interval_of_every_replicate():
    actual = tables.auc_table(table(), level=0.9)
    assert actual[["dataset", "role", "replicate", "label"]].to_numpy().tolist() == [
        ["I", "internal", 0, "X"],
        ["I", "internal", 1, "X"],
        ["II", "external", 0, "X"],
        ["II", "external", 1, "X"],
    ]
    for (dataset, replicate), (_, row) in zip(LOGITS, actual.iterrows(), strict=True):
        one = sample(dataset, replicate)
        expected = auc_interval(one.targets, one.scores, one.clusters, level=0.9)
        assert (row["auc"], row["low"], row["high"]) == (expected.auc, expected.low, expected.high)
        assert (row["positives"], row["negatives"], row["clusters"], row["level"]) == (3, 3, 4, 0.9)
    # 0.0 lies below 0.5 only: 8 of the 9 pairs are in order.
    assert actual["auc"][0] == pytest.approx(8 / 9, abs=1e-12)


def test_auc_table_says_why_there_is_no_auc():
    actual = tables.auc_table(table(part("I", 0, targets=[0] * 6), part("II", 0)))
    assert actual["auc"].isna().tolist() == [True, False]
    assert actual["reason"].tolist()[0] == auc_interval([0] * 6, LOGITS["I", 0], PEOPLE).reason != ""


def test_mean_table_averages_over_replicates():
    actual = tables.mean_table(table())
    assert actual[["dataset", "replicates", "positives", "negatives"]].to_numpy().tolist() == [
        ["I", 2, 3, 3],
        ["II", 2, 3, 3],
    ]
    for dataset, (_, row) in zip(("I", "II"), actual.iterrows(), strict=True):
        expected = mean_auc([sample(dataset, replicate) for replicate in (0, 1)])
        assert (row["mean"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    aucs = tables.auc_table(table()).groupby("dataset")["auc"].mean()
    assert actual["mean"].tolist() == pytest.approx(aucs.tolist(), abs=1e-12)


def test_gap_table_is_internal_minus_external():
    (row,) = tables.gap_table(table()).to_dict("records")
    sides = [[sample(dataset, replicate) for replicate in (0, 1)] for dataset in ("I", "II")]
    expected = generalization_gap(*sides)
    assert (row["gap"], row["low"], row["high"]) == (expected.difference, expected.low, expected.high)
    assert (row["internal"], row["external"], row["replicates"], row["level"]) == ("I", "II", 2, 0.95)
    assert row["gap"] == pytest.approx(row["internal_auc"] - row["external_auc"], abs=1e-12) and row["gap"] > 0


def test_gap_table_uses_the_replicates_that_both_sides_have():
    (row,) = tables.gap_table(table(part("I", 0), part("I", 1), part("II", 1))).to_dict("records")
    expected = generalization_gap([sample("I", 1)], [sample("II", 1)])
    assert (row["replicates"], row["gap"]) == (1, expected.difference)
    assert len(tables.gap_table(table(part("I", 0), part("II", 1)))) == 0


def test_gap_table_has_its_columns_where_it_has_no_rows():
    empty = tables.gap_table(table(part("I", 0)))
    assert len(empty) == 0
    assert list(empty.columns) == list(tables.gap_table(table()).columns) == list(tables.GAP_COLUMNS)


def test_gap_table_never_mixes_trainings():
    inside, outside = part("I", 0), part("II", 0, training_id="t1")
    assert len(tables.gap_table(table(inside, outside))) == 0
