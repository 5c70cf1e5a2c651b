"""What every attribution method promises, whichever the table lists."""

import contextlib
import copy
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack

from cxrshort.attribution import METHODS
from cxrshort.attribution.contract import (
    AttributionMethod,
    Requirements,
    Resources,
    check_options,
    option,
)
from cxrshort.attribution.draws import GROUPS
from cxrshort.compute import Compute, seeded_generator
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Indices
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.scoring import scan
from cxrshort.registry import load_entry
from cxrshort.settings import meanings

from ..training.tiny import tiny_dataset

MARKER = slice(9, 13)
"""Rows and columns of the planted marker in images of 16 pixels."""


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> AttributionMethod:
    actual: AttributionMethod = load_entry(METHODS, request.param, kind="attribution method")
    return actual


def detector(channels: int = 1) -> Classifier:
    """Return a model whose first logit rises, and whose second falls, by the area brighter than 0.6; the third is 0."""
    pixels = nn.Conv2d(channels, 2, 3, padding=1)
    pixels.weight.data.fill_(1 / (9 * channels))
    pixels.bias.data = torch.tensor([-0.6, -0.6])
    head = nn.Linear(2, 3)
    head.weight.data = torch.tensor([[4.0, 2], [-4, -2], [0, 0]])
    head.bias.data = torch.tensor([-1.0, 1, 0])
    network = nn.Sequential(
        pixels, nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    )
    spec = InputSpec(16, channels=channels, mean=(0.0,) * channels, std=(1.0,) * channels)
    return Classifier(network, labels=("marker", "no marker", "nothing"), spec=spec).eval()


def films(count: int = 3, channels: int = 1) -> Tensor:
    """Return dark noise with a bright marker, (N, C, 16, 16)."""
    images = torch.rand(count, channels, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.3
    images[..., MARKER, MARKER] = 1.0
    return images


def resources(images: Tensor) -> dict[str, Any]:
    """Return what any method may require: dark references, and draws that belong to the image."""
    references = torch.rand(5, *images.shape[1:], generator=torch.Generator().manual_seed(1)) * 0.3
    return {"references": references, "generators": [seeded_generator(7, value) for value in range(len(images))]}


def quick(method: AttributionMethod) -> Any:
    """Return settings that take far fewer passes, for what does not depend on their number; patches still overlap."""
    settings, fewer = method.Settings(), {"samples": 20, "steps": 5, "patch": 0.25}
    return dataclasses.replace(settings, **{name: value for name, value in fewer.items() if hasattr(settings, name)})


def zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int64)


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_are_finite_float32_numbers_in_the_size_of_the_images(method: AttributionMethod, channels: int) -> None:
    images = films(channels=channels)
    maps = method(detector(3), images, zeros(3), **resources(images))
    assert maps.shape == (3, 16, 16) and maps.dtype == torch.float32 and not maps.requires_grad
    assert torch.isfinite(maps).all() and (maps.flatten(1).abs().sum(1) > 0).all()
    assert method(detector(3), images[:0], zeros(0), references=resources(images)["references"]).shape == (0, 16, 16)


@pytest.mark.parametrize("side", [12, 40])
def test_maps_lie_in_the_picture_where_the_network_resizes_it(method: AttributionMethod, side: int) -> None:
    images = nn.functional.interpolate(films(), (side, side), mode="area")
    maps = method(detector(), images, zeros(3), **resources(images))
    place = (torch.arange(side) + 0.5) / side
    inside = (place > 7 / 16) & (place < 15 / 16)  # the marker, and the two pixels around it that the filter reaches
    assert maps.shape == (3, side, side)
    assert float(maps[:, inside][..., inside].abs().sum() / maps.abs().sum()) > 0.8


@pytest.mark.parametrize("channels", [1, 3])
def test_planted_marker_is_found_with_the_sign_of_its_evidence(method: AttributionMethod, channels: int) -> None:
    images, around = films(channels=channels), slice(7, 15)
    model = detector(channels)
    maps = method(model, images, torch.tensor([0, 1, 2]), **resources(images))
    assert float(maps[0].sum()) > 0
    assert float(maps[1].sum()) <= 0  # 0 where a method, by its definition, shows evidence in favour alone
    assert float(maps[0, around, around].abs().sum() / maps[0].abs().sum()) > 0.9
    assert not maps[2].any()


