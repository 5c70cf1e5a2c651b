"""Datasets: where pixels are found after a folder was moved, subset or composed."""

import io
import json
import sys
import zlib

import numpy as np
import pandas as pd
import pytest

from cxrshort import manifest as manifests
from cxrshort.dataset import Pixels, load_dataset
from cxrshort.errors import DataError, MissingInputError

IMAGES = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)


def build(folder, name, *, images=IMAGES, recipe=None):
    """Write a dataset folder with one row per image."""
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images)
    count = len(images)
    table = pd.DataFrame(
        {
            "image_id": [f"{name}/{row}" for row in range(count)],
            "cache": str(folder),
            "cache_row": range(count),
            "repository": name,
            "patient_id": [f"{name}:{row}" for row in range(count)],
            "person_id": [f"{name}:{row}" for row in range(count)],
            "Edema": [0.0, 1.0, np.nan, 0.5][:count],
            "split_0": ["train", "train", "val", "test"][:count],
        }
    )
    manifests.write_table(table, folder / "manifest.csv")
    record = {"name": name, "folder": str(folder), "recipe": {"fit": "crop"} if recipe is None else recipe}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CXRSHORT_DATASETS", raising=False)
    return tmp_path


def test_load_takes_folder_file_and_name(elsewhere, monkeypatch):
    folder = build(elsewhere / "sets" / "I", "I")
    monkeypatch.setenv("CXRSHORT_DATASETS", str(elsewhere / "sets"))
    for name in (str(folder), str(folder / "manifest.csv"), "I"):
        data = load_dataset(name)
        assert (data.name, data.path, data.recipe) == ("I", folder / "manifest.csv", {"fit": "crop"})
        assert data.labels == ["Edema"]
        np.testing.assert_array_equal(data.pixels.take([3, 0]), IMAGES[[3, 0]])


def test_load_looks_names_up_below_datasets(elsewhere):
    folder = build(elsewhere / "here" / "datasets" / "II", "II")
    assert load_dataset("II").path.resolve() == folder / "manifest.csv"


def test_load_finds_the_images_of_a_moved_folder(elsewhere):
    folder = build(elsewhere / "old", "I")
    folder.rename(elsewhere / "new")
    np.testing.assert_array_equal(load_dataset(str(elsewhere / "new")).pixels.take([1]), IMAGES[[1]])


def test_load_prefers_the_images_beside_a_copied_manifest(elsewhere):
    build(elsewhere / "old", "I")
    copy = build(elsewhere / "copy", "I", images=IMAGES + 100)
    for file in ("manifest.csv", "run.json"):
        (copy / file).write_text((elsewhere / "old" / file).read_text())
    assert load_dataset(str(copy)).pixels.take([0])[0, 0, 0] == 100


def test_load_leaves_the_rows_of_other_datasets_where_they_are(elsewhere):
    first, second = build(elsewhere / "one", "I"), build(elsewhere / "two", "II", images=IMAGES + 100)
    both = pd.concat(
        [manifests.read_manifest(folder / "manifest.csv") for folder in (first, second)], ignore_index=True
    )
    manifests.write_table(both, first / "manifest.csv")
    first.rename(elsewhere / "moved")
    pixels = load_dataset(str(elsewhere / "moved")).pixels
    assert pixels.take([5, 0, 4])[:, 0, 0].tolist() == [106, 0, 100]


def test_subset_elsewhere_finds_its_pixels_and_its_name(elsewhere):
    folder = build(elsewhere / "I", "I")
    lines = (folder / "manifest.csv").read_text().splitlines(keepends=True)
    (elsewhere / "here" / "few.csv").write_text("".join([lines[0], lines[4], lines[2]]))
    data = load_dataset("few.csv")
    assert (data.name, data.recipe) == ("I", {"fit": "crop"})
    np.testing.assert_array_equal(data.pixels.take([0, 1]), IMAGES[[3, 1]])


