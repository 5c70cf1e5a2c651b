"""Segmenters, pipelines and frozen features, from training to evaluation."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.columns import MASK_BITS
from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, ResumableError
from cxrshort.models import checkpoint, factory
from cxrshort.models.outlines import draw_outlines, load_segmenter
from cxrshort.models.scoring import score
from cxrshort.stats.auc import auc
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

CPU: dict[str, Any] = {"threads": 1, "device": "cpu"}
QUICK: dict[str, Any] = {"arch": "small-cnn", **CPU}
LUNGS = {"task": "masks", "epochs": 5, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("phantoms") / "phantom-III"
    build_dataset("phantom-III", out=folder, number_of_images=100, size=32, replicates=2, jobs=1)
    return str(folder)


@pytest.fixture(scope="module")
def segmenter(phantoms: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("segmenter") / "run"
    train(phantoms, arch="unet-small", overrides=LUNGS, out=out, **CPU)
    return str(out)


def without_masks(phantoms: str, folder: Path, *, rows: int | None = None) -> str:
    """Write a manifest of the same images in which the first rows, or all, have no mask."""
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.loc[manifest.index[:rows], "mask_row"] = ""
    manifest.to_csv(folder / "bare.csv", index=False)
    return str(folder / "bare.csv")


def validation_auc(run: Path, dataset: str) -> float | None:
    """Return what the saved model reaches on the fold that chose it."""
    model, description = factory.load_model(run / checkpoint.FILE)
    fold = load_dataset(dataset).fold("val", replicate=0)
    label = str(description.selection["measure"]).removeprefix("AUC of ")
    compute = choose_compute("cpu", precision=str(description.recipe["precision"]), threads=1)
    logits = score(model, fold.pixels, compute=compute)
    return auc(fold.manifest[label].to_numpy(), logits[:, description.labels.index(label)])


def fails(*arguments: Any, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(*arguments, **options)
    return caught.value


def test_unet_learns_the_lungs_of_60_phantoms(phantoms: str, segmenter: str, tmp_path: Path) -> None:
    summary = json.loads((Path(segmenter) / "run.json").read_text())["summary"]
    assert summary["images"]["train"] <= 70
    assert summary["selection"]["measure"] == "Dice of lungs"
    assert summary["selection"]["score"] == max(record["dice"] for record in summary["history"]) > 0.8
    _, description = factory.load_model(Path(segmenter) / "model.safetensors")
    assert (description.kind, description.labels) == ("segmenter", ("lungs",))
    result = evaluate([segmenter], dataset=[phantoms], out=tmp_path / "results", **CPU).summary
    row = result["overlaps"][0]
    assert all(0 < record["iou"] < record["dice"] for record in summary["history"])
    assert row["dice"] > 0.8 and row["dice_low"] <= row["dice"] <= row["dice_high"] and row["iou"] < row["dice"]
    table = pd.read_csv(tmp_path / "results" / "masks.csv")
    names = ["model", "model_id", "dataset", "dataset_id", "replicate", "mask", "image_id", "person_id", "dice", "iou"]
    assert list(table.columns) == names
    assert table["dice"].mean() == pytest.approx(row["dice"]) and len(table) == row["images"]


def overlaps_by_hand(run: str, dataset: str, split: str) -> pd.DataFrame:
    """Return Dice and IoU of each image of a fold, counted pixel by pixel as sets."""
    model, _ = factory.load_model(Path(run) / checkpoint.FILE)
    fold = load_dataset(dataset).fold(split, replicate=0)
    assert fold.masks is not None
    rows = []
    for number, image_id in enumerate(fold.manifest["image_id"]):
        pixels = torch.from_numpy(fold.pixels.take([number]) / np.float32(255))[:, None]
        with torch.inference_mode():
            drawn = {tuple(place) for place in np.argwhere(model(pixels)[0, 0].sigmoid().numpy() > 0.5)}
        truth = {tuple(place) for place in np.argwhere(fold.masks.take([number])[0] % 2 == 1)}
        both, either = len(drawn & truth), len(drawn | truth)
        rows.append((image_id, 2 * both / (len(drawn) + len(truth)), both / either))
    return pd.DataFrame(rows, columns=["image_id", "dice", "iou"])


def test_dice_and_iou_are_those_of_the_validation_and_the_test_fold(
    phantoms: str, segmenter: str, tmp_path: Path
) -> None:
    summary = json.loads((Path(segmenter) / "run.json").read_text())["summary"]
    expected = overlaps_by_hand(segmenter, phantoms, "val")
    kept = summary["history"][summary["selection"]["epoch"] - 1]
    for name in ("dice", "iou"):
        # bf16 may move a pixel whose probability is one half.
        assert summary["validation"][name] == kept[name] == pytest.approx(expected[name].mean(), abs=5e-3)
    assert summary["validation"]["images"] == len(expected)
    row = evaluate([segmenter], dataset=[phantoms], out=tmp_path / "results", **CPU).summary["overlaps"][0]
    expected = overlaps_by_hand(segmenter, phantoms, "test")
    table, means = (pd.read_csv(tmp_path / "results" / name) for name in ("masks.csv", "overlaps.csv"))
    assert table["image_id"].tolist() == expected["image_id"].tolist()
    for name in ("dice", "iou"):
        np.testing.assert_allclose(table[name], expected[name], atol=2e-2)
        assert row[name] == pytest.approx(expected[name].mean(), abs=5e-3)
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
        assert means[name].tolist() == pytest.approx([row[name]])


def test_images_without_masks_are_counted(phantoms: str, tmp_path: Path) -> None:
    overrides = {**LUNGS, "epochs": 1, "mask_bit": "heart,lungs"}
    bare = without_masks(phantoms, tmp_path, rows=30)
    summary = train(bare, arch="unet-small", overrides=overrides, out=tmp_path / "run", **CPU).summary
    left_out = summary["images_without_masks"]
    assert 0 < sum(left_out.values()) <= 30 and summary["labels"] == ["lungs+heart"]
    result = evaluate([str(tmp_path / "run")], dataset=[bare], out=tmp_path / "results", **CPU).summary
    assert result["overlaps"][0]["mask"] == "lungs+heart"
    assert result["overlaps"][0]["without_mask"] == 30 - sum(left_out.values())


@pytest.mark.parametrize("background", ["noise", "black"])
def test_pipeline_is_trained_saved_and_evaluated(
    phantoms: str, segmenter: str, tmp_path: Path, background: str
) -> None:
    overrides = {"epochs": 2, "background": background, "segmenter": segmenter}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK).summary
    model, description = factory.load_model(tmp_path / "run" / "model.safetensors")
    assert (description.kind, description.background) == ("pipeline", background)
    assert description.recipe["segmenter"].startswith("sha256:")
    drawn, _ = factory.load_model(Path(segmenter) / "model.safetensors")
    for name, value in drawn.state_dict().items():
        torch.testing.assert_close(model.state_dict()[f"network.segmenter.{name}"], value, rtol=0, atol=0)
    assert validation_auc(tmp_path / "run", phantoms) == pytest.approx(summary["selection"]["score"])
    evaluate([str(tmp_path / "run")], dataset=[phantoms], out=tmp_path / "results", **CPU)
    (training,) = set(pd.read_csv(tmp_path / "results" / "predictions.csv")["training"])
    assert f"background={background}" in training and "segmenter=" in training


def test_pipeline_resumes_to_the_same_bytes(
    phantoms: str, segmenter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = {"epochs": 3, "background": "noise", "segmenter": segmenter}
    train(phantoms, overrides=overrides, out=tmp_path / "whole", **QUICK)
    interrupted_then_resumed(phantoms, tmp_path / "halves", overrides, **QUICK)
    assert same_model(tmp_path / "whole", tmp_path / "halves")


def interrupted_then_resumed(dataset: str, out: Path, overrides: dict[str, Any], **options: Any) -> None:
    def interrupt(event: Any) -> None:
        if event["event"] == "epoch" and event["epoch"] == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ResumableError):
        train(dataset, overrides=overrides, out=out, report=interrupt, **options)
    train(dataset, overrides=overrides, out=out, resume=True, **options)


def same_model(first: Path, second: Path) -> bool:
    return (first / checkpoint.FILE).read_bytes() == (second / checkpoint.FILE).read_bytes()


@pytest.mark.parametrize("method", ["rrr", "gain"])
def test_segmenter_gives_masks_where_a_dataset_has_none(
    phantoms: str, segmenter: str, tmp_path: Path, method: str
) -> None:
    overrides = {"epochs": 1, "method": method, "segmenter": segmenter}
    summary = train(without_masks(phantoms, tmp_path), overrides=overrides, out=tmp_path / "run", **QUICK).summary
    assert np.isfinite(summary["history"][0]["loss"])
    assert checkpoint.read_description(tmp_path / "run" / "model.safetensors").kind == "classifier"


DRAWS: dict[str, Any] = {"arch": "multitask-unet-small", **CPU}
BOTH = {"method": "multitask", "epochs": 4, "batch_size": 16, "learning_rate": 3e-3}


def test_one_network_learns_labels_and_lungs_and_resumes(phantoms: str, tmp_path: Path) -> None:
    summary = train(phantoms, overrides=BOTH, out=tmp_path / "whole", **DRAWS).summary
    dices = [record["mask_dice"] for record in summary["history"]]
    assert dices[-1] > max(0.6, dices[0])
    assert summary["selection"]["measure"] == "AUC of COVID-19"
    assert validation_auc(tmp_path / "whole", phantoms) == pytest.approx(summary["selection"]["score"])
    interrupted_then_resumed(phantoms, tmp_path / "halves", BOTH, **DRAWS)
    assert same_model(tmp_path / "whole", tmp_path / "halves")
    evaluate([str(tmp_path / "whole")], dataset=[phantoms], out=tmp_path / "results", **CPU)
    (training,) = set(pd.read_csv(tmp_path / "results" / "predictions.csv")["training"])
    assert training.split("/")[-1].startswith("multitask, ")


def test_dice_beside_the_labels_is_that_of_the_kept_network(phantoms: str, tmp_path: Path) -> None:
    overrides = {**BOTH, "epochs": 1, "crop": 0.5, "mask_bit": "lungs,heart"}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "run", precision="fp32", **DRAWS).summary
    model, _ = factory.load_model(tmp_path / "run" / checkpoint.FILE)
    fold = load_dataset(phantoms).fold("val", replicate=0)
    rows = np.arange(len(fold.manifest))
    assert fold.masks is not None
    both = MASK_BITS["lungs"] + MASK_BITS["heart"]
    chests = torch.from_numpy((fold.masks.take(rows) & both) > 0)[:, 8:24, 8:24]
    chests = torch.nn.functional.interpolate(
        chests[:, None].float(), (32, 32), mode="bilinear", antialias=True, align_corners=False
    )
    images = torch.from_numpy(fold.pixels.take(rows))[:, None].float() / 255
    with torch.inference_mode():
        drawn = model.with_masks(images)[1] > 0
    truth = chests > 0.5
    dice = 2 * (drawn & truth).sum((1, 2, 3)) / (drawn.sum((1, 2, 3)) + truth.sum((1, 2, 3)))
    assert summary["history"][0]["mask_dice"] == pytest.approx(float(dice.nan_to_num(1.0).mean()), abs=1e-3)


def test_segmenter_draws_what_the_network_learns_to_draw(phantoms: str, segmenter: str, tmp_path: Path) -> None:
    overrides = {**BOTH, "epochs": 1, "segmenter": segmenter}
    summary = train(without_masks(phantoms, tmp_path), overrides=overrides, out=tmp_path / "run", **DRAWS).summary
    assert 0 <= summary["history"][0]["mask_dice"] <= 1
    expected = train(phantoms, overrides=overrides, dry_run=True, **DRAWS).summary
    assert expected["images"] == summary["images"]


@pytest.mark.parametrize(
    ("arch", "overrides", "message", "hint"),
    [
        (
            "small-cnn",
            {"method": "multitask"},
            "'small-cnn' draws no masks, and 'multitask' learns them beside the labels",
            "--arch multitask-unet or multitask-unet-small",
        ),
        (
            "multitask-unet",
            {},
            "'multitask-unet' draws masks beside its labels, and 'erm' does not teach it to",
            "--method multitask",
        ),
        (
            "multitask-unet-small",
            {"method": "multitask", "background": "black", "masks": True},
            "--method multitask learns to outline whole images, not what --background black leaves",
            "leave out --background",
        ),
    ],
)
def test_labels_and_masks_at_once_need_a_network_that_draws(
    phantoms: str, tmp_path: Path, arch: str, overrides: dict[str, Any], message: str, hint: str
) -> None:
    error = fails(phantoms, arch=arch, overrides=overrides, out=tmp_path / "run", **CPU)
    assert (error.message, error.hint) == (message, hint)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("fold", ["train", "val"])
def test_labels_and_masks_at_once_need_masks_in_both_folds(phantoms: str, tmp_path: Path, fold: str) -> None:
    manifest = pd.read_csv(Path(phantoms) / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.loc[manifest.index[manifest["split_0"] == fold][:1], "mask_row"] = ""
    manifest.to_csv(tmp_path / "bare.csv", index=False)
    error = fails(str(tmp_path / "bare.csv"), overrides=BOTH, out=tmp_path / "run", **DRAWS)
    count, first = len(manifest[manifest["split_0"] == fold]), manifest["image_id"][manifest["split_0"] == fold].iloc[0]
    assert error.message == f"phantom-III: 1 of the {count} images in '{fold}' have no mask, first '{first}'"
    assert not (tmp_path / "run").exists()


def test_frozen_features_train_an_ordinary_classifier_that_resumes(phantoms: str, tmp_path: Path) -> None:
    overrides = {"epochs": 3, "learning_rate": 1e-2}
    options = {"arch": "densenet121-frozen", **CPU}
    summary = train(phantoms, overrides=overrides, out=tmp_path / "whole", **options).summary
    interrupted_then_resumed(phantoms, tmp_path / "halves", overrides, **options)
    assert same_model(tmp_path / "whole", tmp_path / "halves")
    assert validation_auc(tmp_path / "whole", phantoms) == pytest.approx(summary["selection"]["score"])
    assert checkpoint.read_description(tmp_path / "whole" / checkpoint.FILE).kind == "classifier"


SEGMENTERS = """
import torch
from torch import nn