def test_batches_of_any_size_give_the_same_maps(method: AttributionMethod) -> None:
    images, model, outputs = films(7), detector(), torch.tensor([0, 1, 0, 0, 1, 0, 0])
    everything = resources(images)
    expected = method(model, images, outputs, settings=quick(method), **everything)
    for size in (1, 3, 7):
        actual = method(model, images, outputs, batch_size=size, settings=quick(method), **resources(images))
        # Convolutions of other batch sizes may sum in another order: a few units in the last place.
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-7)
    alone = {"references": everything["references"], "generators": resources(images)["generators"][4:5]}
    torch.testing.assert_close(
        method(model, images[4:5], outputs[4:5], settings=quick(method), **alone)[0], expected[4], rtol=1e-5, atol=1e-7
    )


def test_network_never_sees_more_images_than_the_batch_size(method: AttributionMethod) -> None:
    seen: list[int] = []

    class Counting(Classifier):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return super().forward(images)

    network = detector()
    model = Counting(network.network, labels=network.labels, spec=network.spec)
    images = films(5)
    method(model, images, zeros(5), batch_size=2, settings=quick(method), **resources(images))
    assert 0 < max(seen) <= 2


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(method: AttributionMethod) -> None:
    seen: list[int] = []

    class Limited(Classifier):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            if len(images) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    network, images, outputs = detector(), films(5), torch.tensor([0, 1, 0, 0, 1])
    expected = method(network, images, outputs, settings=quick(method), **resources(images))
    model = Limited(network.network, labels=network.labels, spec=network.spec)
    maps = method(model, images, outputs, settings=quick(method), **resources(images))
    torch.testing.assert_close(maps, expected, rtol=1e-5, atol=1e-7)
    assert max(seen) > 2


