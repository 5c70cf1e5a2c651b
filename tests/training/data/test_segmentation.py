"""Masks that are learnt, and masks that cut the background away."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.stats.overlap import dice_and_iou
from cxrshort.training import recipes
from cxrshort.training.data.augmentation import degrave, unchanged
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.data.segmentation import MaskFolds, WholeImage, replace_background

from ..tiny import tiny_manifest, write_dataset

SIDE = 16
CPU = torch.device("cpu")
RECIPE = recipes.load_recipe("standard", overrides={"task": "masks"})


def masked(folder: Path, *, bit: int = 1, missing: int = 0) -> Dataset:
    """Return a tiny dataset whose lungs are the left half; the first ``missing`` images have no mask."""
    manifest = tiny_manifest(folder)
    rows = [str(number) if number >= missing else "" for number in range(len(manifest))]
    write_dataset(folder, manifest.assign(mask_row=rows), size=SIDE)
    masks = np.zeros((len(manifest), SIDE, SIDE), np.uint8)
    masks[..., : SIDE // 2] = bit
    np.save(folder / "masks.npy", masks)
    return load_dataset(str(folder))


class Shifted(torch.nn.Module):
    """Draw a left half that is two columns too wide, and two rows too short."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = torch.full_like(images[:, :1], -0.5)
        logits[..., :-2, : SIDE // 2 + 2] = 0.5
        return logits


def test_images_without_a_mask_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = MaskFolds.cut(masked(tmp_path / "whole"), RECIPE, replicate=0)
    folds = MaskFolds.cut(masked(tmp_path / "part", missing=3), RECIPE, replicate=0)
    assert whole.without_masks == {"train": 0, "val": 0}
    assert folds.without_masks == {"train": 3, "val": 0}
    assert len(folds.train.manifest) == len(whole.train.manifest) - 3
    assert folds.train_targets.shape == (len(folds.train.manifest), 0)
    assert (folds.labels, folds.measure) == (("lungs",), "Dice of lungs")


def test_fold_without_masks_or_without_the_structure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        MaskFolds.cut(masked(tmp_path / "none", missing=1000), RECIPE, replicate=0)
    assert caught.value.message == "tiny: no image in 'train' of 'split_0' has a mask"
    with pytest.raises(DataError) as caught:
        MaskFolds.cut(masked(tmp_path / "heart", bit=2), RECIPE, replicate=0)
    assert caught.value.message == "tiny: no mask in 'train' of 'split_0' shows 'lungs'"


def test_validation_is_the_mean_over_images(tmp_path: Path) -> None:
    folds = MaskFolds.cut(masked(tmp_path), RECIPE, replicate=0)
    measures = folds.validate(Shifted(), choose_compute("cpu", precision="fp32"))
    drawn, truth = (SIDE - 2) * (SIDE // 2 + 2), SIDE * SIDE // 2
    both = (SIDE - 2) * SIDE // 2
    assert measures["score"] == measures["dice"] == pytest.approx(2 * both / (drawn + truth))
    assert measures["iou"] == pytest.approx(both / (drawn + truth - both))
    wrong = (drawn + truth - 2 * both) / SIDE**2
    loss = wrong * np.log1p(np.exp(0.5)) + (1 - wrong) * np.log1p(np.exp(-0.5))
    assert measures["val_loss"] == pytest.approx(loss, rel=1e-5)


def batches(data: Dataset, background: str, *, augment=unchanged, channels: int = 3, seed: int = 0) -> Batches:
    return Batches(
        data.pixels,
        np.zeros((len(data.manifest), 1), np.float32),
        batch_size=8,
        seed=seed,
        device=CPU,
        augment=replace_background(augment, background=background, channels=channels),
        masks=data.masks,
    )


def first(cut: Batches, epoch: int = 0, step: int = 0) -> Batch:
    return next(cut.epoch(epoch, first_step=step))


def test_foreground_stays_and_the_background_goes(tmp_path: Path) -> None:
    data = masked(tmp_path)
    batch = first(batches(data, "black"))
    pixels = torch.from_numpy(data.pixels.take(batch.indices) / np.float32(255))[:, None]
    assert batch.images.shape == (8, 3, SIDE, SIDE) and batch.masks is not None and batch.masks.shape[1] == 1
    torch.testing.assert_close(batch.images[..., : SIDE // 2], pixels[..., : SIDE // 2].expand(-1, 3, -1, -1))
    assert (batch.images[..., SIDE // 2 :] == 0).all()


def test_noise_is_uniform_and_differs_between_images_and_channels(tmp_path: Path) -> None:
    noise = first(batches(masked(tmp_path), "noise")).images[..., SIDE // 2 :]
    assert 0 <= noise.min() and noise.max() < 1
    # 3,072 draws: the mean and the deviation of U[0, 1) within four standard errors.
    assert abs(noise.mean() - 0.5) < 4 * 0.289 / 3072**0.5
    assert abs(noise.std() - 0.2887) < 0.01
    assert (noise[:, 0] != noise[:, 1]).any() and (noise[0] != noise[1]).any()


def test_noise_is_a_function_of_seed_epoch_and_step(tmp_path: Path) -> None:
    data = masked(tmp_path)
    here = first(batches(data, "noise"), epoch=1, step=1).images[..., SIDE // 2 :]
    again = list(batches(data, "noise").epoch(1))[1].images[..., SIDE // 2 :]
    torch.testing.assert_close(again, here, rtol=0, atol=0)
    others = [
        first(batches(data, "noise"), epoch=1, step=0),
        first(batches(data, "noise"), epoch=0, step=1),
        first(batches(data, "noise", seed=1), epoch=1, step=1),
    ]
    assert all((other.images[..., SIDE // 2 :] != here).float().mean() > 0.99 for other in others)


def test_mask_moves_with_the_image_before_the_background_goes(tmp_path: Path) -> None:
    batch = first(batches(masked(tmp_path), "black", augment=degrave, channels=1))
    assert batch.masks is not None and batch.images.shape[1] == 1
    assert (batch.images[batch.masks == 0] == 0).all()
    assert (batch.images[batch.masks == 1] > 0).float().mean() > 0.95
    assert len({tuple(mask.flatten().tolist()) for mask in batch.masks}) > 1


def test_whole_image_is_foreground_throughout() -> None:
    fields = WholeImage((2, 3)).take(np.array([4, 1]))
    assert fields.shape == (2, 2, 3) and (fields & 16 > 0).all()
    assert dice_and_iou(fields > 0, np.ones((2, 2, 3), bool))[0].tolist() == [1, 1]
