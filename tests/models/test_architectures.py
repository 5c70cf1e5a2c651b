"""The contract that every architecture keeps; a new line in the table is covered without being told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from cxrshort.columns import LABELS
from cxrshort.models import ARCHITECTURES, checkpoint, factory
from cxrshort.models.architecture import Architecture, initialise
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.registry import load_entry

LARGE = {"alexnet", "vit_b_16", "covid-net-small", "covid-net-large", "multitask-unet"}
"""Over 50 million parameters: files of up to a gigabyte. What is theirs alone is tested beside the others, lightly."""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in ARCHITECTURES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return load_entry(ARCHITECTURES, request.param, kind="architecture")


def describe(architecture: Architecture, labels: tuple[str, ...] = ("COVID-19", "Edema", "Mass")) -> Description:
    spec = replace(default_spec(architecture, architecture.minimum_size), size=architecture.minimum_size)
    kind = "segmenter" if architecture.output == "masks" else "classifier"
    return Description(kind, architecture.name, labels, spec)


def output_shape(architecture: Architecture) -> tuple[int, ...]:
    side = architecture.minimum_size
    return (2, 3) if architecture.output == "labels" else (2, 3, side, side)


def images(architecture: Architecture, channels: int) -> torch.Tensor:
    side = architecture.minimum_size
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_architecture_is_listed_under_its_own_name(name: str) -> None:
    assert load_entry(ARCHITECTURES, name, kind="architecture").name == name


@pytest.mark.parametrize("channels", [1, 3])
def test_architecture_maps_images_to_logits(architecture: Architecture, channels: int) -> None:
    model = factory.build_model(describe(architecture)).eval()
    logits = model(images(architecture, channels))
    assert logits.shape == output_shape(architecture)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


def test_grey_images_and_their_three_equal_channels_give_the_same_logits(architecture: Architecture) -> None:
    model = factory.build_model(describe(architecture)).eval()
    grey = images(architecture, 1)
    assert torch.equal(model(grey), model(grey.expand(-1, 3, -1, -1)))


def test_images_of_another_size_are_taken(architecture: Architecture) -> None:
    model = factory.build_model(describe(architecture)).eval()
    assert model(torch.rand(2, 1, 50, 70)).shape == output_shape(architecture)


def test_architecture_saves_and_loads_to_the_same_logits(architecture: Architecture, tmp_path: Path) -> None:
    model = factory.build_model(describe(architecture), seed=3)
    model.train()(images(architecture, 1))  # moves the batch statistics off their start
    checkpoint.save_model(model, tmp_path / "model.safetensors", description=describe(architecture))
    loaded, description = factory.load_model(tmp_path / "model.safetensors")
    assert description.architecture == architecture.name
    assert not loaded.training
    expected = model.eval().to(memory_format=torch.channels_last)(images(architecture, 1))
    assert torch.equal(loaded(images(architecture, 1)), expected)


def test_same_seed_gives_the_same_weights_and_another_seed_others(architecture: Architecture) -> None:
    first, again, other = (initialise(architecture, 3, weights="none", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_initialising_leaves_the_global_generator_alone(architecture: Architecture) -> None:
    before = torch.random.get_rng_state()
    initialise(architecture, 3, weights="none", seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_gradients_reach_the_image(architecture: Architecture) -> None:
    model = factory.build_model(describe(architecture)).eval()
    batch = images(architecture, 1).requires_grad_()
    model(batch)[:, 0].sum().backward()
    assert batch.grad is not None
    assert torch.isfinite(batch.grad).all()
    assert (batch.grad.flatten(1).abs().amax(dim=1) > 0).all()


def test_logits_stay_fp32_where_the_network_runs_in_bf16(architecture: Architecture) -> None:
    model = factory.build_model(describe(architecture)).eval()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images(architecture, 1))
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.to(torch.bfloat16).float())


def test_weights_of_one_task_start_another_with_a_head_of_its_own(architecture: Architecture, tmp_path: Path) -> None:
    checkpoint.save_model(
        factory.build_model(describe(architecture), seed=1),
        tmp_path / "m.safetensors",
        description=describe(architecture),
    )
    network = initialise(architecture, 5, weights=str(tmp_path / "m.safetensors"), seed=2).state_dict()
    source = factory.load_model(tmp_path / "m.safetensors")[0].network.state_dict()
    fresh = initialise(architecture, 5, weights="none", seed=2).state_dict()
    head, tail = architecture.head + ".", (architecture.tail or architecture.head) + "."
    new = {name for name in fresh if name.startswith(tail) and fresh[name].shape != source[name].shape}
    assert {f"{head}weight", f"{head}bias"} <= new
    assert all(torch.equal(network[name], (fresh if name in new else source)[name]) for name in network)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("densenet121", 6_969_231),  # Huang et al. 2017 with 15 outputs: 7,978,856 - 1000 * 1025 + 15 * 1025
        ("resnet18", sum(parameter.numel() for parameter in resnet18(num_classes=15).parameters())),
        ("small-cnn", 432 + 4608 + 18432 + 73728 + 2 * (16 + 32 + 64 + 128) + 129 * 15),  # 3x3 kernels, norms, head
    ],
)
def test_architecture_has_the_published_number_of_parameters(name: str, expected: int) -> None:
    architecture = load_entry(ARCHITECTURES, name, kind="architecture")
    model = factory.build_model(describe(architecture, LABELS))
    assert isinstance(model, Classifier)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