class Left(nn.Module):
    def __init__(self, last=1):
        super().__init__()
        self.last = last

    def forward(self, images):
        maps = torch.full((len(images), self.last, *images.shape[-2:]), -5.0)
        maps[..., : images.shape[-1] // 2] = 5.0
        return maps

def left():
    return Left()

def two():
    return Left(2)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "segmenters_of_mine.py").write_text(SEGMENTERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "segmenters_of_mine", raising=False)
    return "py:segmenters_of_mine"


def test_segmenter_of_the_users_own_draws_the_foreground(phantoms: str, module: str, tmp_path: Path) -> None:
    name = f"{module}:left?size=32&range=0..1"
    drawn, description = load_segmenter(name, dataset="phantom-III", pixels={})
    assert description.kind == "segmenter"
    masks = draw_outlines(drawn, load_dataset(phantoms).pixels, compute=choose_compute("cpu", threads=1)).take([0, 1])
    assert masks[:, :, :16].all() and not masks[:, :, 16:].any()
    train(phantoms, overrides={"epochs": 1, "method": "rrr", "segmenter": name}, out=tmp_path / "run", **QUICK)
    assert checkpoint.read_description(tmp_path / "run" / checkpoint.FILE).recipe["segmenter"] == name


@pytest.mark.parametrize(
    ("segmenter", "overrides", "message"),
    [
        (
            "two",
            {"method": "rrr"},
            "'py:segmenters_of_mine:two' returns (2, 2, 32, 32) for 2 images, not (2, 1, height, ",
        ),
        (
            "left",
            {"background": "noise"},
            "--background noise keeps the segmenter in the model file, and 'py:segmenters_",
        ),
    ],
)
def test_segmenters_that_cannot_be_used_are_refused(
    phantoms: str, module: str, tmp_path: Path, segmenter: str, overrides: dict[str, str], message: str
) -> None:
    overrides |= {"segmenter": f"{module}:{segmenter}?size=32&range=0..1"}
    with pytest.raises(CxrshortError) as caught:
        train(phantoms, overrides=overrides, out=tmp_path / "run", **QUICK)
    assert caught.value.message.startswith(message)
    assert not (tmp_path / "run").exists()


