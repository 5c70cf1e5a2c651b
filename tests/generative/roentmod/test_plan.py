"""Plans: which images are edited, and the rows of their edits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.plan import choose_sources, plan_edits
from cxrshort.generative.roentmod.seeds import edit_seed

from ...training.tiny import tiny_dataset

PROMPTS = [Prompt("edema", "edema", "Edema"), Prompt("sham", "no acute cardiopulmonary process")]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Return 8 images, of which the first has Edema, the second lacks that label, and the last one both."""
    tiny_dataset(tmp_path / "films", name="films", people=8, size=16)
    data = load_dataset(str(tmp_path / "films"))
    manifest = data.manifest.iloc[:8].assign(**dict.fromkeys(data.labels, np.float32(0))).reset_index(drop=True)
    manifest.loc[0, "Edema"] = 1.0
    manifest.loc[1, "Edema"] = np.nan
    manifest.loc[7, data.labels] = np.nan
    return Dataset("films", manifest, data.path, data.recipe, dataset_id=data.dataset_id)


def test_images_with_findings_are_left_out_unless_asked(data: Dataset) -> None:
    chosen, notes = choose_sources(data)
    assert chosen.manifest["image_id"].tolist() == data.manifest["image_id"][1:7].tolist()
    assert notes == [
        "1 of 8 images has a finding and is not edited (--all-images edits images with findings too)",
        "1 of the images that are edited lacks some labels, and may have those findings",
    ]
    every, notes = choose_sources(data, all_images=True)
    assert len(every.manifest) == 8 and notes == []


def test_expression_and_sample_choose_further(data: Dataset) -> None:
    wanted = data.manifest["image_id"].iloc[3]
    chosen, _ = choose_sources(data, where=f'image_id == "{wanted}"')
    assert chosen.manifest["image_id"].tolist() == [wanted]
    sampled, notes = choose_sources(data, sample=2)
    assert len(sampled.manifest) == 2 and notes[-1] == "2 of 6 images are drawn by a hash of their names"


def test_edits_that_would_be_edited_again_are_counted(data: Dataset) -> None:
    edits = data.manifest.assign(edit="sham")
    edits.loc[edits.index[1:], "edit"] = ""
    _, notes = choose_sources(replace(data, manifest=edits), all_images=True)
    assert notes[-1] == f"1 of {len(edits)} images is an edit already, and is edited again"
    assert not any("already" in note for note in choose_sources(data, all_images=True)[1])


def test_choices_without_an_image_are_refused(data: Dataset) -> None:
    sick = Dataset("films", data.manifest.iloc[[0, 7]].reset_index(drop=True), data.path, data.recipe)
    with pytest.raises(DataError) as caught:
        choose_sources(sick)
    assert caught.value.message == "films: no image without findings, 1 of 2 has one, 1 without any label"
    with pytest.raises(UsageError, match="no image fulfils 'view == \"LATERAL\"'"):
        choose_sources(data, where='view == "LATERAL"')
    with pytest.raises(UsageError, match="--sample is '0'"):
        choose_sources(data, sample=0)
    unlabelled = Dataset("films", data.manifest.drop(columns=data.labels), data.path, data.recipe)
    with pytest.raises(DataError, match="films has no labels that would say"):
        choose_sources(unlabelled)


def test_rows_stand_by_image_and_repetition_and_round_trips_come_last(data: Dataset) -> None:
    manifest = data.manifest.iloc[:2]
    rows = plan_edits(manifest, PROMPTS, repetitions=2, seed=3, parameters={"strength": 0.4, "scheduler": "ddim"})
    first, second = manifest["image_id"]
    assert rows["image_id"].tolist() == [
        *(f"{name}#{edit}" for name in (first, second) for edit in ("edema", "sham", "edema#1", "sham#1")),
        f"{first}#round trip",
        f"{second}#round trip",
    ]
    assert rows["edit_repetition"].tolist() == [0, 0, 1, 1] * 2 + [0, 0]
    assert rows["edit_prompt"].tolist()[:2] == ["edema", "no acute cardiopulmonary process"]
    assert rows["edit_label"].tolist() == ["Edema", ""] * 4 + ["", ""]
    assert rows["edit_seed"].tolist()[:4] == [edit_seed(3, first, number) for number in (0, 0, 1, 1)]
    assert json.loads(rows["edit_parameters"][0]) == {"strength": 0.4, "scheduler": "ddim"}
    assert rows["edit_strength"].tolist()[:1] == [0.4] and rows["edit_strength"].isna().tolist()[-2:] == [True, True]
    assert rows["person_id"].tolist()[:4] == [manifest["person_id"].iloc[0]] * 4


def test_no_repetition_is_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match="--repetitions is '0'"):
        plan_edits(data.manifest, PROMPTS, repetitions=0)