def test_groups_of_draws_add_up_to_the_map(method: AttributionMethod) -> None:
    images, outputs = films(5), torch.tensor([0, 1, 0, 0, 1])
    if not method.draws:
        with pytest.raises(UsageError, match=re.escape(f"'{method.name}' makes no random draws")):
            method.groups(detector(), images, outputs, **resources(images))
        return
    groups = method.groups(detector(), images, outputs, batch_size=3, settings=quick(method), **resources(images))
    assert groups.shape == (5, GROUPS, 16, 16) and groups.dtype == torch.float32
    expected = method(detector(), images, outputs, settings=quick(method), **resources(images))
    torch.testing.assert_close(groups.sum(1), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_model_is_left_as_it_was_and_explained_in_eval_mode(
    method: AttributionMethod, training: bool, frozen: bool
) -> None:
    model, images = detector(), films()
    expected = method(model, images, zeros(3), **resources(images))
    model.train(training).requires_grad_(not frozen)
    model.network[0].eval()
    with unchanged(model, images):
        actual = method(model, images, zeros(3), **resources(images))
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("layer", [0, 2, 6])
def test_nothing_is_left_behind_after_an_error(method: AttributionMethod, layer: int) -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise ArithmeticError("planted")

    model, images = detector().train(), films()
    model.network.insert(layer, Broken())
    with unchanged(model, images), pytest.raises(ArithmeticError, match="planted"):
        method(model, images, zeros(3), **resources(images))


@contextlib.contextmanager
def unchanged(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Compare everything that a method could leave behind, on the model, on the images or in torch."""
    values = {name: value.clone() for name, value in model.state_dict(keep_vars=True).items()}
    before, pixels = traces(model, images), images.clone()
    yield
    assert traces(model, images) == before
    assert torch.equal(images, pixels)
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())


def traces(model: nn.Module, images: Tensor) -> list[object]:
    hooks = [
        len(table)
        for module in model.modules()
        for name, table in vars(module).items()
        if name.endswith("hooks") and isinstance(table, dict)
    ]
    hooks += [len(value._backward_hooks or {}) for value in (*model.parameters(), images)]
    return [
        hooks,
        [(module.training, type(module), module.forward.__func__) for module in model.modules()],
        [(name, value.requires_grad, value.grad) for name, value in (*model.named_parameters(), ("images", images))],
        [
            name
            for name in vars(torch.nn.modules.module)
            if name.startswith("_global") and name.endswith("hooks") and vars(torch.nn.modules.module)[name]
        ],
        _get_current_function_mode_stack(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.backends.cuda.math_sdp_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
    ]


@pytest.mark.parametrize(
    "surroundings",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16), contextlib.nullcontext],
)
def test_surroundings_change_nothing(
    method: AttributionMethod, surroundings: Callable[[], contextlib.AbstractContextManager[Any]]
) -> None:
    model, images = detector(), films()
    expected = method(model, images, zeros(3), **resources(images))
    with surroundings(), unchanged(model, images):
        inside = films()  # of inference mode, where that is on
        assert torch.equal(method(model, inside, zeros(3), **resources(inside)), expected)


def test_images_of_a_larger_graph_get_no_gradient(method: AttributionMethod) -> None:
    images = films().requires_grad_()
    maps = method(detector(), images * 1, zeros(3), **resources(films()))
    assert not maps.requires_grad and images.grad is None


def test_method_is_deterministic_given_its_generators(method: AttributionMethod) -> None:
    model, images = detector(), films()
    first, second = (method(model, images, zeros(3), **resources(images)) for _ in range(2))
    assert torch.equal(first, second)


def test_maps_of_a_float64_model_are_those_of_its_float32_copy(method: AttributionMethod) -> None:
    model, images = detector(), films()
    expected = method(model, images, zeros(3), **resources(images))
    given = resources(images)
    given["references"] = given["references"].double()
    actual = method(copy.deepcopy(model).double(), images.double(), zeros(3), **given)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


def test_method_scanned_over_a_dataset_gives_a_map_for_each_image(method: AttributionMethod, tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", people=5, size=16)))
    model, references = detector(), torch.zeros(2, 1, 16, 16)

    def work(images: Tensor, indices: Indices) -> Tensor:
        generators = [seeded_generator(7, int(index)) for index in indices]
        return method(
            model,
            images,
            zeros(len(images)),
            references=references,
            generators=generators,
            settings=quick(method),
            batch_size=len(images),
        )

    options: dict[str, Any] = {"model": model, "compute": Compute("cpu", "fp32", 1), "gradients": True, "shrink": True}
    maps = scan(work, data.pixels, batch_size=4, **options)
    assert maps.shape == (10, 16, 16) and maps.dtype == np.float32
    some = scan(work, data.pixels, batch_size=64, rows=np.array([8, 3]), **options)
    np.testing.assert_allclose(some, maps[[8, 3]], rtol=1e-5, atol=1e-7)


def test_name_settings_and_documentation_agree(method: AttributionMethod) -> None:
    assert load_entry(METHODS, method.name, kind="attribution method") is method
    settings = method.Settings()
    assert set(meanings(type(settings))) == {field.name for field in dataclasses.fields(settings)}
    for field in dataclasses.fields(settings):
        assert set(field.metadata) == {"low", "high", "names"}, f"'{field.name}' is not declared by option()"
        for value in outside(field.metadata):
            with pytest.raises(UsageError, match=f"{field.name} of {method.name}"):
                method.Settings(**{field.name: value})
        for value in field.metadata["names"]:
            assert getattr(method.Settings(**{field.name: value}), field.name) == value


def outside(allowed: Any) -> Iterator[object]:
    """Yield values that an option must refuse."""
    if allowed["names"]:
        yield "no such name"
    else:
        yield from (float("nan"), float("inf"), allowed["low"] - 1, allowed["high"] + 1)


def test_method_explains_a_logit_that_exists(method: AttributionMethod) -> None:
    images = films()
    for output, wrong in ((torch.tensor([0, 3, 0]), 3), (torch.tensor([0, 0, -1]), -1)):
        with pytest.raises(UsageError) as caught:
            method(detector(), images, output, **resources(images))
        assert caught.value.message == f"output '{wrong}' is none of the model's, which has 3"
        assert caught.value.hint == "outputs are counted from 0 to 2"


def test_what_a_method_requires_is_asked_for(method: AttributionMethod) -> None:
    images = films()
    for name in ("references", "generators"):
        given = resources(images)
        del given[name]
        if getattr(method.requires, name):
            with pytest.raises(UsageError, match=f"'{method.name}' needs"):
                method(detector(), images, zeros(3), **given)
        else:
            method(detector(), images, zeros(3), **given)


def test_maps_that_a_loss_learns_from_are_those_of_the_method(method: AttributionMethod) -> None:
    if method.learn is None:
        pytest.skip(f"no loss is differentiated through {method.name}")
    model, images, outputs = detector(3).double(), films(channels=3).double(), torch.tensor([0, 1, 0])
    maps, logits = method.learn(model, images, outputs, settings=method.Settings(), bn="batch-detached")
    expected = method(model, images, outputs)
    torch.testing.assert_close(maps.sum(1).float(), expected)
    torch.testing.assert_close(logits, model(images))


def test_loss_on_maps_and_logits_has_the_slope_of_central_differences(method: AttributionMethod) -> None:
    if method.learn is None:
        pytest.skip(f"no loss is differentiated through {method.name}")
    model, images, learn = detector().double().train(), films().double(), method.learn
    model.network[3].eval()  # dropout would draw anew
    parameters = list(model.parameters())
    directions = [seeded_like(parameter, number) for number, parameter in enumerate(parameters)]

    def loss() -> Tensor:
        maps, logits = learn(model, images, torch.tensor([0, 1, 0]), settings=method.Settings(), bn="autograd")
        return (maps**2).sum() * 10 + (logits**2).mean()

    slopes = torch.autograd.grad(loss(), parameters, allow_unused=True)
    actual = sum(float((a * b).sum()) for a, b in zip(slopes, directions, strict=True) if a is not None)
    values, step = [], 1e-6
    for sign in (1, -1):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += sign * step * direction
        values.append(float(loss().detach()))
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter -= sign * step * direction
    assert actual == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


def seeded_like(parameter: Tensor, seed: int) -> Tensor:
    return torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed), dtype=parameter.dtype) / 10


def mix(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources) -> Tensor:
    """Return each image less a reference that its own generator draws: a method of all requirements."""
    del model, outputs, settings
    assert resources.references is not None
    rows = [
        int(torch.randint(len(resources.references), (), generator=generator)) for generator in resources.generators
    ]
    return images - resources.references[rows]


MIX = AttributionMethod("mix", mix, requires=Requirements(references=True, generators=True))


def test_references_and_generators_reach_the_method_image_by_image() -> None:
    images = films(5)
    given = resources(images)
    maps = MIX(nn.Identity(), images, zeros(5), batch_size=2, **given)
    for number in range(5):
        row = int(torch.randint(5, (), generator=seeded_generator(7, number)))
        torch.testing.assert_close(maps[number], images[number, 0] - given["references"][row, 0])


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"images": torch.zeros(3, 16, 16)}, "images of shape (3, 16, 16) and type torch.float32 cannot be explained",
         "give floating-point images of shape (N, C, H, W) in [0, 1]"),
        ({"images": torch.zeros(3, 1, 16, 16, dtype=torch.uint8)},
         "images of shape (3, 1, 16, 16) and type torch.uint8 cannot be explained",
         "give floating-point images of shape (N, C, H, W) in [0, 1]"),
        ({"outputs": torch.zeros(2, dtype=torch.int64)},
         "outputs of shape (2,) and type torch.int64 do not fit 3 images",
         "give the number of one logit for each image, of type int64"),
        ({"outputs": torch.zeros(3)}, "outputs of shape (3,) and type torch.float32 do not fit 3 images",
         "give the number of one logit for each image, of type int64"),
        ({"batch_size": 0}, "the batch size is '0', it must be 1 or more", "try 64"),
        ({"references": None}, "'mix' needs reference images, and there are none", "name a --background"),
        ({"references": torch.zeros(4, 1, 8, 8)},
         "the references have the shape (1, 8, 8), they must have that of the images, (1, 16, 16)",
         "build both datasets with the same --size"),
        ({"generators": []}, "'mix' needs one generator per image, 3, not 0",
         "make each with cxrshort.compute.seeded_generator(seed, position)"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, hint: str) -> None:
    given = {"images": films(), "outputs": zeros(3), **resources(films())} | changes
    images, outputs = given.pop("images"), given.pop("outputs")
    with pytest.raises(UsageError) as caught:
        MIX(nn.Identity(), images, outputs, **given)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@dataclasses.dataclass(frozen=True)
class Ranges:
    """Hold one option of each kind."""

    share: float = option(0.5, low=0, high=1)
    count: int = option(8, low=1)
    level: float = option(-1.0, high=0)
    free: float = option(0.0)
    kind: str = option("plain", names=("plain", "smooth"))


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"share": 1.5}, "the share of mix is '1.5', it must be from 0 to 1", "try 0.5"),
        ({"count": 0}, "the count of mix is '0', it must be 1 or more", "try 8"),
        ({"level": 0.25}, "the level of mix is '0.25', it must be at most 0", "try -1"),
        ({"free": float("nan")}, "the free of mix is 'nan', it must be a number", "try 0"),
        ({"kind": "smoth"}, "'smoth' is not a known kind of mix", "did you mean 'smooth'?"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, Any], message: str, hint: str) -> None:
    check_options(Ranges(), method="mix")
    with pytest.raises(UsageError) as caught:
        check_options(Ranges(**changes), method="mix")
    assert (caught.value.message, caught.value.hint) == (message, hint)
