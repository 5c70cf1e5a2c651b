"""The z-B rule on one convolution, against the formula in matrices."""

import torch
from torch.nn import functional

from cxrshort.attribution.first_layer import Stem, no_stem


def test_box_rule_is_equation_13_of_montavon():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, 1, 1, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 3, 1, 1, generator=generator, dtype=torch.float64)
    relevance = torch.rand(1, 4, 1, 1, generator=generator, dtype=torch.float64)
    stem = Stem()
    sums = functional.conv2d(pixels, weight)
    stem.note("convolution", (pixels, weight), {}, result=sums)
    stem.note("relu", (sums,), {}, result=sums.relu())
    zero, one = torch.zeros_like(pixels), torch.ones_like(pixels)
    actual = stem.relevance(
        torch.ones(4, dtype=torch.float64), relevance, low=zero, high=one, epsilon=torch.zeros_like(relevance)
    )
    x, w = pixels.flatten(), weight.flatten(1)
    parts = x * w - w.clamp(max=0)  # low is 0, high is 1
    expected = (parts / parts.sum(dim=1, keepdim=True) * relevance.flatten()[:, None]).sum(dim=0)
    torch.testing.assert_close(actual.flatten(), expected)
    torch.testing.assert_close(actual.sum(), relevance.sum())
    assert (actual >= 0).all()


def test_stem_notes_the_first_convolution_and_what_follows_it():
    stem, (pixels, sums, normal, active) = Stem(), torch.rand(4, 1, 1, 2, 2)
    weight = torch.ones(1, 1, 1, 1)
    stem.note("convolution", (pixels, weight), {"stride": 2}, result=sums)
    stem.note("relu", (pixels,), {}, result=pixels)
    assert stem.activations is None
    stem.note("batch norm", (sums,), {}, result=normal)
    stem.note("relu", (), {"input": normal}, result=active)
    stem.note("convolution", (active, weight), {}, result=pixels)
    assert stem.sums is sums and stem.normalised is normal and stem.activations is active
    assert stem.convolution["stride"] == 2 and stem.convolution["padding"] == 0


def test_other_beginnings_are_refused_with_a_way_out():
    assert no_stem().hint == "leave out --first-layer"