def test_subset_in_the_folder_of_another_run_keeps_its_name(elsewhere):
    folder = build(elsewhere / "I", "I")
    (elsewhere / "here" / "run.json").write_text('{"verb": "evaluate", "state": "done"}')
    (elsewhere / "here" / "few.csv").write_text((folder / "manifest.csv").read_text())
    assert (load_dataset("few.csv").name, load_dataset("few.csv").recipe) == ("I", {"fit": "crop"})


def test_standard_input_keeps_its_name(elsewhere, monkeypatch):
    folder = build(elsewhere / "I", "I")
    monkeypatch.setattr(sys, "stdin", io.StringIO((folder / "manifest.csv").read_text()))
    data = load_dataset("-")
    assert (data.name, data.path) == ("I", None)
    np.testing.assert_array_equal(data.pixels.take([2]), IMAGES[[2]])


def compose(elsewhere, **second):
    folders = [build(elsewhere / "one", "I"), build(elsewhere / "two", "II", **second)]
    tables = [manifests.read_manifest(folder / "manifest.csv") for folder in folders]
    manifests.write_table(pd.concat(tables, ignore_index=True), elsewhere / "here" / "both.csv")


@pytest.mark.parametrize("field", ["name", "dataset_id", "folder", "recipe"])
def test_run_json_with_a_field_of_another_type_is_refused(elsewhere, field):
    folder = build(elsewhere / "I", "I")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, field: [3]}))
    with pytest.raises(DataError, match=rf"run.json': field '{field}' is '\[3\]', it must be "):
        load_dataset(str(folder))


def test_composed_manifest_has_the_common_recipe(elsewhere):
    compose(elsewhere)
    data = load_dataset("both.csv")
    assert (data.name, data.recipe) == ("both", {"fit": "crop"})
    assert len(data.pixels) == 8


def test_composed_manifest_of_images_made_differently_is_refused(elsewhere):
    compose(elsewhere, recipe={"fit": "pad"})
    with pytest.raises(DataError) as caught:
        load_dataset("both.csv")
    assert caught.value.message == ('images made in different ways in one dataset ({"fit": "crop"} and {"fit": "pad"})')


