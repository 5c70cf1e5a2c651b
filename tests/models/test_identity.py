"""Identity and name of a training."""

from dataclasses import replace

import pytest

from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.identity import IDENTITY_DIGITS, training_id, training_name

RECIPE = {"method": "erm", "epochs": 2, "name": "short"}
MODEL = Description("classifier", "resnet18", ("COVID-19",), InputSpec(64), dataset="I", recipe=RECIPE)


def test_identity_is_made_of_hexadecimal_digits():
    assert len(training_id(MODEL)) == IDENTITY_DIGITS and int(training_id(MODEL), 16)


@pytest.mark.parametrize("change", [{"seed": 3}, {"replicate": 2}, {"recipe": {**RECIPE, "name": "other"}}])
def test_replicates_are_of_one_training(change):
    assert training_id(replace(MODEL, **change)) == training_id(MODEL)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "II"},
        {"dataset_id": "0" * 8},
        {"architecture": "resnet50"},
        {"recipe": {**RECIPE, "epochs": 3}},
        {"background": "black"},
    ],
)
def test_other_settings_are_another_training(change):
    assert training_id(replace(MODEL, **change)) != training_id(MODEL)


def test_name_of_a_dataset_does_not_matter_where_its_identity_is_known():
    models = [replace(MODEL, dataset=name, dataset_id="abc") for name in ("I", "copy")]
    assert training_id(models[0]) == training_id(models[1])


def test_model_of_unknown_training_has_no_identity():
    assert training_id(replace(MODEL, recipe={})) == ""


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "I/resnet18/erm"),
        ({"training": "erm, epochs=9"}, "I/resnet18/erm, epochs=9"),
        ({"background": "black"}, "I/resnet18/erm on black"),
        ({"kind": "ensemble", "members": 3}, "I/resnet18/erm, members=3"),
        ({"kind": "ensemble", "members": 3, "combine": "quadratic"}, "I/resnet18/erm, members=3, combine=quadratic"),
        ({"dataset": ""}, "resnet18/erm"),
    ],
)
def test_training_is_named_for_people(change, name):
    assert training_name(replace(MODEL, **change)) == name
