"""What a user can choose when a model is trained: groups, masks, probes, classes, numbers, crops, patience."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, UsageError
from cxrshort.models import factory
from cxrshort.training import recipes
from cxrshort.training.data.folds import Folds
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

QUICK = {"arch": "small-cnn", "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("phantoms") / "phantom-III"
    build_dataset("phantom-III", out=folder, number_of_images=120, size=32, replicates=2, jobs=1)
    return str(folder)


def fails(*arguments: object, **options: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        train(*arguments, **options)
    return caught.value


@pytest.mark.parametrize("method", ["group-dro", "irm", "pgi"])
def test_group_wise_methods_train_on_a_column_or_an_expression(phantoms: str, tmp_path: Path, method: str) -> None:
    for number, group in enumerate(("view", "age_years >= 50")):
        summary = train(
            phantoms,
            overrides={
                "epochs": 1,
                "method": method,
                "group": group,
                "settings": "" if method == "group-dro" else "warm_up_epochs=0",
            },
            out=tmp_path / str(number),
            **QUICK,
        ).summary
        assert np.isfinite(summary["history"][0]["loss"])


@pytest.mark.parametrize("method", ["rrr", "gain", "isnet"])
def test_mask_methods_train_on_the_phantoms_lungs(phantoms: str, tmp_path: Path, method: str) -> None:
    settings = "warm_up_epochs=1" if method == "isnet" else ""
    overrides = {"epochs": 2, "method": method, "settings": settings}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK).summary
    assert np.isfinite(summary["history"][-1]["loss"])


def test_probes_predict_sex_and_view(phantoms: str, tmp_path: Path) -> None:
    for label in ("sex", "view"):
        out = tmp_path / label
        train(phantoms, overrides={"epochs": 1, "labels": label}, out=out, **QUICK)
        result = evaluate(
            [str(out)], dataset=[phantoms], out=tmp_path / f"results-{label}", device="cpu", threads=1
        ).summary
        assert result["label"] == label
        predictions = pd.read_csv(tmp_path / f"results-{label}" / "predictions.csv")
        one = {"sex": "M", "view": "AP"}[label]
        assert (predictions[f"target.{label}"] == (predictions[label] == one)).all()


def test_classes_that_exclude_each_other_give_the_log_odds_of_their_probabilities(
    phantoms: str, tmp_path: Path
) -> None:
    overrides = {"epochs": 1, "task": "multiclass", "labels": "COVID-19,Pneumonia"}
    with pytest.raises(CxrshortError) as caught:
        train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK)
    assert caught.value.message.endswith(" training images are of several of the classes")
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest[(manifest["COVID-19"] == "0") | (manifest["Pneumonia"] == "0")].to_csv(tmp_path / "x.csv", index=False)
    exclusive = str(tmp_path / "x.csv")
    train(exclusive, overrides=overrides, out=tmp_path / "run", **QUICK)
    evaluate([str(tmp_path / "run")], dataset=[exclusive], out=tmp_path / "results", device="cpu", threads=1)
    table = pd.read_csv(tmp_path / "results" / "predictions.csv")
    logits = table[["logit.COVID-19", "logit.Pneumonia"]].to_numpy()
    probabilities = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_one_class_alone_is_no_choice(phantoms: str, tmp_path: Path) -> None:
    error = fails(phantoms, overrides={"task": "multiclass", "labels": "sex"}, out=tmp_path / "run", **QUICK)
    assert error.message == "--multiclass needs two classes or more, not 'sex' alone"


def test_model_of_the_warm_up_epochs_is_never_kept(phantoms: str, tmp_path: Path) -> None:
    overrides = {"epochs": 3, "method": "irm", "group": "view", "settings": "warm_up_epochs=2"}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK).summary
    assert [record.get("warm_up", False) for record in summary["history"]] == [True, True, False]
    assert summary["selection"]["epoch"] == 3
    error = fails(phantoms, overrides={"epochs": 5, "method": "isnet"}, out=tmp_path / "other", **QUICK)
    assert error.message == "--epochs is '5', and the first 5 of 'isnet' are warm-up epochs"
    assert error.hint == "--epochs 6 or more, or --set warm_up_epochs=N"


def test_unknown_sex_or_view_is_not_the_other_one_where_empty_diseases_are_negative(
    phantoms: str, tmp_path: Path
) -> None:
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.loc[manifest.index[::2], ["sex", "Edema"]] = ""
    manifest.to_csv(tmp_path / "x.csv", index=False)
    recipe = recipes.load_recipe("standard", overrides={"labels": "sex,Edema", "empty_labels": "zero"})
    folds = Folds.cut(load_dataset(str(tmp_path / "x.csv")), recipe, replicate=0, explicit_label=False)
    empty = (folds.train.manifest["sex"] == "").to_numpy()
    assert empty.any() and np.isnan(folds.train_targets[empty, 0]).all()
    assert not np.isnan(folds.train_targets[:, 1]).any()


def test_isnet_with_a_crop_is_refused(phantoms: str, tmp_path: Path) -> None:
    error = fails(phantoms, overrides={"method": "isnet", "crop": 0.75}, out=tmp_path / "run", **QUICK)
    assert error.message == "--method isnet needs the whole image, since its maps and masks must lie alike"


@pytest.mark.parametrize("label", ["score", "age_years"])
def test_number_is_learnt_as_a_regression(phantoms: str, tmp_path: Path, label: str) -> None:
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest["score"] = [str(number % 7) for number in range(len(manifest))]
    manifest.to_csv(tmp_path / "scored.csv", index=False)
    overrides = {"epochs": 1, "task": "regression", "labels": label}
    summary = train(str(tmp_path / "scored.csv"), overrides=overrides, out=tmp_path / "run", **QUICK).summary
    assert summary["selection"]["measure"] == f"rank correlation of {label}"
    assert -1 <= summary["selection"]["score"] <= 1
    result = evaluate([str(tmp_path / "run")], dataset=[str(tmp_path / "scored.csv")], out=tmp_path / "results",
                      device="cpu", threads=1).summary  # fmt: skip
    row = result["correlations"][0]
    table = pd.read_csv(tmp_path / "results" / "predictions.csv")
    assert row["value"] == pytest.approx(spearmanr(table[f"target.{label}"], table[f"logit.{label}"]).statistic)
    assert row["low"] <= row["value"] <= row["high"] and row["images"] == len(table)
    assert not (tmp_path / "results" / "aucs.csv").exists()
    train(phantoms, overrides={"epochs": 1}, out=tmp_path / "classifier", **QUICK)
    with pytest.raises(UsageError) as caught:
        evaluate([tmp_path / "run", tmp_path / "classifier"], dataset=[phantoms], out=tmp_path / "x", device="cpu")
    assert caught.value.hint == "evaluate regressions and classifiers apart"


def test_number_is_no_label(phantoms: str, tmp_path: Path) -> None:
    error = fails(phantoms, overrides={"labels": "COVID-19,age_years"}, out=tmp_path / "run", **QUICK)
    assert error.message == "'age_years' holds numbers beyond 0 to 1, which are no labels"
    assert error.hint == "--labels age_years --regression learns the number"
    assert not (tmp_path / "run").exists()


def test_crop_is_part_of_the_model(phantoms: str, tmp_path: Path) -> None:
    train(phantoms, overrides={"epochs": 1, "crop": 0.75}, out=tmp_path / "run", **QUICK)
    _, description = factory.load_model(tmp_path / "run" / "model.safetensors")
    assert description.spec.crop == 0.75


def test_patience_ends_a_run_that_no_longer_improves(phantoms: str, tmp_path: Path) -> None:
    overrides = {"epochs": 30, "patience": 1, "learning_rate": 1e-9, "schedule": "constant"}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK).summary
    assert len(summary["history"]) < 30
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "done"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"method": "irm"}, "'irm' needs groups"),
        (
            {"method": "irm", "group": "repository == 'nowhere'"},
            "'irm' needs two groups or more, all training images are in one",
        ),
        ({"crop": 0.0}, "--set crop is '0.0', it must be above 0 and at most 1"),
        ({"task": "regression"}, "a regression needs to know which number"),
    ],
)
def test_train_refuses(phantoms: str, tmp_path: Path, overrides: dict[str, object], message: str) -> None:
    assert fails(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK).message == message


@pytest.mark.parametrize("method", ["irm", "group-dro", "pgi"])
def test_column_of_one_value_is_no_group(phantoms: str, tmp_path: Path, method: str) -> None:
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(view="PA").to_csv(tmp_path / "one.csv", index=False)
    overrides = {"method": method, "group": "view"}
    error = fails(str(tmp_path / "one.csv"), overrides=overrides, out=tmp_path / "run", **QUICK)
    assert error.message == f"'{method}' needs two groups or more, all training images are in one"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"method": "rrr"}, "'rrr' needs masks of where evidence may lie"),
        ({"method": "gain"}, "'gain' needs masks of where evidence may lie"),
        ({"method": "isnet"}, "'isnet' needs masks of where evidence may lie"),
    ],
)
def test_masks_are_asked_for_where_they_are_needed(
    phantoms: str, tmp_path: Path, overrides: dict[str, object], message: str
) -> None:
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False).drop(columns="mask_row")
    manifest.to_csv(tmp_path / "bare.csv", index=False)
    error = fails(str(tmp_path / "bare.csv"), overrides=overrides, out=tmp_path / "run", **QUICK)
    assert error.message == message
    assert not (tmp_path / "run").exists()


def test_segmenter_without_target_masks_is_refused(phantoms: str, tmp_path: Path) -> None:
    error = fails(phantoms, overrides={}, out=tmp_path / "run", **{**QUICK, "arch": "unet-small"})
    assert error.message == "'unet-small' draws masks, it cannot learn labels"
    assert error.hint == "cxrshort train --arch unet-small --target masks"