def test_images_of_different_sizes_are_refused(elsewhere):
    compose(elsewhere, images=np.zeros((4, 5, 6), np.uint8))
    with pytest.raises(DataError) as caught:
        _ = load_dataset("both.csv").pixels
    assert caught.value.message == "images of different sizes in one dataset (2x3 and 5x6)"
    assert caught.value.hint == "build the parts with the same --size"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("II", "'II' is not built yet", "cxrshort build-dataset --dataset II"),
        ("gone.csv", "'gone.csv' does not exist", "give a dataset folder, a manifest file, or the name of a dataset"),
        ("./gone", "'./gone' does not exist", "give a dataset folder, a manifest file, or the name of a dataset"),
    ],
)
def test_load_refuses_what_is_not_there(elsewhere, name, message, hint):
    with pytest.raises(MissingInputError) as caught:
        load_dataset(name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_load_refuses_a_folder_whose_build_was_interrupted(elsewhere):
    folder = build(elsewhere / "I", "I")
    (folder / "unfinished.json").touch()
    assert load_dataset(str(folder)).name == "I"  # run.json came last: the build was done
    (folder / "run.json").unlink()
    with pytest.raises(MissingInputError) as caught:
        load_dataset(str(folder))
    assert caught.value.message == f"'{folder}' is not complete"
    assert caught.value.hint == "build-dataset with --resume continues it"
    (folder / "unfinished.json").write_text('{"verb": "roentmod edit"}')
    with pytest.raises(MissingInputError) as caught:
        load_dataset(str(folder))
    assert caught.value.hint == "roentmod edit with --resume continues it"


def test_pixels_refuse_a_cache_that_is_gone(elsewhere):
    folder = build(elsewhere / "I", "I")
    (folder / "images.npy").unlink()
    with pytest.raises(MissingInputError) as caught:
        _ = load_dataset(str(folder)).pixels
    assert caught.value.message == f"'{folder / 'images.npy'}' does not exist"
    assert caught.value.hint == "run build-dataset again, or keep the folder where it was"


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(array):
    stream = io.BytesIO()
    np.savez(stream, array)
    return stream.getvalue()


BROKEN = {
    "empty": b"",
    "no array": b"not an array",
    "cut short": npy(IMAGES)[:-1],
    "header cut short": npy(IMAGES)[:40],
    "header without its bracket": npy(IMAGES).replace(b")", b" "),
    "pickle": npy(np.array([{}], dtype=object)),
    "archive": npz(IMAGES),
    "floats": npy(IMAGES.astype(np.float32)),
    "flat": npy(IMAGES.ravel()),
}


@pytest.mark.parametrize("case", BROKEN)
def test_pixels_refuse_what_is_no_cache(elsewhere, case):
    folder = build(elsewhere / "I", "I")
    (folder / "images.npy").write_bytes(BROKEN[case])
    with pytest.raises(DataError) as caught:
        _ = load_dataset(str(folder)).pixels
    assert caught.value.message == f"'{folder / 'images.npy'}' is not a cache of images"


def test_pixels_refuse_a_row_outside_the_cache(elsewhere):
    folder = build(elsewhere / "I", "I")
    np.save(folder / "images.npy", IMAGES[:3])
    with pytest.raises(DataError) as caught:
        _ = load_dataset(str(folder)).pixels
    assert caught.value.message == f"'{folder}': cache_row 3 is outside the cache"


@pytest.mark.parametrize("column", ["cache", "cache_row"])
def test_pixels_refuse_rows_without_pixels(elsewhere, column):
    folder = build(elsewhere / "I", "I")
    table = manifests.read_manifest(folder / "manifest.csv").astype(object)
    table.loc[1:2, column] = ""
    table.to_csv(elsewhere / "few.csv", index=False)
    with pytest.raises(DataError) as caught:
        _ = load_dataset(str(elsewhere / "few.csv")).pixels
    assert caught.value.message == "2 images have no pixels, first 'I/1'"


def test_pixels_refuse_a_manifest_without_a_cache(elsewhere):
    folder = build(elsewhere / "I", "I")
    manifests.write_table(
        manifests.read_manifest(folder / "manifest.csv").drop(columns="cache"), folder / "manifest.csv"
    )
    with pytest.raises(DataError) as caught:
        _ = load_dataset(str(folder)).pixels
    assert caught.value.message == "I: the manifest has no cached images"


def test_fold_is_a_dataset_with_its_own_pixels(elsewhere):
    data = load_dataset(str(build(elsewhere / "I", "I")))
    assert len(data.pixels) == 4
    fold = data.fold("train", replicate=0)
    assert (fold.name, fold.manifest.index.tolist(), len(fold.pixels)) == ("I", [0, 1], 2)
    np.testing.assert_array_equal(data.fold("test", replicate=0).pixels.take([0]), IMAGES[[3]])


def test_take_returns_a_copy(elsewhere):
    pixels = load_dataset(str(build(elsewhere / "I", "I"))).pixels
    taken = pixels.take(np.array([0]))
    taken += 1
    assert pixels.image_shape == (2, 3)
    np.testing.assert_array_equal(pixels.take([0]), IMAGES[[0]])


def test_cache_longer_than_the_file_system_allows_is_refused():
    rows = pd.DataFrame({"image_id": ["a"], "cache": ["x" * 5000], "cache_row": [0]})
    with pytest.raises(DataError, match="is not a cache of images$"):
        Pixels(rows)


def stamped(folder, name, **columns):
    """Build a dataset whose rows carry the checksums of their pixels."""
    folder = build(folder, name)
    table = manifests.read_manifest(folder / "manifest.csv")
    crc32 = [zlib.crc32(image.tobytes()) for image in IMAGES]
    manifests.write_table(table.assign(pixels_crc32=crc32, **columns), folder / "manifest.csv")
    return folder


def test_copied_rows_of_a_dataset_built_again_are_refused(elsewhere):
    folder = stamped(elsewhere / "I", "I")
    (elsewhere / "few.csv").write_text((folder / "manifest.csv").read_text())
    np.testing.assert_array_equal(load_dataset(str(elsewhere / "few.csv")).pixels.take([3, 1]), IMAGES[[3, 1]])
    np.save(folder / "images.npy", IMAGES[[0, 2, 1, 3]])
    pixels = load_dataset(str(elsewhere / "few.csv")).pixels
    np.testing.assert_array_equal(pixels.take([3, 0]), IMAGES[[3, 0]])  # these rows hold what they held
    with pytest.raises(DataError) as caught:
        pixels.take([3, 2])
    assert caught.value.message == f"'{folder / 'images.npy'}' holds something else than the row of 'I/2' says"
    assert caught.value.hint == "the dataset was built again or changed; take the rows from its new manifest.csv"


def test_pixels_are_compared_once(elsewhere):
    folder = stamped(elsewhere / "I", "I")
    pixels = load_dataset(str(folder)).pixels
    pixels.take([0])
    images = np.lib.format.open_memmap(folder / "images.npy", mode="r+")
    images[0] = 7
    images.flush()
    assert (pixels.take([0]) == 7).all()  # a second look costs nothing and sees nothing
    with pytest.raises(DataError):
        load_dataset(str(folder)).pixels.take([0])


def test_rows_without_checksums_are_read_with_a_note(elsewhere):
    data = load_dataset(str(build(elsewhere / "I", "I")))
    assert data.notes == (
        "I: 4 rows carry no checksum of their pixels (written by an earlier version or by hand), so that a changed "
        "cache would go unnoticed",
    )
    assert load_dataset(str(stamped(elsewhere / "II", "II"))).notes == ()


def test_masks_are_per_row(elsewhere):
    fields = np.array([[[1, 0, 2], [3, 0, 0]], [[0, 0, 1], [0, 2, 0]]], np.uint8)
    crc32 = [zlib.crc32(field.tobytes()) for field in fields]
    folder = stamped(elsewhere / "I", "I", mask_row=["0", "", "1", ""], mask_crc32=[crc32[0], "", crc32[1], ""])
    np.save(folder / "masks.npy", fields)
    data = load_dataset(str(folder))
    assert data.has_mask.tolist() == data.masks.available.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(data.masks.take([2, 0]), fields[[1, 0]])
    with pytest.raises(DataError) as caught:
        data.masks.take([0, 3])
    assert caught.value.message == "image 'I/3' has no mask"
    np.save(folder / "masks.npy", fields[::-1])
    with pytest.raises(DataError, match="holds something else"):
        load_dataset(str(folder)).masks.take([0])
    assert load_dataset(str(build(elsewhere / "II", "II"))).masks is None


def test_structures_are_told_apart_by_row(elsewhere):
    folders = [stamped(elsewhere / name, name, mask_row=["0", "1", "", "3"]) for name in ("one", "two")]
    record = json.loads((folders[0] / "run.json").read_text())
    (folders[0] / "run.json").write_text(json.dumps({**record, "masks": {"lungs": 1, "heart": 2}}))
    tables = [manifests.read_manifest(folder / "manifest.csv") for folder in folders]
    manifests.write_table(pd.concat(tables, ignore_index=True), elsewhere / "both.csv")
    bits = load_dataset(str(elsewhere / "both.csv")).structures
    assert {name: folder.tolist() for name, folder in bits.items()} == {
        "lungs": [1, 1, 0, 1, 1, 1, 0, 1],
        "heart": [2, 2, 0, 2, 0, 0, 0, 0],
    }


@pytest.mark.parametrize("masks", [["lungs"], {"lungs": "1"}, {"lungs": 0}, {"lungs": 256}, {"lungs": True}])
def test_structures_refuse_what_are_no_bits(elsewhere, masks):
    folder = stamped(elsewhere / "I", "I", mask_row=range(4))
    (folder / "run.json").write_text(json.dumps({"name": "I", "masks": masks}))
    with pytest.raises(DataError, match="not bits by name"):
        _ = load_dataset(str(folder)).structures
