"""What a cure refuses before any work is done; the message of each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from cxrshort.errors import CxrshortError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.training import recipes
from cxrshort.training.cures.start import check_linear, locate_start
from cxrshort.verbs.train import train

from .conftest import QUICK
from .planted import SIDE, planted

BASE: dict[str, Any] = {"method": "dfr", "group": "repository"}


def refusal(dataset: Path, weights: Path | str, tmp_path: Path, *, arch: str = "", **options: Any) -> str:
    replicate = options.pop("replicate", 0)
    overrides = {**BASE, "weights": str(weights), **options}
    with pytest.raises(CxrshortError) as caught:
        train(str(dataset), arch=arch, overrides=overrides, out=tmp_path / "out", replicate=replicate, **QUICK)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    return caught.value.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "none"}, "'dfr' changes a trained model, and --weights is 'none'"),
        ({"weights": "nowhere"}, "'nowhere' does not exist"),
        ({"arch": "resnet18"}, "--arch is 'resnet18', and '{file}' is of 'small-cnn'"),
        ({"epochs": 3}, "--epochs has no use with --method dfr, which changes the last layer alone"),
        ({"members": 2}, "--members has no use with --method dfr, which changes the last layer alone"),
        ({"labels": "Edema"}, "--labels is 'Edema', and '{file}' has 'COVID-19'"),
        ({"task": "multiclass"}, "'dfr' changes models of multilabel outputs, and these are multiclass"),
        ({"task": "multiclass", "method": "p-clarc"}, "'{file}' has multilabel outputs, not multiclass ones"),
        ({"replicate": 1}, "--replicate is 1, and '{folder}' holds no models of it (replicates 0)"),
        ({"group": ""}, "'dfr' needs groups"),
        ({"group": "COVID-19"}, "--group is the label 'COVID-19', whose classes are balanced anyway"),
        ({"settings": "weight=3"}, "'weight' is not a known setting of dfr"),
        ({"method": "p-clarc", "group": "age_years"},
         "--group has 10 values among the val images, and 'p-clarc' needs two"),
        ({"method": "p-clarc", "group": "", "settings": "source=masks", "mask_bit": "lungs"},
         "0 val persons are with the shortcut, 'p-clarc' needs 2"),
    ],
)  # fmt: skip
def test_command_that_does_not_fit_is_refused(
    films: Path, plain: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    weights = options.pop("weights", plain)
    expected = message.format(file=plain / checkpoint.FILE, folder=plain)
    assert refusal(films, weights, tmp_path, **options) == expected


def test_replicate_of_a_model_file_is_checked_without_the_parent(films: Path, plain: Path) -> None:
    recipe = recipes.load_recipe("standard", overrides={**BASE, "weights": str(plain)})
    assert locate_start(recipe, replicate=0).weights == str(plain / checkpoint.FILE)


def test_other_folds_than_those_of_training_are_refused(films: Path, plain: Path, tmp_path: Path) -> None:
    manifest = pd.read_csv(films / "manifest.csv")
    # Some of the training persons are now called val: their union is the same but for those who went.
    manifest["split_0"] = manifest["split_0"].where(manifest.index % 8 != 0, "val")
    manifest.iloc[:-8].to_csv(tmp_path / "manifest.csv", index=False)
    message = refusal(tmp_path / "manifest.csv", plain, tmp_path)
    assert message.startswith(f"'{plain / checkpoint.FILE}' may have been trained on 17")
    assert message.endswith("val persons of planted, whose folds are not those of its training")


def test_persons_who_taught_an_earlier_dfr_are_refused(films: Path, plain: Path, tmp_path: Path) -> None:
    overrides = {**BASE, "weights": str(plain), "settings": "refits=1,strengths=1"}
    train(str(films), arch="", overrides=overrides, out=tmp_path / "first", **QUICK)  # type: ignore[arg-type]
    file = tmp_path / "first" / checkpoint.FILE
    assert refusal(films, file, tmp_path) == f"'{file}' was made by dfr, which trained on 120 of the 120 val persons"


def test_fold_with_a_class_or_a_group_missing_is_refused(plain: Path, tmp_path: Path) -> None:
    confounded = planted(tmp_path / "confounded", agreement=1.0, name="elsewhere")
    assert refusal(confounded, plain, tmp_path) == (
        "group 'site-a' has 0 val persons with COVID-19 = 1, 'dfr' needs 2, and 1 more such cells"
    )
    manifest = pd.read_csv(confounded / "manifest.csv")
    manifest.assign(**{"COVID-19": 0}).to_csv(tmp_path / "healthy.csv", index=False)
    assert refusal(tmp_path / "healthy.csv", plain, tmp_path) == (
        "elsewhere: label 'COVID-19' has one class alone in 'val' of 'split_0'"
    )
    manifest.rename(columns={"COVID-19": "Mass"}).to_csv(tmp_path / "mass.csv", index=False)
    assert refusal(tmp_path / "mass.csv", plain, tmp_path) == (
        "elsewhere lacks a label of the model: 'COVID-19' is not a known label"
    )


def test_images_without_masks_are_refused(films: Path, plain: Path, tmp_path: Path) -> None:
    manifest = pd.read_csv(films / "manifest.csv", dtype={"mask_row": "Int64"})
    manifest.loc[manifest["split_0"] == "val", "mask_row"] = pd.NA
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    options = {"method": "p-clarc", "group": "", "settings": "source=masks"}
    assert refusal(tmp_path / "manifest.csv", plain, tmp_path, **options) == (
        "planted: 120 of the 120 val images have no mask to say where the shortcut is"
    )


def test_models_without_one_linear_last_layer_are_refused(films: Path, tmp_path: Path) -> None:
    description = Description("ensemble", "small-cnn", ("COVID-19",), InputSpec(SIDE), members=2)
    file = tmp_path / "ensemble.safetensors"
    checkpoint.save_model(factory.build_model(description), file, description=description)
    assert refusal(films, file, tmp_path) == (
        f"'{file}' is of kind 'ensemble', 'dfr' changes a classifier of one network"
    )
    description = replace(description, kind="classifier", members=1)
    assert check_linear(nn.Linear(2, 1), description).out_features == 1
    for layer, message in (
        (nn.Conv2d(2, 1, 1), "the last layer of the model is 'Conv2d', a cure changes a linear one"),
        (nn.Linear(2, 1, bias=False), "the last layer of the model has no bias, and a cure needs one"),
    ):
        with pytest.raises(CxrshortError) as caught:
            check_linear(layer, description)
        assert caught.value.message == message


def test_empty_labels_are_read_as_in_training(plain: Path, tmp_path: Path) -> None:
    elsewhere = planted(tmp_path / "elsewhere", name="elsewhere", agreement=0.7)
    manifest = pd.read_csv(elsewhere / "manifest.csv")
    manifest["COVID-19"] = manifest["COVID-19"].where(manifest["COVID-19"] == 1).astype("Int64")
    manifest.to_csv(elsewhere / "manifest.csv", index=False)
    assert refusal(elsewhere, plain, tmp_path).startswith("elsewhere: label 'COVID-19' has one class alone")
    model, description = factory.load_model(plain / checkpoint.FILE)
    recipe = {**description.recipe, "empty_labels": "zero"}
    file = tmp_path / "zero.safetensors"
    checkpoint.save_model(model, file, description=replace(description, recipe=recipe))
    overrides = {**BASE, "weights": str(file), "settings": "refits=1,strengths=1"}
    train(str(elsewhere), arch="", overrides=overrides, out=tmp_path / "cured", **QUICK)  # type: ignore[arg-type]
    assert torch.isfinite(factory.load_model(tmp_path / "cured" / checkpoint.FILE)[0].network[-1].weight).all()
