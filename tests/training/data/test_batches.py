from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.images.prefetch import Indices
from cxrshort.targets import label_matrix
from cxrshort.training.data.augmentation import degrave
from cxrshort.training.data.batches import Batches

from ..tiny import tiny_dataset

CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))


def cut(data: Dataset, *, batch_size: int = 7, seed: int = 0, augmented: bool = False) -> Batches:
    targets = label_matrix(data.manifest, ["COVID-19", "Edema"])
    extra = {"augment": degrave} if augmented else {}
    return Batches(data.pixels, targets, batch_size=batch_size, seed=seed, device=CPU, **extra)


def test_order_is_a_function_of_seed_and_epoch_alone(data: Dataset) -> None:
    orders = {(seed, epoch): cut(data, seed=seed).order(epoch) for seed in (0, 1) for epoch in (0, 1, 2)}
    torch.manual_seed(99)  # the global generator has no say
    for (seed, epoch), order in orders.items():
        np.testing.assert_array_equal(cut(data, seed=seed, batch_size=3).order(epoch), order)
    assert len({tuple(order) for order in orders.values()}) == len(orders)


def test_every_image_comes_once_in_an_epoch_and_the_last_batch_is_smaller(data: Dataset) -> None:
    batches = cut(data)
    seen = [batch.indices for batch in batches.epoch(3)]
    assert len(seen) == len(batches) == 7  # 48 = 6 * 7 + 6
    assert [len(indices) for indices in seen] == [7] * 6 + [6]
    assert sorted(np.concatenate(seen)) == list(range(48))


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(47, [48]), (1, [1] * 48), (23, [23, 23, 2]), (12, [12] * 4), (46, [46, 2])]
)
def test_one_last_image_alone_joins_the_batch_before_it(data: Dataset, batch_size: int, sizes: list[int]) -> None:
    batches = cut(data, batch_size=batch_size)
    assert [len(batch.indices) for batch in batches.epoch(0)] == sizes
    assert len(batches) == len(sizes)


def test_batch_larger_than_the_fold_is_one_step(data: Dataset) -> None:
    batches = cut(data, batch_size=1000)
    assert [len(batch.indices) for batch in batches.epoch(0)] == [48]


def test_batches_hold_the_images_and_targets_read_directly(data: Dataset) -> None:
    images = np.load(data.pixels._maps[0].filename)  # the file behind the memory map
    edema = data.manifest["Edema"].to_numpy()
    for batch in cut(data).epoch(1):
        assert batch.images.dtype == torch.float32
        expected = images[batch.indices][:, None].astype(np.float64) / 255
        # One rounding of x * float32(1/255) against the exact quotient.
        np.testing.assert_allclose(batch.images.numpy(), expected, atol=1e-7)
        np.testing.assert_array_equal(batch.targets[:, 0], batch.indices % 2)
        np.testing.assert_array_equal(batch.targets[:, 1], edema[batch.indices])
    assert np.isnan(edema).any()


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("first_step", [0, 1, 3, 6, 7])
def test_epoch_begun_at_a_later_step_continues_exactly(data: Dataset, first_step: int, augmented: bool) -> None:
    whole = list(cut(data, augmented=augmented).epoch(2))
    rest = list(cut(data, augmented=augmented).epoch(2, first_step=first_step))
    assert len(rest) == len(whole) - first_step
    for late, batch in zip(rest, whole[first_step:], strict=True):
        assert torch.equal(late.images, batch.images)
        assert torch.equal(late.targets.nan_to_num(-1), batch.targets.nan_to_num(-1))
        np.testing.assert_array_equal(late.indices, batch.indices)


def test_augmentation_draws_anew_in_every_step_and_epoch(data: Dataset) -> None:
    drawn: list[float] = []

    def note(images: Tensor, generator: torch.Generator) -> Tensor:
        drawn.append(float(torch.rand(1, generator=generator)))
        return images

    targets = label_matrix(data.manifest, ["COVID-19"])
    batches = Batches(data.pixels, targets, batch_size=16, seed=0, device=CPU, augment=note)
    for epoch in (0, 1):
        list(batches.epoch(epoch))
    assert len(set(drawn)) == len(drawn) == 6


def test_epoch_left_early_leaves_no_thread_behind(data: Dataset) -> None:
    import threading

    before = threading.active_count()
    epoch = cut(data).epoch(0)
    next(epoch)
    epoch.close()
    assert threading.active_count() == before


class Field:
    """Masks whose lungs (bit 1) are the left half, and whose heart (bit 2) is the first row; the index is in bit 4."""

    def take(self, indices: Indices) -> np.ndarray:
        masks = np.zeros((len(indices), 16, 16), np.uint8)
        masks[:, :, :8] |= 1
        masks[:, :1] |= 2
        masks |= (np.asarray(indices)[:, None, None] % 2 * 4).astype(np.uint8)
        return masks


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_batches_carry_groups_and_the_chosen_bits_of_the_masks(data: Dataset, bits: int) -> None:
    groups = np.arange(48, dtype=np.int64) % 5
    batches = replace(cut(data), groups=groups, masks=Field(), mask_bit=bits)
    for step, batch in enumerate(batches.epoch(2)):
        assert batch.groups is not None
        assert batch.masks is not None
        assert (batch.epoch, batch.step) == (2, step)
        np.testing.assert_array_equal(batch.groups, groups[batch.indices])
        assert batch.masks.shape == (len(batch.indices), 1, 16, 16)
        assert batch.masks.dtype == torch.float32
        np.testing.assert_array_equal(batch.masks[:, 0], (Field().take(batch.indices) & bits) > 0)
    plain = next(cut(data).epoch(2))
    assert plain.groups is None
    assert plain.masks is None


def test_masks_move_with_their_images(data: Dataset) -> None:
    class Bright:
        """Masks of the pixels above the middle grey."""

        def take(self, indices: Indices) -> np.ndarray:
            return (data.pixels.take(indices) > 127).astype(np.uint8)

    plain, masked = cut(data, augmented=True), replace(cut(data, augmented=True), masks=Bright())
    for expected, batch in zip(plain.epoch(0), masked.epoch(0), strict=True):
        torch.testing.assert_close(batch.images, expected.images)  # masks change no draw
        assert batch.masks is not None
        assert set(batch.masks.unique().tolist()) == {0.0, 1.0}
        inside, outside = batch.images[batch.masks == 1], batch.images[(batch.masks == 0) & (batch.images > 0)]
        # A rotation mixes neighbours of noise; what is left is far from chance, where both means would be equal.
        assert inside.mean() > outside.mean() + 0.1
