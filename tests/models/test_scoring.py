from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.scoring import Work, counted, scan, score

from ..training.tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


@pytest.mark.parametrize("batch_size", [1, 7, 48, 1000])
def test_score_equals_the_model_on_one_ready_tensor(tmp_path: Path, batch_size: int) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32)))
    images = torch.from_numpy(np.load(tmp_path / "tiny" / "images.npy")[:, None] / np.float32(255))
    with torch.inference_mode():
        expected = model.eval()(images).numpy()
    got = score(model, data.pixels, compute=FP32, batch_size=batch_size)
    assert got.dtype == np.float32
    # Convolutions of other batch sizes may sum in another order: a few units in the last place.
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_score_leaves_the_mode_and_the_weights_as_they_were(tmp_path: Path, training: bool) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32))).train(
        training
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    score(model, data.pixels, compute=FP32)
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Grey:
    """Hold images of one pixel each, whose grey is their position."""

    image_shape = (1, 1)

    def __len__(self) -> int:
        return 23

    def take(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(indices, np.uint8)[:, None, None]


def grey(images: torch.Tensor, indices: np.ndarray) -> np.ndarray:
    """Return the position twice: as the pixel says, and as the scan says."""
    return np.stack([(images * 255).round().flatten().numpy(), indices], axis=1)


def test_scan_hands_each_batch_its_own_positions_and_keeps_the_order() -> None:
    actual = scan(grey, Grey(), model=nn.Identity(), compute=FP32, batch_size=5)
    np.testing.assert_array_equal(actual, np.stack([np.arange(23)] * 2, axis=1))
    rows = np.array([7, 2, 20, 2])
    actual = scan(grey, Grey(), model=nn.Identity(), compute=FP32, batch_size=3, rows=rows)
    np.testing.assert_array_equal(actual, np.stack([rows] * 2, axis=1))


@pytest.mark.parametrize(("processes", "done"), [(1, [10, 15, 19]), (2, [10, 20, 23])])
def test_work_is_counted_before_each_batch_for_all_processes(processes: int, done: list[int]) -> None:
    events: list[Mapping[str, Any]] = []
    several = replace(FP32, processes=processes)
    work = counted(grey, unit="images scored", count=23, compute=several, report=events.append, start=10)
    scan(work, Grey(), model=nn.Identity(), compute=FP32, batch_size=5, rows=np.arange(10, 23))
    assert events == [{"event": "images scored", "done": number, "of": 23} for number in done]


def test_scan_of_nothing_is_empty() -> None:
    assert scan(grey, Grey(), model=nn.Identity(), compute=FP32, rows=np.arange(0)).shape == (0, 2)


@pytest.mark.parametrize("gradients", [True, False])
def test_scan_differentiates_where_asked(gradients: bool) -> None:
    modes = []

    def work(images: torch.Tensor, indices: np.ndarray) -> torch.Tensor:
        modes.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return (images.requires_grad_() * 3).flatten() if gradients else images.flatten()

    scan(work, Grey(), model=nn.Identity(), compute=FP32, gradients=gradients)
    assert modes == [(gradients, not gradients)]


def test_mode_of_every_module_is_restored_after_an_error_too() -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(1)).train()
    model[1].eval()

    def fail(images: torch.Tensor, indices: np.ndarray) -> torch.Tensor:
        assert not model.training and not model[0].training
        raise ValueError("as networks do")

    with pytest.raises(ValueError, match="as networks do"):
        scan(fail, Grey(), model=model, compute=FP32)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def crowded(room: int, sizes: list[int], error: Exception) -> Work:
    """Return work that memory suffices for up to ``room`` images."""

    def work(images: torch.Tensor, indices: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        if len(images) > room:
            raise error
        return grey(images, indices)

    return work


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    ],
    ids=["gpu", "cpu"],
)
def test_batch_that_runs_out_of_memory_is_halved_and_the_scan_goes_on(error: Exception) -> None:
    sizes: list[int] = []
    actual = scan(crowded(3, sizes, error), Grey(), model=nn.Identity(), compute=FP32, batch_size=12, shrink=True)
    np.testing.assert_array_equal(actual, np.stack([np.arange(23)] * 2, axis=1))
    # 12 and 11 images: halves of 6, then of 3; the second batch begins with what was enough before.
    assert sizes == [12, 6, 3, 3, 3, 3, 3, 3, 3, 2]


def test_scan_gives_up_where_one_image_is_too_much_or_the_error_is_another() -> None:
    sizes: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        work = crowded(0, sizes, torch.OutOfMemoryError("CUDA out of memory"))
        scan(work, Grey(), model=nn.Identity(), compute=FP32, batch_size=8, shrink=True)
    assert sizes == [8, 4, 2, 1]
    for error, shrink in ((RuntimeError("of another kind"), True), (torch.OutOfMemoryError("not asked for"), False)):
        sizes.clear()
        with pytest.raises(type(error)):
            scan(crowded(0, sizes, error), Grey(), model=nn.Identity(), compute=FP32, batch_size=8, shrink=shrink)
        assert sizes == [8]
