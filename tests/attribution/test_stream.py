"""Pairs of an image and a draw as one stream."""

import pytest
import torch
from torch import Tensor, nn

from cxrshort.attribution.stream import (
    Inputs,
    input_slopes,
    logits_of_draws,
    mean_logits,
    run_in_batches,
    summed_slopes,
)

FULL = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError("no memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
]


class Limited(nn.Module):
    """A network that memory suffices for up to some number of images."""

    def __init__(self, limit: int, error: Exception = FULL[0]) -> None:
        super().__init__()
        self.limit, self.error, self.seen = limit, error, list[int]()
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0, 2.0, 0.25], [1, 1, -1, 0]], dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        if len(images) > self.limit:
            raise self.error
        return (images.flatten(1) ** 2) @ self.weight.T


def images() -> Tensor:
    return torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def shrunk(owners: Tensor, numbers: Tensor) -> Inputs:
    """Return each image divided by the number of its draw, which is its factor too."""
    factors = (1 + numbers.double()).view(-1, 1, 1, 1)
    return Inputs(images()[owners] / factors, factors)


@pytest.mark.parametrize("error", FULL)
def test_run_in_batches_halves_what_memory_does_not_suffice_for_and_does_each_item_once(error: Exception) -> None:
    done, tried = list[int](), list[int]()

    def work(start: int, stop: int) -> None:
        tried.append(stop - start)
        if stop - start > 3:
            raise error
        done.extend(range(start, stop))

    run_in_batches(work, 11, batch_size=8)
    assert done == list(range(11))
    assert tried == [8, 4, 2, 2, 2, 2, 2, 1]


def test_run_in_batches_gives_up_where_a_single_item_does_not_fit_and_passes_other_errors_on() -> None:
    model = Limited(0)
    with pytest.raises(torch.OutOfMemoryError):
        run_in_batches(lambda start, stop: model(images()[start:stop]), 3, batch_size=3)
    assert model.seen == [3, 1]
    model = Limited(1, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run_in_batches(lambda start, stop: model(images()[start:stop]), 3, batch_size=3)
    assert model.seen == [3]


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("limit", [100, 1])
def test_summed_slopes_are_those_of_the_formula_in_groups_of_draws(batch_size: int, limit: int) -> None:
    """The slope of w x^2 at x / k is 2 w x / k; times k, 2 w x for each draw."""
    model, outputs = Limited(limit), torch.tensor([0, 1, 0])
    found = summed_slopes(model, images(), outputs, compose=shrunk, draws=5, groups=2, batch_size=batch_size)
    slopes = 2 * images().flatten(1) * model.weight[outputs]
    expected = torch.stack([3 * slopes, 2 * slopes], dim=1).view(3, 2, 2, 2)
    torch.testing.assert_close(found, expected.detach())
    assert max(model.seen) <= batch_size
    assert model.weight.requires_grad and model.weight.grad is None


def test_logits_of_draws_and_mean_logits_are_those_of_the_model_whatever_the_memory() -> None:
    outputs, all_images = torch.tensor([0, 1, 0]), images()
    for limit in (100, 1):
        model = Limited(limit)
        found = logits_of_draws(
            model,
            all_images,
            outputs,
            compose=lambda owners, numbers: shrunk(owners, numbers).images,
            draws=2,
            batch_size=4,
        )
        whole = Limited(100)(all_images).gather(1, outputs[:, None])
        torch.testing.assert_close(found, torch.cat([whole, whole / 4], dim=1).detach())
        assert not found.requires_grad
        mean = mean_logits(model, all_images.float(), like=all_images, batch_size=2)
        torch.testing.assert_close(mean, Limited(100)(all_images).mean(0).detach(), rtol=1e-6, atol=1e-7)


def test_input_slopes_are_exact_under_autocast_and_without_gradients() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = input_slopes(Limited(9), images(), torch.tensor([0, 0, 1]))
    expected = 2 * images().flatten(1) * Limited(9).weight[[0, 0, 1]]
    torch.testing.assert_close(found.flatten(1), expected.detach())
