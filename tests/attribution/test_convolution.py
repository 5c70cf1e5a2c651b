"""Convolutions of an explained pass against torch's own, forward, backward and twice backward."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.attribution.convolution import ConvolutionCall, Geometry, Role, convolve, input_gradient, made_from
from cxrshort.attribution.passes import Phase

# Channels in and out, kernel, and how it moves: every way that is computed otherwise than torch does, and the rest.
CASES = [
    (3, 4, (7, 7), {"stride": 2, "padding": 3}),
    (3, 4, (5, 4), {"stride": 3, "padding": (2, 0)}),
    (2, 4, (2, 2), {"stride": 4}),
    (1, 2, (3, 3), {"stride": (2, 1), "padding": 1}),
    (6, 4, (1, 1), {}),
    (6, 4, (1, 1), {"stride": 2}),
    (6, 4, (3, 3), {"padding": 1, "dilation": 2}),
    (6, 6, (3, 3), {"padding": 1, "groups": 3}),
]


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def leaves(inputs: int, outputs: int, kernel: tuple[int, int], options: dict, *, dtype: torch.dtype) -> list[Tensor]:
    weight = draw(outputs, inputs // options.get("groups", 1), *kernel, seed=1, dtype=dtype)
    values = (draw(2, inputs, 13, 12, dtype=dtype), weight, draw(outputs, seed=2, dtype=dtype))
    return [value.requires_grad_() for value in values]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("inputs", "outputs", "kernel", "options"), CASES)
def test_all_gradients_are_those_of_torch(inputs, outputs, kernel, options, dtype):
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}

    def gradients(run) -> list[Tensor]:
        image, weight, bias = leaves(inputs, outputs, kernel, options, dtype=dtype)
        phase = Phase()
        result = run(image, weight, bias, phase)
        above = draw(*result.shape, seed=3, dtype=dtype)
        back = phase.gradient((result * above).sum(), image, create_graph=True)
        learnt = (back * draw(*back.shape, seed=4, dtype=dtype)).square().sum() + result.square().sum()
        return [result, back, *torch.autograd.grad(learnt, (image, weight, bias))]

    def ours(image: Tensor, weight: Tensor, bias: Tensor, phase: Phase) -> Tensor:
        call = ConvolutionCall.of((image, weight, bias), options)
        assert call is not None
        return convolve(call, Role(phase))

    actual = gradients(ours)
    expected = gradients(lambda image, weight, bias, phase: functional.conv2d(image, weight, bias, **options))
    for value, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(value, reference, **tolerance)


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "options"), CASES)
def test_input_gradient_can_be_differentiated_by_gradient_and_weight(inputs, outputs, kernel, options):
    images, weight, _ = leaves(inputs, outputs, kernel, options, dtype=torch.float64)
    image = images[:1]  # every number of it is moved
    call = ConvolutionCall.of((image, weight), options)
    assert call is not None
    above = draw(*functional.conv2d(image, weight, **options).shape, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda above, weight: input_gradient(above, weight, image.shape, geometry=call.geometry), (above, weight)
    )


def test_learning_ends_at_the_pixels_and_explaining_does_not():
    image, weight, _ = leaves(3, 4, (3, 3), {}, dtype=torch.float64)
    phase = Phase()
    call = ConvolutionCall.of((image, weight), {})
    assert call is not None
    result = convolve(call, Role(phase, pixels=True)).sum()
    assert phase.gradient(result, image, create_graph=True).abs().sum() > 0
    result.backward()
    assert image.grad is None
    assert weight.grad is not None


def test_input_is_kept_for_learning_alone():
    image, weight, bias = leaves(3, 4, (3, 3), {}, dtype=torch.float64)
    call = ConvolutionCall(image, weight, bias, Geometry())
    kept = [convolve(call, Role(Phase(), learning=learning)).grad_fn.saved_tensors[1] for learning in (True, False)]
    assert kept[0] is not None and kept[1] is None


def test_calls_are_read_by_place_and_by_name_and_others_are_left_to_torch():
    image, weight = draw(2, 3, 8, 8), draw(4, 3, 3, 3)
    call = ConvolutionCall.of((image, weight, None, 2), {"padding": (1, 0)})
    assert call is not None
    assert call.geometry == Geometry((2, 2), (1, 0), (1, 1), 1)
    assert ConvolutionCall.of((), {"input": image, "weight": weight, "padding": "same"}) is None
    assert ConvolutionCall.of((image[0], weight), {}) is None


def test_made_from_tells_pixels_from_what_was_learnt():
    images, scale = draw(2, 3, 4, 4).requires_grad_(), draw(1).requires_grad_()
    normalised = ((images.expand(2, 3, 4, 4) - 0.5) / 0.2).contiguous(memory_format=torch.channels_last)
    assert made_from(images, images)
    assert made_from(normalised, images)
    assert not made_from(normalised * scale, images)
    assert not made_from(draw(2), images)
    deep = images
    for _ in range(50):
        deep = deep + 1
    assert not made_from(deep, images)  # not looked through to its end
