"""What is asked of a build: what stands in for the unsaid, what is refused, and what run.json records."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from cxrshort.datasets.building.pixel_recipes import PixelRecipe
from cxrshort.datasets.building.request import PHANTOM_IMAGES, SIZE, BuildRequest
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import UsageError


def arguments(request: BuildRequest, **reading: Any) -> dict[str, Any]:
    options = ReadOptions(**reading)
    return dict(request.arguments(name="mine", own_patients="", size=SIZE, reading=options))


def test_phantoms_have_a_size_and_a_planting_where_none_is_asked_for() -> None:
    request = BuildRequest("phantom-I", bias=0.8)
    assert request.images == PHANTOM_IMAGES
    planting = request.choose_planting()
    assert planting is not None and planting.arguments()["confounding"] == pytest.approx(0.6)
    others = BuildRequest("chestx-ray14")
    assert (others.images, others.choose_planting(), others.strength) == (None, None, 1.0)


def test_pixels_are_those_of_the_recipe_and_what_goes_over_it() -> None:
    request = BuildRequest("I", recipe="tea2025", fit="pad")
    assert request.choose_pixel_recipe() == PixelRecipe("pad", test_fit="pad", equalise=True)


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (BuildRequest("I", size=4), "--size"),
        (BuildRequest("I", recipe="none"), "none"),
        (BuildRequest("I", number_of_images=5), "--images"),
        (BuildRequest("phantom-I", root=Path("data")), "--root"),
        (BuildRequest("phantom-I", confounding=0.5, bias=0.8), "--bias"),
        (BuildRequest("no-such-dataset"), "no-such-dataset"),
    ],
)
def test_what_cannot_be_built_is_refused(request_: BuildRequest, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        request_.check(shard=None, merge=False, scheduler=None)
    assert word in caught.value.message


def test_fitting_request_passes() -> None:
    BuildRequest("phantom-I", number_of_images=20).check(shard="1/2", merge=False, scheduler=None)
    BuildRequest("I", where="view == 'PA'").check(shard=None, merge=False, scheduler="tcp://host:1")


def test_arguments_depend_on_what_decides_the_content_alone() -> None:
    request = BuildRequest("I", size=64)
    usual = arguments(request)
    assert arguments(request, jobs=7, header_cache=Path("caches")) == usual
    assert (usual["name"], usual["fit"], usual["images"]) == ("mine", "crop", None)
    assert arguments(request, uncertain="positive") != usual
    assert arguments(dataclasses.replace(request, seed=1)) == {**usual, "seed": 1}
    assert "confounding" in arguments(BuildRequest("phantom-I")) and "confounding" not in usual


def test_gathered_phantoms_are_drawn_at_the_size_asked_for() -> None:
    request = BuildRequest("phantom-I", number_of_images=12, size=32)
    candidates, image_source, side = request.gather(root=Path("none"), reading=ReadOptions())
    assert (len(candidates.rows), side, len(image_source.phantoms)) == (12, 32, 12)
    assert request.planted(image_source)["planted"]["summary"]
    assert BuildRequest("I").planted(image_source) == {}
