"""Distances of maps against Eq. 1 of Bassi et al. 2025 in NumPy, and where there is nothing to compare."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.training.objectives.map_distances import level_kernels, map_distances

Array = npt.NDArray[np.float64]
LEVELS = {7: [7], 8: [8], 15: [15], 16: [16, 8], 28: [28, 14], 64: [64, 32, 16, 8], 224: [224, 112, 56, 28, 14]}
"""Sides of the maps that are compared, by the side of the image (reference facts, section 2.1)."""


def signed(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def averaged(maps: Array, kernel: int) -> Array:
    """Return the means over squares, (C, H // kernel, W // kernel); what is left over at the edges is dropped."""
    channels, height, width = (size // (kernel if axis else 1) for axis, size in enumerate(maps.shape))
    cut = maps[:, : height * kernel, : width * kernel]
    return cut.reshape(channels, height, kernel, width, kernel).mean((2, 4))


def equation_1(student: Array, teacher: Array, levels: int) -> float:
    """Return the loss of one image as Eq. 1 writes it, with sums: ||Hs - Ht||_1 / (||Hs||_1 ||Ht||_1)^(1/2)."""
    terms = []
    for level in range(levels):
        own, target = averaged(student, 2**level), averaged(teacher, 2**level)
        terms.append(np.abs(own - target).sum() / math.sqrt(np.abs(own).sum() * np.abs(target).sum()))
    return float(np.mean(terms))


def normalised(student: Array, teacher: Array, power: int) -> float:
    """Return the mean of |own - target|^power, where each map was divided by its own norm of that power."""
    own, target = (maps / (np.abs(maps) ** power).mean() ** (1 / power) for maps in (student, teacher))
    return float((np.abs(own - target) ** power).mean())


@pytest.mark.parametrize("side", LEVELS)
def test_levels_stop_before_maps_of_less_than_8_pixels(side: int) -> None:
    assert [side // kernel for kernel in level_kernels(side)] == LEVELS[side]


@pytest.mark.parametrize("side", [7, 28, 64, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_distance_equals_equation_1(side: int, channels: int) -> None:
    student, teacher = (signed(2, channels, side, side, seed=seed) for seed in (1, 2))
    actual, vanished = map_distances(student, teacher)
    expected = [
        equation_1(*pair, levels=len(LEVELS[side])) for pair in zip(student.numpy(), teacher.numpy(), strict=True)
    ]
    # The 1e-10 that is added to a normaliser of about 1.
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-8)
    assert vanished.tolist() == [False, False]


@pytest.mark.parametrize("side", [28, 30])
def test_single_resolution_compares_maps_as_they_are(side: int) -> None:
    student, teacher = (signed(2, 1, side, side, seed=seed) for seed in (1, 2))
    actual, _ = map_distances(student, teacher, resolutions="single")
    expected = [equation_1(*pair, levels=1) for pair in zip(student.numpy(), teacher.numpy(), strict=True)]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-8)


@pytest.mark.parametrize(("loss", "power"), [("l1", 1), ("l2", 2)])
def test_ablations_divide_each_map_by_its_own_norm(loss: str, power: int) -> None:
    student, teacher = (signed(2, 3, 28, 28, seed=seed) for seed in (1, 2))
    actual, _ = map_distances(student, 1000 * teacher, loss=loss)
    expected = [
        np.mean([normalised(averaged(own, kernel), averaged(target, kernel), power) for kernel in (1, 2)])
        for own, target in zip(student.numpy(), teacher.numpy(), strict=True)
    ]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10)


def test_maps_of_other_channels_are_compared_by_their_sums() -> None:
    student, teacher = signed(2, 1, 16, 16, seed=1), signed(2, 3, 16, 16, seed=2)
    expected, _ = map_distances(student, teacher.sum(1, keepdim=True))
    assert torch.equal(map_distances(student, teacher)[0], expected)
    assert torch.equal(map_distances(teacher, student)[0], expected)  # it is symmetric


def test_unrelated_maps_score_about_the_square_root_of_2() -> None:
    """Of two normal numbers, the mean |difference| is sqrt(2) times the mean |number|; at every level."""
    student, teacher = (signed(4, 1, 64, 64, seed=seed) for seed in (1, 2))
    np.testing.assert_allclose(map_distances(student, teacher)[0].numpy(), math.sqrt(2), atol=0.1)


def test_only_equal_maps_have_no_distance_and_scale_counts() -> None:
    maps = signed(1, 1, 16, 16, seed=1)
    assert map_distances(maps, maps)[0].item() == 0
    for scale in (0.5, 2.0, 100.0):
        # |s - 1| / sqrt(s): the same for s and 1 / s.
        expected = abs(scale - 1) / math.sqrt(scale)
        assert map_distances(scale * maps, maps)[0].item() == pytest.approx(expected, rel=1e-8)
        assert map_distances(scale * maps, maps, loss="l1")[0].item() == pytest.approx(0, abs=1e-12)
        assert map_distances(scale * maps, maps, loss="l2")[0].item() == pytest.approx(0, abs=1e-12)
    for seed in range(5):
        assert map_distances(maps + 0.01 * signed(1, 1, 16, 16, seed=seed), maps)[0].item() > 0
    assert map_distances(-maps, maps)[0].item() == pytest.approx(2, rel=1e-8)
    assert map_distances(1e-6 * maps, maps)[0].item() > 900


def test_maps_that_agree_from_afar_alone_are_apart_at_the_finest_level() -> None:
    """Multi-resolution is a mean: checkerboards whose averages are equal still differ."""
    checkerboard = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64).repeat(8, 8)[None, None]
    maps = 3 + signed(1, 1, 8, 8, seed=1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    single, _ = map_distances(maps + checkerboard, maps, resolutions="single")
    multi, _ = map_distances(maps + checkerboard, maps)
    assert multi.item() == pytest.approx(single.item() / 2, rel=1e-8)


@pytest.mark.parametrize("loss", ["geo-l1", "l1", "l2"])
@pytest.mark.parametrize(("blank", "expected"), [("student", 2.0), ("teacher", 2.0), ("both", 0.0)])
def test_map_that_is_0_is_skipped_without_a_gradient(loss: str, blank: str, expected: float) -> None:
    student, teacher = (signed(2, 1, 16, 16, seed=seed) for seed in (1, 2))
    for name, maps in (("student", student), ("teacher", teacher)):
        maps[0] *= 0.0 if blank in (name, "both") else 1.0
    student.requires_grad_()
    distances, vanished = map_distances(student, teacher, loss=loss)
    assert vanished.tolist() == [True, False]
    assert distances[0].item() == expected
    (slopes,) = torch.autograd.grad(distances.sum(), student)
    assert bool(torch.isfinite(slopes).all())
    assert float(slopes[0].abs().max()) == 0 < float(slopes[1].abs().max())
    alone, _ = map_distances(student[1:], teacher[1:], loss=loss)
    assert torch.equal(distances[1:], alone)


@pytest.mark.parametrize("loss", ["geo-l1", "l1", "l2"])
def test_maps_without_overlap_are_2_apart_as_a_map_that_vanished_is(loss: str) -> None:
    maps = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    maps[..., :8] = 3.0
    assert map_distances(maps, maps.flip(3), loss=loss)[0].item() == pytest.approx(2, rel=1e-8)


@pytest.mark.parametrize("loss", ["geo-l1", "l1", "l2"])
def test_level_that_averages_to_0_keeps_the_gradient_a_number(loss: str) -> None:
    student = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64).repeat(8, 8)[None, None].requires_grad_()
    distances, vanished = map_distances(student, signed(1, 1, 16, 16, seed=1), loss=loss)
    assert vanished.tolist() == [False]
    (slopes,) = torch.autograd.grad(distances.sum(), student)
    assert bool(torch.isfinite(distances).all()) and bool(torch.isfinite(slopes).all())


@pytest.mark.parametrize("broken", ["student", "teacher"])
def test_map_that_is_no_number_is_not_hidden(broken: str) -> None:
    maps = {name: signed(2, 1, 16, 16, seed=seed) for seed, name in enumerate(("student", "teacher"))}
    maps[broken][0, 0, 3, 3] = float("nan")
    distances, vanished = map_distances(maps["student"], maps["teacher"])
    assert torch.isnan(distances).tolist() == [True, False]
    assert vanished.tolist() == [False, False]


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        map_distances(torch.ones(1, 1, 7, 7), torch.ones(1, 1, 4, 4))
    assert caught.value.message == "the maps of teacher and student have 4 and 7 pixels"
    assert caught.value.hint == "choose an --arch whose last map has the teacher's size, or --set explanation=lrp"
