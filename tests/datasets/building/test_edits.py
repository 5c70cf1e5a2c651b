"""Edited images: they keep person, fold, labels, masks and regions, and say what they were made from."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort import manifest as manifests
from cxrshort import regions, runs
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.edits import Transform, edited_rows, of_edits, per_image
from cxrshort.datasets.building.shards import Shard
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.errors import DataError, MissingInputError, ResumableError, UsageError
from cxrshort.images.cache import checksum
from cxrshort.images.raster import ImageError
from cxrshort.masks.bits import select_bits
from cxrshort.verbs.build_dataset import build_dataset

from ...verbs.test_build_dataset import contents

FILMS = 20
EDITS = ("inverted", "darker")
KEPT = ("path", "repository", "patient_id", "person_id", "view", "sex", "split_0", "split_1", "COVID-19", "Hernia")
ARGUMENTS = {"edits": list(EDITS)}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "phantoms"
    build_dataset("phantom-III", out=folder, number_of_images=FILMS, size=32, jobs=1, replicates=2)
    return folder


@pytest.fixture
def data(source: Path) -> Dataset:
    return load_dataset(str(source))


def change(pixels: np.ndarray, row: "pd.Series[Any]") -> np.ndarray:
    return 255 - pixels if row["edit"].endswith("inverted") else pixels // 2


def all_edits(data: Dataset, edits: Sequence[str] = EDITS) -> pd.DataFrame:
    """Return a row for every image and edit, with the settings of a generator."""
    positions = np.repeat(np.arange(len(data.manifest)), len(edits))
    rows = edited_rows(data.manifest, positions.tolist(), list(edits) * len(data.manifest))
    return rows.assign(edit_prompt=rows["edit"], edit_seed=positions % 2, edit_parameters='{"strength": 0.4}', note="x")


def edit(
    data: Dataset,
    out: Path,
    *,
    rows: pd.DataFrame | None = None,
    transform: Transform | None = None,
    plan: dict[str, Any] | None = None,
    resume: bool = False,
    report: Any = lambda done, count: None,
    **options: Any,
) -> dict[str, Any]:
    rows = all_edits(data) if rows is None else rows
    image_source = of_edits(data, rows, transform or per_image(change), settings="change 1", **options)
    with runs.open_run(out, "edit", arguments=ARGUMENTS, resume=resume) as run:
        return write_dataset(
            run, *image_source, settings=DatasetSettings("edited", data.recipe, **(plan or {})), report=report
        )


@pytest.fixture(scope="module")
def edited(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("edited") / "out"
    edit(load_dataset(str(source)), out)
    return out


def test_edits_keep_what_is_known_of_their_sources(data: Dataset, edited: Path) -> None:
    made = load_dataset(str(edited)).manifest.set_index("image_id")
    sources = data.manifest.set_index("image_id")
    assert len(made) == FILMS * len(EDITS)
    for name in made.index:
        before, what = name.split("#")
        assert (made["source_image_id"][name], made["edit"][name], made["edit_prompt"][name]) == (before, what, what)
        for column in KEPT:
            assert made[column][name] == sources[column][before], column


def test_edits_are_what_the_transform_makes_of_the_pixels(data: Dataset, edited: Path) -> None:
    made = load_dataset(str(edited))
    before = data.pixels.take(range(FILMS))
    after = made.pixels.take(range(FILMS * len(EDITS)))  # compares the checksums of all rows
    np.testing.assert_array_equal(after[0::2], 255 - before)
    np.testing.assert_array_equal(after[1::2], before // 2)
    assert not made.notes


def test_settings_of_a_generator_are_no_labels(data: Dataset, edited: Path) -> None:
    made = load_dataset(str(edited))
    assert made.labels == data.labels == json.loads((edited / "run.json").read_text())["labels"]
    assert made.manifest["edit_seed"].tolist() == [0, 0, 1, 1] * (FILMS // 2)
    assert set(made.manifest["note"]) == {"x"}


def test_masks_and_regions_are_carried_over(data: Dataset, edited: Path) -> None:
    made = load_dataset(str(edited))
    assert data.masks is not None and made.masks is not None
    np.testing.assert_array_equal(made.masks.take(range(0, 2 * FILMS, 2)), data.masks.take(range(FILMS)))
    before, after = regions.of(data), regions.of(made)
    assert after.names == before.names
    np.testing.assert_array_equal(after.take([2, 7]).areas, before.take([1, 3]).areas)
    boxes = pd.read_csv(edited / "regions.csv")
    assert len(boxes) == len(EDITS) * len(regions.boxes_of(data)) > 0


def test_masks_and_regions_of_an_edit_that_moves_things_are_left_out(data: Dataset, tmp_path: Path) -> None:
    edit(data, tmp_path / "out", carry=False)
    made = load_dataset(str(tmp_path / "out"))
    assert made.masks is None and not (tmp_path / "out" / "regions.csv").exists()


def test_bits_that_mean_different_structures_in_different_caches_are_left_out(data: Dataset, tmp_path: Path) -> None:
    edit(data, tmp_path / "lungs alone")
    record = json.loads((tmp_path / "lungs alone" / "run.json").read_text())
    (tmp_path / "lungs alone" / "run.json").write_text(json.dumps({**record, "masks": {"lungs": 1}}))
    both = pd.concat([data.manifest, load_dataset(str(tmp_path / "lungs alone")).manifest], ignore_index=True)
    manifests.write_table(both, tmp_path / "both.csv")
    joined = load_dataset(str(tmp_path / "both.csv"))
    summary = edit(joined, tmp_path / "out")
    assert summary["notes"] == [
        "masks are not carried over where caches differ in what they show: heart, mediastinum, clavicles, marker"
    ]
    made = load_dataset(str(tmp_path / "out"))
    assert set(made.structures) == {"lungs"} and made.masks is not None and joined.masks is not None
    before = joined.masks.take(range(len(both)))
    np.testing.assert_array_equal(made.masks.take(range(0, 2 * len(both), 2)), select_bits(before, 1))


def test_edits_have_an_identity_of_their_own_and_say_whose_they_are(data: Dataset, edited: Path) -> None:
    made = load_dataset(str(edited))
    assert made.dataset_id != data.dataset_id
    assert dict(made.made_from) == {data.dataset_id: "phantoms"}
    assert made.recipe == data.recipe and made.name == "edited"


def test_edits_of_edits_say_all_that_was_done(edited: Path, data: Dataset, tmp_path: Path) -> None:
    once = load_dataset(str(edited))
    edit(once, tmp_path / "out", rows=edited_rows(once.manifest, [0], ["inverted"]))
    twice = load_dataset(str(tmp_path / "out"))
    assert dict(twice.made_from) == {once.dataset_id: "edited", data.dataset_id: "phantoms"}
    assert twice.manifest.loc[0, ["source_image_id", "edit"]].tolist() == [
        once.manifest["image_id"][0],
        "inverted, inverted",
    ]
    np.testing.assert_array_equal(twice.pixels.take([0]), data.pixels.take([0]))


def fail_some(pixels: np.ndarray, row: "pd.Series[Any]") -> np.ndarray:
    if row["edit"] == "darker" and row["edit_seed"] == 1:
        raise ImageError("no number", "the decoder returned NaN")
    return change(pixels, row)


def test_failed_edits_are_excluded_with_their_reason(data: Dataset, tmp_path: Path) -> None:
    summary = edit(data, tmp_path / "out", transform=per_image(fail_some))
    lost = FILMS // 2
    assert summary["excluded"] == {"no number": lost}
    assert summary["candidates"] == 2 * FILMS == summary["rows"] + lost
    excluded = pd.read_csv(tmp_path / "out" / "excluded.csv")
    assert excluded["detail"][0] == f"{data.manifest['image_id'][1]}#darker: the decoder returned NaN"
    assert excluded["patient_id"].tolist() == data.manifest["patient_id"][1::2].tolist()
    made = load_dataset(str(tmp_path / "out"))
    assert data.masks is not None and made.masks is not None
    at = made.manifest["image_id"].tolist().index(f"{data.manifest['image_id'][FILMS - 1]}#inverted")
    np.testing.assert_array_equal(made.masks.take([at]), data.masks.take([FILMS - 1]))
    np.testing.assert_array_equal(made.pixels.take([at]), 255 - data.pixels.take([FILMS - 1]))


def test_where_no_edit_succeeds_it_says_so(data: Dataset, tmp_path: Path) -> None:
    def fail(pixels: np.ndarray, row: "pd.Series[Any]") -> np.ndarray:
        raise ImageError("constant picture", "the generator has collapsed")

    with pytest.raises(DataError) as caught:
        edit(data, tmp_path / "out", transform=per_image(fail))
    assert caught.value.message == f"not one image could be made (constant picture: {2 * FILMS})"
    assert caught.value.hint == "look at the images that they are made from"


def by_shape(sources: np.ndarray, rows: pd.DataFrame) -> list[np.ndarray]:
    """Make pictures as a network does, whose last bits depend on the shape of its batch."""
    return [pixels // 2 + len(sources) for pixels in sources]


def interrupted(data: Dataset, out: Path, *, after: int, **options: Any) -> None:
    """Begin to make edits, and stop after some batches."""
    left = after

    def stop(completed: int, count: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    with pytest.raises(ResumableError, match="of 40 images are made"):
        edit(data, out, report=stop, **options)


def with_another_image(data: Dataset, home: Path) -> Dataset:
    """Return the dataset as it is built again where the pixels of its second image have changed meanwhile."""
    shutil.copytree(data.manifest["cache"][0], home)
    images = np.lib.format.open_memmap(home / "images.npy", mode="r+")
    images[1] = 255 - images[1]
    images.flush()
    rows = data.manifest.assign(cache=str(home))
    rows.loc[1, "pixels_crc32"] = checksum(images[1])
    return replace(data, manifest=rows)


@pytest.mark.parametrize("damage", ["nothing", "lost pixels", "changed source"])
def test_interrupted_edits_resume_to_the_same_bytes(data: Dataset, tmp_path: Path, damage: str) -> None:
    now, out = data, tmp_path / "out"
    options = {"transform": by_shape, "batch_size": 16}
    interrupted(data, out, after=2, **options)
    if damage == "lost pixels":
        images = np.lib.format.open_memmap(out / ".partial.images.npy", mode="r+")
        images[3:5] = 0
        images.flush()
    if damage == "changed source":
        now = with_another_image(data, tmp_path / "changed")
    edit(now, out, resume=True, **options)
    edit(now, tmp_path / "unbroken", **options)
    assert contents(out) == contents(tmp_path / "unbroken")


def test_pictures_that_are_made_survive_an_interruption_of_what_follows(data: Dataset, tmp_path: Path) -> None:
    out, made = tmp_path / "out", []

    def count(pixels: np.ndarray, row: "pd.Series[Any]") -> np.ndarray:
        made.append(row["image_id"])
        return fail_some(pixels, row)

    def stop(manifest: pd.DataFrame) -> None:
        raise KeyboardInterrupt

    options = {"settings": "change 1", "batch_size": 1}
    plan = DatasetSettings("edited", data.recipe)
    image_source = of_edits(data, all_edits(data), per_image(count), **options)
    with runs.open_run(out, "edit", arguments=ARGUMENTS) as run, pytest.raises(ResumableError, match="40 of 40 images"):
        write_dataset(run, *image_source, settings=plan, draw=stop)
    assert (out / "images.npy").exists() and len(made) == 2 * FILMS
    made.clear()
    with runs.open_run(out, "edit", arguments=ARGUMENTS, resume=True) as run:
        write_dataset(run, *image_source, settings=plan)
    assert made == [f"{name}#darker" for name in data.manifest["image_id"][1::2]]  # failed ones are tried again
    edit(data, tmp_path / "unbroken", transform=per_image(fail_some))
    assert contents(out) == contents(tmp_path / "unbroken")


def test_shards_merge_to_the_bytes_of_one_run(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = {"settings": "change 1", "batch_size": 16}
    candidates, material = of_edits(data, all_edits(data), by_shape, **options)
    count = len(candidates.rows)
    for number in (2, 1):
        part = Shard(number, 2)
        with shards.opened(part, out, verb="edit", arguments=ARGUMENTS, force=False) as run:
            build = assembly.Build(run, part.image_source(material, count), 32, 1)
            if number == 2:
                with pytest.raises(MissingInputError, match="2 of the 2 shards"):
                    shards.read_shards(out, image_source=material, count=count)
            shards.make_shard(part, build, count, report=lambda done, count: None)
    finished = shards.read_shards(out, image_source=material, count=count)
    with runs.open_run(out, "edit", arguments=ARGUMENTS, resume=True) as run:
        write_dataset(run, candidates, material, settings=DatasetSettings("edited", data.recipe), finished=finished)
    edit(data, tmp_path / "whole", transform=by_shape, batch_size=16)
    assert contents(out) == contents(tmp_path / "whole")


def test_drawn_splits_keep_the_edits_of_a_person_together(data: Dataset, tmp_path: Path) -> None:
    edit(data, tmp_path / "out", plan={"splits": "draw", "replicates": 3, "seed": 5})
    made = load_dataset(str(tmp_path / "out")).manifest
    assert manifests.split_columns(made) == ["split_0", "split_1", "split_2"]
    assert made.groupby("person_id")["split_2"].nunique().max() == 1
    assert set(made["split_2"]) == {"train", "val", "test"}


def test_splits_that_are_not_there_cannot_be_inherited(data: Dataset, tmp_path: Path) -> None:
    rows = all_edits(data).drop(columns=["split_0", "split_1"])
    with pytest.raises(DataError) as caught:
        edit(data, tmp_path / "out", rows=rows)
    assert caught.value.message == "the rows have no splits to inherit"
    assert caught.value.hint == "draw new ones, or take rows of a built dataset"


def test_edits_of_nothing_or_twice_the_same_are_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match="there is no image to edit"):
        edited_rows(data.manifest, [], [])
    with pytest.raises(UsageError, match="#darker' would be made twice"):
        edited_rows(data.manifest, [0, 1, 0], ["darker", "darker", "darker"])


def test_edits_of_an_image_that_is_not_there_are_refused(data: Dataset) -> None:
    rows = all_edits(data).assign(source_image_id="elsewhere/1")
    with pytest.raises(DataError, match="phantoms: there is no image 'elsewhere/1' to edit"):
        of_edits(data, rows, per_image(change), settings="")


def test_persons_are_taken_as_they_are(data: Dataset, tmp_path: Path) -> None:
    """Datasets of an unpublished folder that an earlier version built call a person what they call the patient."""
    people = data.manifest["patient_id"].str.replace("phantom", "folder")
    rows = all_edits(
        replace(data, manifest=data.manifest.assign(repository="folder", patient_id=people, person_id=people))
    )
    edit(data, tmp_path / "out", rows=rows)
    made = load_dataset(str(tmp_path / "out")).manifest
    assert made["person_id"].tolist() == np.repeat(people, len(EDITS)).tolist()


def test_rows_of_required_columns_alone_are_enough(data: Dataset, tmp_path: Path) -> None:
    places = ["cache", "cache_row", "pixels_crc32"]
    bare = data.manifest[["image_id", "repository", "patient_id", "person_id", "split_0", *places]]
    small = Dataset("bare", bare, recipe=data.recipe, dataset_id="bare")
    rows = edited_rows(bare, [0, 1], ["inverted", "inverted"])
    assert edit(small, tmp_path / "out", rows=rows)["rows"] == 2
    np.testing.assert_array_equal(load_dataset(str(tmp_path / "out")).pixels.take([1]), 255 - data.pixels.take([1]))


@dataclass(frozen=True)
class Described:
    """A picture and what its row says of it."""

    pixels: np.ndarray
    facts: dict[str, float]


def test_facts_of_pictures_become_columns_and_survive_interruption(data: Dataset, tmp_path: Path) -> None:
    def described(sources: np.ndarray, rows: pd.DataFrame) -> list[Described | np.ndarray | ImageError]:
        made: list[Described | np.ndarray | ImageError] = []
        for pixels, (number, row) in zip(sources, rows.iterrows(), strict=True):
            facts = {"edit_spread": float(number) / 8} | ({"edit_retried": 1.0} if number == 3 else {})
            plain = row["edit"] == "darker" and number == 1
            made.append(ImageError("blank") if number == 5 else pixels if plain else Described(pixels, facts))
        return made

    def interrupt(done: int, count: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    edit(data, tmp_path / "one", transform=described)
    with pytest.raises(ResumableError):
        edit(data, tmp_path / "two", transform=described, report=interrupt)
    edit(data, tmp_path / "two", transform=described, resume=True)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    made = load_dataset(str(tmp_path / "one"))
    assert made.labels == data.labels
    assert made.manifest["edit_spread"].tolist()[:5] == ["0.0", "", "0.25", "0.375", "0.5"]
    assert made.manifest["edit_retried"].tolist()[:5] == ["", "", "", "1", ""]
    assert len(made.manifest) == FILMS * len(EDITS) - 1


def test_facts_of_another_name_are_a_mistake_of_the_transform(data: Dataset, tmp_path: Path) -> None:
    def misnamed(sources: np.ndarray, rows: pd.DataFrame) -> list[Described]:
        return [Described(pixels, {"spread": 1.0}) for pixels in sources]

    with pytest.raises(ValueError, match="a fact of an edit is called 'spread'"):
        edit(data, tmp_path / "out", transform=misnamed)


def test_edits_of_edits_have_facts_of_their_own(data: Dataset, tmp_path: Path) -> None:
    def of_value(value: float) -> Transform:
        return lambda sources, rows: [Described(pixels, {"edit_spread": value}) for pixels in sources]

    edit(data, tmp_path / "first", transform=of_value(0.5))
    first = load_dataset(str(tmp_path / "first"))
    rows = edited_rows(first.manifest, [0], ["again"])
    assert "edit_spread" not in rows and "edit_prompt" not in rows and rows["edit"].tolist() == ["inverted, again"]
    edit(first, tmp_path / "second", rows=rows, transform=of_value(0.25))
    assert load_dataset(str(tmp_path / "second")).manifest["edit_spread"].tolist() == ["0.25"]


def test_masks_of_edits_may_be_their_own(data: Dataset, tmp_path: Path) -> None:
    assert data.masks is not None
    shape = data.masks.image_shape
    edit(data, tmp_path / "out", masks=lambda rows: np.full((len(rows), *shape), 3, np.uint8))
    made = load_dataset(str(tmp_path / "out"))
    assert made.masks is not None and (made.masks.take(range(len(made.manifest))) == 3).all()


def test_repetitions_have_names_of_their_own(data: Dataset) -> None:
    rows = edited_rows(data.manifest, [0, 0], ["darker", "darker"], repetitions=[0, 1])
    name = data.manifest["image_id"].iloc[0]
    assert rows["image_id"].tolist() == [f"{name}#darker", f"{name}#darker#1"]
    assert rows["edit_repetition"].tolist() == [0, 1] and rows["edit"].tolist() == ["darker", "darker"]
