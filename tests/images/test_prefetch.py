"""Images that a thread cuts out of the maps."""

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.dataset import Pixels
from cxrshort.errors import DataError
from cxrshort.images.prefetch import prefetched

CPU = torch.device("cpu")


def pixels_of(tmp_path, images):
    np.save(tmp_path / "images.npy", images)
    rows = range(len(images))
    table = {"image_id": [f"i{row}" for row in rows], "cache": str(tmp_path), "cache_row": list(rows)}
    return Pixels(pd.DataFrame(table))


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_prefetched_yields_every_chunk_in_order(tmp_path, count):
    images = noise(20, 4, 5)
    chunks = [np.random.default_rng(number).permutation(20)[:3] for number in range(count)]
    ready = list(prefetched(pixels_of(tmp_path, images), chunks, device=CPU))
    assert len(ready) == count
    for chunk, (indices, batch) in zip(chunks, ready, strict=True):
        assert indices.tolist() == chunk.tolist()
        assert batch.shape == (3, 1, 4, 5) and batch.dtype == torch.float32
        # One rounding of the product with the rounded 1/255: 1e-7 is one unit in the last place below 1.
        np.testing.assert_allclose(batch[:, 0].numpy(), images[chunk] / 255, rtol=0, atol=1e-7)


def test_prefetched_maps_black_to_0_and_white_to_1(tmp_path):
    images = np.array([[[0, 255]]], np.uint8)
    ((_, batch),) = prefetched(pixels_of(tmp_path, images), [np.array([0])], device=CPU)
    assert batch.flatten().tolist() == [0.0, 1.0]


def test_prefetched_keeps_colour_channels(tmp_path):
    images = noise(4, 3, 2, 2)
    ((_, batch),) = prefetched(pixels_of(tmp_path, images), [np.array([2, 0])], device=CPU)
    assert batch.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(batch.numpy(), images[[2, 0]] / 255, rtol=0, atol=1e-7)


class Recording:
    """Count what was cut, and fail where asked to."""

    def __init__(self, fails_at=()):
        self.taken = []
        self.fails_at = fails_at

    def take(self, indices):
        self.taken.append(int(indices[0]))
        if int(indices[0]) in self.fails_at:
            raise DataError("the map is broken")
        return np.zeros((len(indices), 2, 2), np.uint8)


CHUNKS = [np.array([number]) for number in range(50)]


def test_prefetched_cuts_no_further_ahead_than_two_batches():
    source = Recording()
    for used, (_, _) in enumerate(prefetched(source, CHUNKS, device=CPU), start=1):
        assert len(source.taken) <= used + 2
    assert source.taken == list(range(50))


def test_prefetched_stops_when_nobody_takes_more():
    source = Recording()
    ready = prefetched(source, CHUNKS, device=CPU)
    next(ready)
    ready.close()
    assert len(source.taken) <= 3


def test_prefetched_raises_the_error_of_a_chunk_at_its_place():
    got = []
    with pytest.raises(DataError, match="the map is broken"):
        for indices, _ in prefetched(Recording(fails_at=(5,)), CHUNKS, device=CPU):
            got.append(int(indices[0]))
    assert got == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_prefetched_gives_a_gpu_the_same_numbers(tmp_path):
    pixels = pixels_of(tmp_path, np.arange(256, dtype=np.uint8).reshape(4, 8, 8))
    chunks = [np.array([3, 1]), np.array([0, 2])]
    on_cpu = prefetched(pixels, chunks, device=CPU)
    on_gpu = prefetched(pixels, chunks, device=torch.device("cuda", 0))
    for (_, first), (_, second) in zip(on_cpu, on_gpu, strict=True):
        assert torch.equal(first, second.cpu())
