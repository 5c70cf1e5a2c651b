"""AUCs of parts of images: against composing each picture by hand, for models that look at a known place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from cxrshort.cli.printer import print_result
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.interventions.visible import (
    SHOWN,
    VISIBLE_COLUMNS,
    border_notes,
    visible_aucs,
    visible_table,
)
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.predictions import Fold
from cxrshort.models.sources.opening import Model, Reference
from cxrshort.regions import geometry, of
from cxrshort.results import Result

from ..training.tiny import tiny_manifest, write_dataset

FP32 = Compute("cpu", "fp32", 1)
SIDE, PEOPLE = 32, 24
LUNGS = np.zeros((SIDE, SIDE), bool)
LUNGS[8:24, 6:14] = LUNGS[8:24, 18:26] = True
BORDER = np.any(list(geometry((SIDE, SIDE)).values()), axis=0)
LABELS = ("COVID-19", "Edema", "Hernia")


class Bright(nn.Module):
    """Return the brightness of an area for the first label, and its opposite for the others."""

    def __init__(self, area: np.ndarray, limit: int = 10**6) -> None:
        super().__init__()
        self.register_buffer("area", torch.from_numpy(area.astype(np.float32)))
        self.limit, self.sizes = limit, list[int]()

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.limit:
            raise MemoryError
        self.sizes.append(len(images))
        total = (images[:, 0] * self.area).sum(dim=(1, 2))[:, None]
        return torch.cat([total, -total, -total], dim=1)


def opened(network: nn.Module) -> Model:
    description = Description("classifier", "small-cnn", LABELS, InputSpec(SIDE))
    return Model(Reference("m", "m", "0" * 8, description, {}), network)  # type: ignore[arg-type]


@pytest.fixture
def fold(tmp_path: Path) -> Fold:
    """Return two images per person whose border is brighter with COVID-19; the first thirty have a lung mask."""
    folder = tmp_path / "tiny"
    manifest = tiny_manifest(folder, people=PEOPLE)
    manifest["mask_row"] = [str(row) if row < 30 else "" for row in range(len(manifest))]
    write_dataset(folder, manifest, signal=0)
    images = np.load(folder / "images.npy")
    images[(manifest["COVID-19"] == 1).to_numpy()[:, None, None] & BORDER] += 20
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", np.repeat(LUNGS[None].astype(np.uint8), 30, axis=0))
    return Fold(load_dataset(str(folder)), "all", "")


def aucs(fold: Fold, network: nn.Module, **options) -> pd.DataFrame:
    options = {"labels": ("COVID-19",), "compute": FP32, **options}
    return visible_aucs(opened(network), fold, of(fold.data), **options)


def shown_by_hand(images: np.ndarray, hidden: np.ndarray, filling: str) -> np.ndarray:
    pictures = images.copy()
    for picture in pictures:
        picture[hidden] = picture[~hidden].mean() if filling == "grey" else 0
    return pictures


@pytest.mark.parametrize("filling", ["grey", "black"])
@pytest.mark.parametrize("batch_size", [64, 7])
def test_each_number_is_the_auc_of_pictures_composed_by_hand(fold: Fold, filling: str, batch_size: int) -> None:
    area = np.random.default_rng(1).random((SIDE, SIDE))
    table = aucs(fold, Bright(area), filling=filling, batch_size=batch_size)
    assert tuple(table.columns) == VISIBLE_COLUMNS and tuple(table["shown"]) == SHOWN
    images, truth = fold.data.pixels.take(range(2 * PEOPLE)) / 255, fold.data.manifest["COVID-19"].to_numpy()
    for row, (hidden, count) in zip(
        table.itertuples(), [(~BORDER, 48), (BORDER, 48), (~LUNGS, 30), (LUNGS, 30)], strict=True
    ):
        pictures = shown_by_hand(images[:count], hidden, filling)
        for value, scored in ((row.auc, pictures), (row.whole, images[:count])):
            assert value == pytest.approx(roc_auc_score(truth[:count], (scored * area).sum(axis=(1, 2))), abs=1e-9)
        assert row.auc_low < row.auc <= row.auc_high and row.whole_low < row.whole <= row.whole_high
        method = "exact bound" if row.auc == 1 else "Obuchowski"
        assert (row.positives, row.negatives, row.persons) == (count // 2, count // 2, count // 2)
        assert (row.without_lungs, row.method, row.filling) == (48 - count, method, filling)


def test_what_a_model_does_not_look_at_leaves_no_auc_but_a_half(fold: Fold) -> None:
    table = aucs(fold, Bright(BORDER), filling="black").set_index("shown")
    assert table.loc["border only", "auc"] == table.loc["border only", "whole"] > 0.9
    assert table.loc["all but the border", "auc"] == 0.5
    assert table.loc["all but the border", "reason"] == "all scores are equal"
    assert table.loc["lungs only", "auc"] == 0.5 and table.loc["all but the lungs", "auc"] > 0.9


def test_border_that_tells_the_classes_apart_is_noted_in_both_directions(fold: Fold) -> None:
    assert border_notes(aucs(fold, Bright(LUNGS), filling="black")) == []
    assert len(border_notes(aucs(fold, Bright(BORDER)))) == 1
    row = {"label": "COVID-19", "shown": "border only", "auc": 0.75, "auc_low": 0.625, "auc_high": 0.875}
    reverse = {**row, "auc": 0.25, "auc_low": 0.125, "auc_high": 0.375}
    spanning = {**row, "auc_low": 0.45}
    missing = {**row, "auc": None, "auc_low": None, "auc_high": None}
    lungs = {**row, "shown": "lungs only"}
    first, second = border_notes(pd.DataFrame([row, reverse, spanning, missing, lungs]))
    assert first == (
        "COVID-19: shown nothing but the four borders and corners, the model still tells the classes apart (AUC 0.750 "
        "[0.625, 0.875]): the border is enough for it, which does not say that it looks there when it sees the whole "
        "image"
    )
    assert "tells the classes apart, in reverse (AUC 0.250" in second


def test_labels_of_one_class_or_unknown_have_a_reason(fold: Fold) -> None:
    rows = fold.data.manifest
    rows.loc[rows["Edema"] == 1, "Edema"] = 0
    table = aucs(fold, Bright(BORDER), labels=("Edema", "Hernia"))
    assert table["auc"].isna().all() and border_notes(table) == []
    assert list(table["reason"].unique()) == ["only negatives", "no target is 0 or 1"]
    assert set(table.loc[table["label"] == "Edema", "unlabelled"]) == {10, 6}


def test_images_without_lungs_have_no_auc_of_them(fold: Fold) -> None:
    fold.data.manifest["mask_row"] = pd.NA
    table = aucs(fold, Bright(BORDER)).set_index("shown")
    assert table["without_lungs"].tolist() == [0, 0, 48, 48]
    assert table["reason"].tolist()[2:] == ["no image has known lungs"] * 2
    assert table.loc["border only", "auc"] > 0.9


def test_batch_is_halved_when_memory_runs_out(fold: Fold) -> None:
    network = Bright(BORDER, limit=12)
    table = aucs(fold, network, batch_size=64)
    assert max(network.sizes) == 12
    pd.testing.assert_frame_equal(table, aucs(fold, Bright(BORDER)))


def broken(place: Callable[[Tensor], Tensor]) -> nn.Module:
    class Broken(Bright):
        def forward(self, images: Tensor) -> Tensor:
            return torch.where(place(images)[:, None], torch.nan, super().forward(images))

    return Broken(BORDER)


def test_models_that_return_no_number(fold: Fold) -> None:
    with pytest.raises(DataError, match="'m' returns no number for 48 of 48 images"):
        aucs(fold, broken(lambda images: images.mean(dim=(1, 2, 3)) > 0))
    table = aucs(fold, broken(lambda images: images[:, 0, 16, 16] == 0), filling="black")
    assert table["reason"].iloc[0] == "the model returns no number for 48 images of which a part is hidden"
    assert table["auc"].iloc[1] == 0.5 and table["reason"].iloc[1] == "all scores are equal"


def test_other_images_fillings_and_labels_are_refused(fold: Fold) -> None:
    with pytest.raises(UsageError, match="'white' is not a known filling"):
        aucs(fold, Bright(BORDER), filling="white")
    with pytest.raises(UsageError, match="'Mass' is not a known label of this model"):
        aucs(fold, Bright(BORDER), labels=("Mass",))
    other = fold.data.fold("test", replicate=0)
    with pytest.raises(DataError, match="regions of 12 images do not fit 48"):
        visible_aucs(opened(Bright(BORDER)), fold, of(other), labels=("COVID-19",), compute=FP32)


def test_table_as_people_see_it(fold: Fold, capsys: pytest.CaptureFixture[str]) -> None:
    table = aucs(fold, Bright(BORDER), filling="black")
    print_result(Result(tables=(visible_table(table, "COVID-19"),)), json=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == (
        "COVID-19, AUC with 95 % interval where the rest of each image is black; 18 images have no outline of the lungs"
    )
    assert lines[1].split() == ["shown", "pos.", "neg.", "AUC", "of", "whole", "images"]
    assert lines[4].split("  ")[0] == "all but the border"
    assert "(all scores are equal)" in lines[4] and lines[4].count("[") == 2


def test_progress_is_counted(fold: Fold) -> None:
    events = []
    aucs(fold, Bright(BORDER), batch_size=10, report=events.append)
    count = len(fold.data.manifest)
    assert {(event["event"], event["of"]) for event in events} == {("images shown in part", count)}
    done = [event["done"] for event in events]
    assert done[0] == 0 and done == sorted(set(done)) and len(done) == -(-count // 10)
