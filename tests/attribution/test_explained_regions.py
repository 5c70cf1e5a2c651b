"""Regions of the explained images: sources, the border as one region, and what is not judged."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.attribution.explained_regions import (
    BORDER,
    ExplainedRegions,
    RegionSources,
    read_regions,
    why_not_judged,
)
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.regions import CORNERS, EDGES, NAMES, Regions, geometry, of

from .population import CPU, Population, population


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"))


def test_border_is_the_union_of_its_sides_and_corners(people: Population) -> None:
    regions = ExplainedRegions(of(people.data, average=True))
    assert [name for name in regions.names if name != BORDER] == list(NAMES)
    areas, available = regions.take(np.array([3, 5]))
    plain = of(people.data, average=True).take([3, 5])
    numbers = {name: number for number, name in enumerate(regions.names)}
    for number, name in enumerate(NAMES):
        assert np.array_equal(areas[:, numbers[name]], plain.areas[:, number])
        assert np.array_equal(available[:, numbers[name]], plain.available[:, number])
    union = np.any([area for area in geometry((16, 16)).values()], axis=0)
    assert np.array_equal(areas[0, numbers[BORDER]], union) and available[:, numbers[BORDER]].all()


def test_border_of_the_user_gives_way_to_that_of_the_image(people: Population) -> None:
    inner = of(people.data, average=True)
    named = Regions(inner.image_shape, len(inner), {**inner._layers, BORDER: []})
    regions = ExplainedRegions(named)
    assert regions.names.count(BORDER) == 1 and regions.take(np.array([0])).areas[0].any(axis=(1, 2)).sum() > 8


def test_average_anatomy_is_said_with_its_counts(people: Population) -> None:
    _, notes = read_regions(people.data, RegionSources(), compute=CPU)
    (note,) = notes
    assert note == (
        "an average anatomy stands in for what no mask, box or segmenter shows "
        "(lungs in 24, heart in 24 of 24 images): these regions and those derived from them are rough"
    )


def test_average_anatomy_is_nobodys_outline(people: Population) -> None:
    completed, _ = read_regions(people.data, RegionSources(), compute=CPU)
    lungs = completed.names.index("lungs")
    assert completed.take(np.arange(4)).available[:, lungs].all()
    outlined = completed.outlined
    assert not outlined.available[:, outlined.names.index("lungs")].any()
    plain = of(people.data)
    assert ExplainedRegions(plain).outlined is plain


def test_masks_that_are_none_are_refused(people: Population, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="is not a folder of masks"):
        read_regions(people.data, RegionSources(masks=tmp_path / "nowhere"), compute=CPU)
    with pytest.raises(DataError) as caught:
        read_regions(people.data, RegionSources(masks=tmp_path), compute=CPU)
    assert caught.value.message == f"'{tmp_path}' holds no mask of any of these 24 images"
    np.save(tmp_path / "masks.npy", np.full((24, 16, 16), 7, np.uint8))
    with pytest.raises(DataError, match="holds 7, a mask is 0 and 1"):
        read_regions(people.data, RegionSources(masks=tmp_path / "masks.npy"), compute=CPU)


def test_expected_regions_and_boxes_of_findings_are_not_judged(people: Population) -> None:
    names = (*NAMES, "Edema", BORDER)
    reasons = why_not_judged(names, ("lungs", "heart"), people.data.manifest)
    assert reasons == {
        "lungs": "the finding may lie there",
        "heart": "the finding may lie there",
        "Edema": "a finding is marked there",
    }
    assert not {*EDGES, *CORNERS, BORDER} & set(reasons)
    with pytest.raises(UsageError, match="'hearts' is not a known region"):
        why_not_judged(names, ("hearts",), people.data.manifest)