def test_dry_run_computes_no_masks_and_writes_nothing(phantoms: str, segmenter: str, tmp_path: Path) -> None:
    overrides = {"background": "noise", "segmenter": segmenter}
    result = train(phantoms, overrides=overrides, out=tmp_path / "run", dry_run=True, **QUICK).summary
    assert result["hours"] >= 0 and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arch", "overrides", "message"),
    [
        ("small-cnn", {"task": "masks"}, "'small-cnn' returns labels, it cannot learn masks"),
        (
            "small-cnn",
            {"background": "noise"},
            "--background noise needs --segmenter MODEL, or --masks for the dataset's own",
        ),
        ("small-cnn", {"masks": True}, "--masks goes with --background, and without --segmenter"),
        ("small-cnn", {"background": "white", "segmenter": "m"}, "'white' is not a known background"),
        ("small-cnn", {"mask_threshold": 1.0}, "--set mask_threshold is '1.0', it must be between 0 and 1"),
        ("unet-small", {"task": "masks", "mask_bit": "spleen"}, "'spleen' is not a known mask"),
        (
            "unet-small",
            {"task": "masks", "method": "irm"},
            "--target masks takes no --method, crop, --segmenter or --labels",
        ),
    ],
)
def test_train_refuses(phantoms: str, tmp_path: Path, arch: str, overrides: dict[str, Any], message: str) -> None:
    assert fails(phantoms, arch=arch, overrides=overrides, out=tmp_path / "run", **CPU).message == message


