"""Originals and edits are joined by source; what does not fit is refused or counted with names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.verbs.roentmod.pairing import ModelPairs, choose_labels, match_models, pair_edits
from cxrshort.verbs.roentmod.scores import read_score_rows

from .tables import EDITS, NAMES, change, predictions


def paired(before: Path, after: Path, cohort: Path | None = None, **options: str) -> ModelPairs:
    reference = None if cohort is None else read_score_rows(cohort)
    return pair_edits("m", read_score_rows(before), read_score_rows(after), reference, NAMES, **options)


def refusal(before: Path, after: Path, cohort: Path | None = None) -> str:
    with pytest.raises(CxrshortError) as caught:
        paired(before, after, cohort)
    return caught.value.message


def test_edits_stand_beside_their_originals_in_any_order_of_rows(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    ordered = paired(before, after, cohort)
    pd.read_csv(after).sample(frac=1, random_state=0).to_csv(after, index=False)
    pd.read_csv(before).sample(frac=1, random_state=1).to_csv(before, index=False)
    mixed = paired(before, after, cohort)
    assert [edit.added for edit in ordered.edits] == list(EDITS) == [edit.added for edit in mixed.edits]
    assert [edit.label for edit in ordered.edits] == list(NAMES)
    assert (ordered.images, ordered.persons, [edit.added for edit in ordered.controls]) == (40, 40, ["sham"])
    for first, second in zip(ordered.edits, mixed.edits, strict=True):
        assert first.sham is not None and second.sham is not None
        gains = [np.sort((edit.after - edit.before)[:, 0]) for edit in (first, second)]
        assert np.array_equal(*gains)
        assert np.array_equal(np.sort(first.sham[:, 0]), np.sort(second.sham[:, 0]))
    assert len(ordered.reference.logits) == 300 and ordered.notes == []


def test_targets_of_edits_state_what_comes_along(tmp_path: Path) -> None:
    stated = paired(*predictions(tmp_path)).stated
    assert stated.share(["edema"], "Edema") == 1.0 and stated.share(["edema"], "Hernia") == 0.0


@pytest.mark.parametrize("name", ["No_Finding", "no acute cardiopulmonary process"])
def test_no_finding_prompt_is_the_sham(tmp_path: Path, name: str) -> None:
    assert [edit.added for edit in paired(*predictions(tmp_path, sham=name)).controls] == [name]


def test_sham_of_another_name_is_named(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path, sham="control")
    pairs = paired(before, after, cohort, sham="Control")
    assert [edit.added for edit in pairs.controls] == ["control"] and pairs.edits[0].sham is not None


def test_round_trip_is_a_control_and_no_sham(tmp_path: Path) -> None:
    pairs = paired(*predictions(tmp_path, sham="VAE round trip"))
    assert [edit.added for edit in pairs.controls] == ["VAE round trip"] and pairs.edits[0].sham is None
    expected = (
        "no sham edit ('VAE round trip' adds no noise): nothing is called more than suspicious; --sham NAME names one"
    )
    assert expected in pairs.notes


def test_persons_are_patients_where_the_table_has_no_persons(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    change(before, person_id="", patient_id=["p1", "p2"] * 20)
    assert paired(before, after, cohort).persons == 2
    change(before, patient_id="")
    pairs = paired(before, after, cohort)
    assert pairs.persons == 40
    assert pairs.notes == ["40 originals have no person_id and count as of persons of their own"]


def test_originals_are_the_cohort_where_there_is_no_other(tmp_path: Path) -> None:
    pairs = paired(*predictions(tmp_path)[:2])
    assert len(pairs.reference.logits) == 40
    assert pairs.notes[0].startswith("percentiles are within the 40 originals; --reference D")


def test_edits_are_left_out_of_originals_and_cohort_and_counted(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    table = pd.concat([pd.read_csv(path) for path in (before, after)])
    table.to_csv(before, index=False)
    pd.concat([pd.read_csv(path) for path in (cohort, after)]).to_csv(cohort, index=False)
    table.to_csv(after, index=False)
    pairs = paired(before, after, cohort)
    assert (pairs.images, len(pairs.reference.logits)) == (40, 300)
    assert pairs.notes[:3] == [
        "before.csv: 200 edited images are no original and left out",
        "after.csv: 40 rows are no edits and left out",
        "cohort.csv: 200 edited images are no image of the reference cohort and left out",
    ]


def test_edits_of_some_other_images_are_counted_with_names(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    pd.read_csv(before).iloc[2:].to_csv(before, index=False)
    pairs = paired(before, after, cohort)
    assert pairs.images == 38
    assert pairs.notes == ["10 edits without their original are left out, of images 'film/000', 'film/001'"]


def test_originals_with_findings_missing_shams_and_strange_edits_are_noted(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    change(before, target__Edema=[1, 0, 0, 0] * 10)
    table = pd.read_csv(after)
    shams = table.index[table["edit"] == "sham"]
    table = table.drop(index=shams[:3])
    table.loc[table["edit"] == "Hernia", "edit"] = "scoliosis"
    table.to_csv(after, index=False)
    assert paired(before, after, cohort).notes == [
        "10 of 40 originals have a finding already, and can gain less",
        "no label is of the added finding 'scoliosis': all its cells are off target",
        "12 edits are of originals without a sham, and in the published change alone",
    ]


def test_coarse_percentiles_are_noted(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    change(cohort, logit__Edema=[5.0] * 40 + list(range(260)), logit__Mass=0.0)
    assert paired(before, after, cohort).notes == [
        "a tenth or more of the reference cohort has one score, so that percentiles are coarse: Edema"
    ]


def test_predictions_of_other_images_are_refused(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    change(after, source_image_id="other/1")
    assert refusal(before, after, cohort) == "after.csv holds edits of other images than before.csv: 'other/1'"


def test_rows_that_stand_twice_are_refused(tmp_path: Path) -> None:
    before, after, _ = predictions(tmp_path)
    pd.concat([pd.read_csv(before)] * 2).to_csv(before, index=False)
    assert refusal(before, after) == (
        "before.csv: 40 images stand twice for one model: 'film/000', 'film/001', 'film/002' and 37 more"
    )


def test_tables_without_edits_or_originals_are_refused(tmp_path: Path) -> None:
    before, after, _ = predictions(tmp_path)
    assert refusal(before, before) == "before.csv: no row has both source_image_id and edit"
    assert refusal(after, after) == "after.csv: all images are edits, and none is an original"
    change(after, edit="sham", image_id=range(200))
    assert refusal(before, after) == "after.csv: no edit adds a finding: 'sham'"


def test_models_are_matched_by_identity(tmp_path: Path) -> None:
    tables = [read_score_rows(path) for path in predictions(tmp_path, models=("a", "b"))]
    assert match_models(*tables) == {"a": "a", "b": "b"}
    with pytest.raises(CxrshortError) as caught:
        match_models(tables[0], tables[1].of_model("a"), tables[2])
    assert caught.value.message == "before.csv and after.csv are not of the same models: 'b'"


def test_table_that_does_not_name_its_model_stands_beside_one_model_alone(tmp_path: Path) -> None:
    unnamed = read_score_rows(predictions(tmp_path)[2])
    two = [read_score_rows(path) for path in predictions(tmp_path, models=("a", "b"))]
    assert match_models(two[0].of_model("a"), two[1].of_model("a"), unnamed) == {"a": "a"}
    assert match_models(unnamed, unnamed, unnamed) == {"": "cohort"}
    with pytest.raises(CxrshortError) as caught:
        match_models(two[0], two[1], unnamed)
    assert caught.value.message == "cohort.csv does not say which of 2 models it is of"


def test_labels_that_not_all_tables_have_are_left_out_with_names(tmp_path: Path) -> None:
    before, after, cohort = predictions(tmp_path)
    change(before, logit__Mass=1.0)
    change(after, logit__Hernia="")
    parts = {"m": [read_score_rows(path) for path in (before, after, cohort)]}
    labels, notes = choose_labels(parts, [])
    assert labels == list(NAMES[:3])
    assert notes == ["2 labels are not in every table and left out: 'Hernia', 'Mass'"]
    assert choose_labels(parts, ["Edema"])[0] == ["Edema"]
    with pytest.raises(CxrshortError, match="'Hernia' is not a known label of all models"):
        choose_labels(parts, ["Hernia"])
    for name in NAMES[:3]:
        change(after, **{f"logit__{name}": ""})
    with pytest.raises(CxrshortError, match="no label is in all tables and of all models: 'Cardiomegaly'"):
        choose_labels({"m": [read_score_rows(path) for path in (before, after, cohort)]}, [])
