"""Networks of a CycleGAN: the published parameter counts, instance norm against torch's own, sizes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.generative.cyclegan import networks
from cxrshort.generative.cyclegan.networks import Discriminator, Generator, InstanceNorm, Sizes, make_networks

SMALL = Sizes(width=4, blocks=2, discriminator_width=4)


@pytest.mark.parametrize(
    ("kind", "channels", "count"),
    [
        (Generator, 3, 11_378_179),
        (Generator, 1, 11_365_633),
        (Discriminator, 3, 2_764_737),
        (Discriminator, 1, 2_762_689),
    ],
)
def test_networks_have_the_published_numbers_of_parameters(kind: type[nn.Module], channels: int, count: int) -> None:
    network = kind(Sizes(channels=channels))
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("size", [32, 36, 64])
def test_generator_keeps_the_shape_and_discriminator_gives_a_number_for_each_image(size: int) -> None:
    pictures = torch.rand(2, 1, size, size) * 2 - 1
    made = Generator(SMALL)(pictures)
    assert made.shape == pictures.shape and made.abs().max() <= 1
    assert Discriminator(SMALL)(made).shape == (2, 1)


@pytest.mark.parametrize(("size", "cells"), [(256, 30), (224, 26)])
def test_discriminator_sees_the_published_number_of_patches(size: int, cells: int) -> None:
    patches = nn.Sequential(*list(Discriminator(Sizes(discriminator_width=1)))[:-2])
    assert patches(torch.zeros(1, 1, size, size)).shape == (1, 1, cells, cells)


def test_instance_norm_is_that_of_torch() -> None:
    maps = torch.randn(3, 5, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(InstanceNorm()(maps), functional.instance_norm(maps), rtol=0, atol=1e-12)


def test_weights_start_from_a_normal_of_a_fiftieth_and_depend_on_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    generators, discriminators = make_networks(Sizes(width=16, blocks=2, discriminator_width=16), seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [value for value in (*generators.parameters(), *discriminators.parameters()) if value.dim() == 4]
    joined = torch.cat([weight.detach().flatten() for weight in weights])
    assert abs(float(joined.mean())) < 1e-3 and abs(float(joined.std()) - 0.02) < 1e-3
    again, _ = make_networks(Sizes(width=16, blocks=2, discriminator_width=16), seed=1)
    other, _ = make_networks(Sizes(width=16, blocks=2, discriminator_width=16), seed=2)
    first = "toward_to.1.weight"
    assert torch.equal(again.state_dict()[first], generators.state_dict()[first])
    assert not torch.equal(other.state_dict()[first], generators.state_dict()[first])


@pytest.mark.parametrize(
    ("shape", "message", "hint"),
    [
        (
            (66, 66),
            "the images are '66 x 66' pixels, a cyclegan takes squares of a side divisible by 4",
            "build-dataset with --size 64",
        ),
        (
            (64, 32),
            "the images are '64 x 32' pixels, a cyclegan takes squares of a side divisible by 4",
            "build-dataset with --size 32",
        ),
        (
            (28, 28),
            "the images are '28 x 28' pixels, a cyclegan takes 32 or more",
            "build-dataset with --size 32 or more",
        ),
    ],
)
def test_sizes_that_the_networks_cannot_take_are_refused(shape: tuple[int, int], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        networks.check_side(*shape)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_pictures_and_images_are_the_same_in_two_ranges() -> None:
    images = torch.tensor([0.0, 0.25, 1.0])
    assert networks.from_unit(images).tolist() == [-1.0, -0.5, 1.0]
    assert networks.to_unit(networks.from_unit(images)).tolist() == images.tolist()
