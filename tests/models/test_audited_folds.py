"""Which fold an audit may look at."""

from dataclasses import replace
from pathlib import Path

import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.people import hash_people
from cxrshort.models.sources.opening import Reference

from ..training.tiny import tiny_dataset

DESCRIPTION = Description("classifier", "small-cnn", ("COVID-19",), InputSpec(32), pixels={"fit": "crop"})


@pytest.fixture
def tiny(tmp_path: Path):
    """Return a dataset, and a model that was trained on its training and validation folds."""
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    people = data.manifest["person_id"][data.manifest["split_0"] != "test"]
    description = replace(DESCRIPTION, training_people=hash_people(people), dataset_id=data.dataset_id)
    return data, Reference("run", "run", "id", description, {})


def test_training_images_are_allowed_under_split_train_and_a_note_counts_their_persons(tiny):
    data, model = tiny
    fold, notes = audited_fold(model, data, "train")
    assert (fold.split, fold.role, len(fold.data.manifest)) == ("train", "internal", 24)
    assert notes == ["the model was trained on 12 of the 12 patients of this fold (--split train)"]
    assert audited_fold(replace(model, description=DESCRIPTION), data, "train")[1] == []


def test_other_folds_are_those_of_evaluation(tiny):
    data, model = tiny
    fold, notes = audited_fold(model, data, "test")
    assert (fold.split, notes) == ("test", [])
    for split in ("val", "all"):
        with pytest.raises(DataError, match="'run' was trained on"):
            audited_fold(model, data, split)


def test_images_made_otherwise_are_refused_for_training_too(tiny):
    data, model = tiny
    with pytest.raises(DataError, match="fit 'pad'"):
        audited_fold(model, replace(data, recipe={"fit": "pad"}), "train")