def test_segmenter_must_be_one_that_is_of_use_and_never_saw_the_test_fold(
    phantoms: str, segmenter: str, tmp_path: Path
) -> None:
    train(phantoms, overrides={"epochs": 1}, out=tmp_path / "classifier", **QUICK)
    other = {"background": "black", "segmenter": str(tmp_path / "classifier")}
    error = fails(phantoms, overrides=other, out=tmp_path / "run", **QUICK)
    assert error.message == f"'{tmp_path / 'classifier'}' is a classifier, --segmenter takes a segmenter"
    error = fails(phantoms, overrides={"segmenter": segmenter}, out=tmp_path / "run", **QUICK)
    assert error.message == "--segmenter has no use with --method erm"
    other = {"background": "black", "segmenter": segmenter}
    error = fails(phantoms, overrides=other, out=tmp_path / "run", replicate=1, **QUICK)
    assert error.message.endswith("test patients of 'split_1'") and "was trained on" in error.message
    assert error.hint == "train the segmenter with --replicate 1, or on another dataset"


def test_segmenters_and_classifiers_are_evaluated_apart(phantoms: str, segmenter: str, tmp_path: Path) -> None:
    train(phantoms, overrides={"epochs": 1}, out=tmp_path / "classifier", **QUICK)
    with pytest.raises(CxrshortError) as caught:
        evaluate([segmenter, str(tmp_path / "classifier")], dataset=[phantoms], out=tmp_path / "results", **CPU)
    assert caught.value.hint == "evaluate segmenters and classifiers apart"
