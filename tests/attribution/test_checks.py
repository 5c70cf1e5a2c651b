"""The checks of --sanity: right maps pass, pictures of the image fail, and what cannot be judged never passes."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cxrshort.attribution import METHODS
from cxrshort.attribution.background import draw_background
from cxrshort.attribution.check_progress import IMAGES, MAPS
from cxrshort.attribution.checks import (
    CURVE_COLUMNS,
    MapMaker,
    check_maps,
    sample_images,
)
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.expected_gradients import EXPECTED_GRADIENTS, ExpectedGradientsSettings
from cxrshort.attribution.gradient_x_input import GRADIENT_X_INPUT
from cxrshort.attribution.sanity import background_sensitivity, cascading_randomisation
from cxrshort.attribution.shares import region_shares
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.regions import of
from cxrshort.registry import load_entry

from ..training.tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)
SIDE, COUNT = 32, 40
PERSONS = np.arange(COUNT) // 2


class Films:
    """Hold noise in memory, brighter in one corner of every second image."""

    image_shape = (SIDE, SIDE)

    def __init__(self, count: int = COUNT) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 90, (count, SIDE, SIDE), dtype=np.uint8)
        self.pixels[1::2, :8, :8] += 120

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices):
        return self.pixels[indices]


def planted() -> nn.Module:
    """Return a model whose second logit is what a corner holds, of which half of the cells count."""
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * SIDE**2, 2)
    )
    torch.manual_seed(0)
    for part in (network[0], network[3]):
        part.reset_parameters()
    network[0].weight.data.zero_()
    network[0].weight.data[0, 0, 1, 1] = 1
    network[3].weight.data.zero_()
    network[3].weight.data[1].view(4, SIDE, SIDE)[0, :8, :8] = 0.1
    return network


def drawing(make: Callable[[Tensor], Tensor]) -> AttributionMethod:
    """Return a method whose maps are made of the image alone."""
    return AttributionMethod("drawing", lambda model, images, outputs, settings, resources: make(images))


def checked(method: AttributionMethod, network: nn.Module | None = None, rows=None, compute=FP32, **options):
    rows = sample_images(PERSONS, count=20, seed=1) if rows is None else rows
    maker = MapMaker(method, **{"seed": 3, "batch_size": 16, "output": 1, **options})
    network = planted() if network is None else network
    return check_maps(network, Films(), rows=rows, persons=PERSONS, maker=maker, compute=compute)


def words(outcome) -> list[str]:
    return [check.word for check in outcome.checks]


def references() -> Tensor:
    return torch.from_numpy(Films().pixels[::2, None] / np.float32(255))


def test_maps_of_what_the_model_uses_pass_and_the_model_is_unchanged():
    network = planted().train()
    before = copy.deepcopy(network.state_dict())
    outcome = checked(GRADIENT_X_INPUT, network)
    assert words(outcome) == ["passes", "not judged", "passes"]
    assert outcome.checks[1].reason == "'gradient-x-input' takes no reference images"
    assert (outcome.warnings, outcome.caution, outcome.images, outcome.left_out) == ([], "", 20, 0)
    assert network.training
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_background_is_a_sample_of_all_images_unless_one_is_given():
    few = {"settings": ExpectedGradientsSettings(8), "references": references()}
    outcome = checked(EXPECTED_GRADIENTS, **few)
    assert words(outcome)[1] == "passes"
    assert outcome.checks[1].reason.endswith(
        "at least 50 % must stay; the other background is a random sample of the explained images, positives and "
        "negatives"
    )
    rows = sample_images(PERSONS, count=20, seed=1)
    sample = draw_background(Films(), count=20, seed=3, without=rows)
    own = checked(EXPECTED_GRADIENTS, **few, other_references=sample, other_name="NIH")
    assert own.checks[1].numbers == outcome.checks[1].numbers
    assert own.checks[1].reason.endswith("the other background is NIH")
    # One that hides the corner: x - r is 0 where the weight is.
    away = drawing(lambda images: images)
    maker = dataclasses.replace(away, requires=EXPECTED_GRADIENTS.requires)

    def referring(model, images, outputs, settings, resources):
        return images.flip(3) if resources.references.mean() > 0.5 else images

    other = dataclasses.replace(maker, function=referring)
    fails = checked(other, references=torch.zeros(2, 1, SIDE, SIDE), other_references=torch.ones(2, 1, SIDE, SIDE))
    assert words(fails)[1] == "fails"
    assert "maps fail randomisation and background" in fails.caution


def test_draw_background_takes_others_and_repeats():
    rows = np.arange(0, COUNT, 2)
    drawn = draw_background(Films(), count=12, seed=0, without=rows)
    odd = torch.from_numpy(Films().pixels[1::2, None] / np.float32(255))
    assert drawn.shape == (12, 1, SIDE, SIDE)
    assert all(any(torch.allclose(image, other) for other in odd) for image in drawn)
    assert torch.equal(drawn, draw_background(Films(), count=12, seed=0, without=rows))
    assert not torch.equal(drawn, draw_background(Films(), count=12, seed=1, without=rows))
    assert len(draw_background(Films(), count=12, seed=0, without=np.arange(COUNT))) == 12


def test_pictures_of_the_image_fail_in_whole_sentences():
    outcome = checked(drawing(lambda images: images.diff(dim=3, append=images[..., :1])))
    assert words(outcome) == ["fails", "not judged", "fails"]
    assert outcome.caution == "maps fail randomisation and faithfulness"
    first, second = outcome.warnings
    assert first == (
        "the maps fail the check of randomisation, so that they hardly depend on what the model has learned: "
        "without any trained layer, maps keep 100 % of their structural and 100 % of their rank similarity beyond that "
        "of different images; at most 50 % may be left"
    )
    assert second.startswith(
        "the maps fail the check of faithfulness, so that what they point at does not move the logit more than the "
        "rest: against a random order, "
    )
    summary = outcome.summary()
    assert summary["checks"][0]["passes"] is False and summary["checks"][0]["ssim"] == pytest.approx(1)
    assert summary["caution"] == outcome.caution


def test_curves_are_those_of_the_checks():
    outcome = checked(GRADIENT_X_INPUT)
    assert tuple(outcome.curves.columns) == CURVE_COLUMNS
    rows = sample_images(PERSONS, count=20, seed=1)
    images = torch.from_numpy(Films().pixels[rows, None] / np.float32(255))

    def explain(network: nn.Module) -> Tensor:
        return GRADIENT_X_INPUT(network, images, torch.ones(20, dtype=torch.int64))

    expected = cascading_randomisation(planted(), explain, seed=3)
    layers = outcome.curves[outcome.curves["curve"] == "Spearman"]
    assert list(layers["layer"]) == ["", *expected.layers] == ["", "3", "0"]
    np.testing.assert_allclose(layers["value"], [1, *expected.spearman], atol=1e-6)
    assert set(layers["steps"]) == {2} and list(layers["step"]) == [0, 1, 2]
    deletion = outcome.curves[outcome.curves["check"] == "deletion"]
    own, random = (part["value"].to_numpy() for _, part in deletion.groupby("curve", sort=False))
    with torch.no_grad():
        start = planted()(images)[:, 1].mean().item()
    assert own[0] == pytest.approx(start, rel=1e-5) == random[0]
    assert own[-1] == pytest.approx(random[-1], rel=1e-5) and (own[1:-1] < random[1:-1]).all()


def test_shares_of_regions_say_by_how_much_they_move(tmp_path: Path):
    regions = of(load_dataset(str(tiny_dataset(tmp_path / "tiny", people=COUNT // 2))))
    maker = MapMaker(EXPECTED_GRADIENTS, ExpectedGradientsSettings(8), references(), batch_size=16, output=1)
    options = {"rows": sample_images(PERSONS, count=12), "persons": PERSONS, "compute": FP32}
    outcome = check_maps(planted(), Films(), maker=maker, regions=regions, **options)
    rows = options["rows"]
    images = torch.from_numpy(Films().pixels[rows, None] / np.float32(255))
    other = draw_background(Films(), count=len(references()), seed=0, without=rows)
    first, second = (
        region_shares(
            maker.maps(planted(), images, rows, references=background).numpy(),
            regions.take(rows),
            names=regions.names,
        ).shares
        for background in (None, other)
    )
    change = np.nanmax(np.abs((second - first)[:, ~np.isnan(first).all(axis=0)].mean(axis=0)))
    # Passes are cut into other batches, whose sums differ in the last bits.
    assert outcome.checks[1].numbers["largest_change_of_share"] == pytest.approx(change, abs=1e-5) and change > 0
    plain = check_maps(planted(), Films(), maker=maker, **options)
    assert plain.checks[1].numbers["largest_change_of_share"] is None


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_maps_that_hold_nothing_are_left_out_and_never_pass(value: float):
    outcome = checked(drawing(lambda images: torch.full_like(images, value)))
    assert words(outcome) == ["not judged"] * 3
    assert (outcome.images, outcome.left_out, len(outcome.curves)) == (0, 20, 0)
    assert outcome.checks[0].reason == "0 images have a map that is neither zero nor broken, 10 are needed"
    assert outcome.checks[2].reason == "no image has a map that is neither zero nor broken"
    some = checked(drawing(lambda images: images * (images.mean(dim=(1, 2, 3), keepdim=True) > 0.2)))
    bright = Films().pixels[sample_images(PERSONS, count=20, seed=1)].mean(axis=(1, 2)) / 255 > 0.2
    assert (some.images, some.left_out) == (bright.sum(), 20 - bright.sum()) == (13, 7)
    assert words(some)[0] == "fails"


def test_few_images_and_models_without_parameters_are_not_judged():
    outcome = checked(GRADIENT_X_INPUT, rows=np.array([0, 1, 2]))
    assert words(outcome) == ["not judged"] * 3
    assert outcome.checks[0].reason == "3 images have a map that is neither zero nor broken, 10 are needed"
    assert outcome.checks[2].reason == "only 2 persons: no interval"

    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :, :8, :8].sum(dim=(2, 3)).expand(-1, 2)

    occlusion = load_entry(METHODS, "occlusion", kind="method")
    fixed = checked(occlusion, Fixed())
    assert words(fixed) == ["not judged", "not judged", "passes"]
    assert fixed.checks[0].reason.startswith("the model has no parameters that could be initialised anew")


def test_logits_that_are_no_numbers_have_no_verdict():
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = planted()

        def forward(self, images: Tensor) -> Tensor:
            flat = images.flatten(1)
            hidden = (flat == flat.mean(dim=1, keepdim=True)).any(dim=1)
            return torch.where((flat.std(dim=1) < 1e-6)[:, None] | hidden[:, None], torch.nan, self.inner(images))

    outcome = checked(GRADIENT_X_INPUT, Broken())
    assert (
        outcome.checks[2].passes is None
        and "no number for images of which cells are hidden" in outcome.checks[2].reason
    )


def test_a_sample_is_of_different_persons_first():
    persons = np.array(["a"] * 30 + ["b", "c", "d"])
    sample = sample_images(persons, count=4, seed=0)
    assert sorted(persons[sample]) == ["a", "b", "c", "d"] and (np.diff(sample) > 0).all()
    more = sample_images(persons, count=10, seed=0)
    assert len(set(more.tolist())) == 10 and set(sample) <= set(more)
    assert len(sample_images(persons, count=99)) == 33
    assert not np.array_equal(more, sample_images(persons, count=10, seed=1))


def test_seed_decides_what_is_drawn():
    first, again, other = (checked(GRADIENT_X_INPUT, seed=seed).curves for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_a_model_that_the_method_cannot_explain_is_refused():
    with pytest.raises(UsageError):
        checked(load_entry(METHODS, "grad-cam", kind="method"), nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 2)))


def test_background_check_agrees_with_the_function_on_whole_batches():
    rows = sample_images(PERSONS, count=20, seed=1)
    maker = MapMaker(EXPECTED_GRADIENTS, ExpectedGradientsSettings(8), references(), seed=3, batch_size=16, output=1)
    images = torch.from_numpy(Films().pixels[rows, None] / np.float32(255))
    other = draw_background(Films(), count=20, seed=3, without=rows)
    maps = [maker.maps(planted(), images, rows, references=background).numpy() for background in (None, other)]
    expected = background_sensitivity(*maps)
    outcome = checked(EXPECTED_GRADIENTS, settings=ExpectedGradientsSettings(8), references=references())
    assert outcome.checks[1].numbers["spearman"] == pytest.approx(expected.spearman, abs=1e-4)


def test_progress_of_maps_and_of_hidden_cells_is_counted_to_the_end():
    events = []
    maker = MapMaker(GRADIENT_X_INPUT, seed=3, batch_size=16, output=1)
    rows = sample_images(PERSONS, count=20, seed=1)
    check_maps(planted(), Films(), rows=rows, persons=PERSONS, maker=maker, compute=FP32, report=events.append)
    counts = {unit: [event["done"] for event in events if event["event"] == unit] for unit in (MAPS, IMAGES)}
    # Five batches of four: the maps of the trained network, and of those without one and two of its layers.
    assert counts == {MAPS: list(range(4, 61, 4)), IMAGES: list(range(4, 21, 4))}
    assert {(event["event"], event["of"]) for event in events} == {(MAPS, 60), (IMAGES, 20)}
