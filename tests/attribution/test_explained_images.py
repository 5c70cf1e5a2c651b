"""Which images and labels are explained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshort.attribution.explained_images import check_explainable, choose_images, choose_labels, label_targets
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import Reference

from ..training.tiny import tiny_manifest, write_dataset

DESCRIPTION = Description("classifier", "small-cnn", ("Edema", "COVID-19"), InputSpec(32))
MODEL = Reference("run/model.safetensors", "run", "id", DESCRIPTION, {})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    """Return 60 images, of which 6 have COVID-19; Edema is empty in 12, and positive in half of the others."""
    folder = tmp_path_factory.mktemp("data")
    manifest = tiny_manifest(folder, people=30)
    manifest["COVID-19"] = (np.arange(60) % 10 == 0).astype(int)
    return load_dataset(str(write_dataset(folder, manifest)))


def test_labels_are_covid_or_the_first_or_those_named():
    assert choose_labels(MODEL, ()) == ("COVID-19",)
    assert choose_labels(replace(MODEL, description=replace(DESCRIPTION, labels=("Mass", "Edema"))), ()) == ("Mass",)
    assert choose_labels(MODEL, ["Edema", "COVID-19", "Edema"]) == ("Edema", "COVID-19")
    with pytest.raises(UsageError) as caught:
        choose_labels(MODEL, ["Edemma"])
    assert (caught.value.message, caught.value.hint) == (
        "'Edemma' is not a known label of this model",
        "did you mean 'Edema'?",
    )


def test_all_images_have_a_row_for_each_label(data):
    explained = choose_images(MODEL, data, ("COVID-19", "Edema"))
    assert len(explained.table) == 120 and len(explained.data.manifest) == 60
    assert list(explained.outputs) == [1] * 60 + [0] * 60
    assert list(explained.images) == 2 * list(range(60)) and list(explained.positions) == list(range(60))
    counts = explained.table.groupby(["label", "class"]).size().to_dict()
    assert counts[("COVID-19", "positive")] == 6 and counts[("Edema", "unlabelled")] == 12
    assert list(explained.table["image_id"][:60]) == list(data.manifest["image_id"])


@pytest.mark.parametrize(
    ("label", "count", "expected"),
    [
        ("COVID-19", 8, {"positive": 4, "negative": 4}),
        ("COVID-19", 20, {"positive": 6, "negative": 14}),
        ("Edema", 7, {"positive": 4, "negative": 3}),
        ("Edema", 50, {"positive": 24, "negative": 24, "unlabelled": 2}),
        ("Edema", 500, {"positive": 24, "negative": 24, "unlabelled": 12}),
    ],
)
def test_sample_is_balanced_as_far_as_there_are_images(data, label, count, expected):
    explained = choose_images(MODEL, data, (label,), count=count, seed=3)
    assert explained.table["class"].value_counts().to_dict() == expected
    assert explained.table["image_id"].is_unique and list(explained.positions) == sorted(explained.positions)
    names = data.manifest["image_id"].iloc[explained.positions[explained.images]]
    assert list(explained.table["image_id"]) == list(names)
    again = choose_images(MODEL, data, (label,), count=count, seed=3)
    assert explained.table.equals(again.table)


def test_sample_of_a_label_does_not_depend_on_other_labels(data):
    alone = choose_images(MODEL, data, ("Edema",), count=10, seed=1).table
    both = choose_images(MODEL, data, ("COVID-19", "Edema"), count=10, seed=1).table
    assert list(both[both["label"] == "Edema"]["image_id"]) == list(alone["image_id"])
    assert list(alone["image_id"]) != list(choose_images(MODEL, data, ("Edema",), count=10, seed=2).table["image_id"])


def test_numbers_have_no_class_and_labels_of_others_no_targets(data):
    regression = replace(MODEL, description=replace(DESCRIPTION, labels=("age_years",), recipe={"task": "regression"}))
    table = choose_images(regression, data, ("age_years",)).table
    assert set(table["class"]) == {"all"} and table["target"].iloc[0] == 40
    assert np.isnan(label_targets(data.manifest, "Hernia")).all()


def test_segmenter_is_refused(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        check_explainable(replace(MODEL, description=replace(DESCRIPTION, kind="segmenter")))
    assert caught.value.message == "'run/model.safetensors' is a segmenter, and explain takes classifiers"
