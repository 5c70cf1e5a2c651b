"""Cutting and laying boxes, against plain slices."""

import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.interventions.boxes import box_size, cut_patches, lay_patches, resize_patches, slide_to_edge

BOXES = torch.tensor([[0, 0, 3, 2], [4, 5, 7, 7], [5, 6, 8, 8]])


def films() -> torch.Tensor:
    return torch.arange(3 * 2 * 64, dtype=torch.float32).view(3, 2, 8, 8)


def test_cut_equals_slices() -> None:
    images = films()
    expected = [image[:, y0:y1, x0:x1] for image, (x0, y0, x1, y1) in zip(images, BOXES.tolist(), strict=True)]
    assert torch.equal(cut_patches(images, BOXES), torch.stack(expected))
    assert box_size(BOXES) == (2, 3)


def test_cut_repeats_the_outermost_pixels_in_its_margin() -> None:
    images = films()
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="replicate")
    expected = [image[:, y0 : y1 + 4, x0 : x1 + 4] for image, (x0, y0, x1, y1) in zip(padded, BOXES.tolist())]  # noqa: B905  three of each
    assert torch.equal(cut_patches(images, BOXES, margin=2), torch.stack(expected))


def test_lay_writes_the_box_and_nothing_else() -> None:
    images, before = films(), films()
    lay_patches(images, BOXES, torch.full((3, 2, 2, 3), -1.0))
    for image, old, (x0, y0, x1, y1) in zip(images, before, BOXES.tolist(), strict=True):
        assert (image[:, y0:y1, x0:x1] == -1).all()
        image[:, y0:y1, x0:x1] = old[:, y0:y1, x0:x1]
    assert torch.equal(images, before)


def test_resample_keeps_patches_of_the_size_and_the_mean_of_others() -> None:
    patches = torch.rand(2, 1, 8, 6, generator=torch.Generator().manual_seed(0))
    assert resize_patches(patches, (8, 6)) is patches
    assert resize_patches(patches, (4, 3)).shape == (2, 1, 4, 3)
    assert float(resize_patches(torch.full((1, 1, 5, 7), 0.3), (11, 3)).sub(0.3).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("top", [[1, 0, 4, 2], [6, 0, 9, 2]]),
        ("bottom", [[1, 8, 4, 10], [6, 8, 9, 10]]),
        ("left", [[0, 3, 3, 5], [0, 3, 3, 5]]),
        ("right", [[7, 3, 10, 5], [7, 3, 10, 5]]),
        ("corner", [[0, 0, 3, 2], [7, 0, 10, 2]]),
    ],
)
def test_boxes_slide_to_an_edge(edge: str, expected: list[list[int]]) -> None:
    boxes = torch.tensor([[1, 3, 4, 5], [6, 3, 9, 5]])
    assert slide_to_edge(boxes, shape=(10, 10), edge=edge).tolist() == expected


def test_unknown_edge_is_refused() -> None:
    with pytest.raises(UsageError, match="'middle' is not a known edge"):
        slide_to_edge(BOXES, shape=(8, 8), edge="middle")
