"""A planted copy comes first and is called a leak; other phantoms are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, Pixels, load_dataset
from cxrshort.errors import DataError
from cxrshort.models.embedders import describe_embedders
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.roentmod.nearest import HASH, SHEET, TABLE, find_nearest, nearest

CPU = Compute("cpu", "fp32", 1)
PLANTED = 5
COPIED = 11


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with real phantoms and synthetic ones, one of which is a real one slightly changed."""
    home = tmp_path_factory.mktemp("nearest")
    for name, seed, count in (("real", 0, 60), ("synthetic", 7, 20)):
        build_dataset("phantom-III", out=home / name, number_of_images=count, size=64, jobs=1, replicates=1, seed=seed)
    images = np.load(home / "synthetic" / "images.npy")
    film = np.load(home / "real" / "images.npy")[COPIED].astype(np.float64)
    noise = np.random.default_rng(0).normal(0, 2, film.shape)
    images[PLANTED] = np.clip(0.9 * np.roll(film, 1, axis=0) + 12 + noise, 0, 255).astype(np.uint8)
    np.save(home / "synthetic" / "images.npy", images)
    table = pd.read_csv(home / "synthetic" / "manifest.csv", dtype=str)
    table.drop(columns="pixels_crc32").to_csv(home / "synthetic" / "manifest.csv", index=False)
    return home


@pytest.fixture(scope="module")
def parts(home: Path) -> tuple[Dataset, Dataset]:
    return load_dataset(str(home / "synthetic")), load_dataset(str(home / "real"))


def test_planted_copy_comes_first_and_is_a_leak(home: Path, tmp_path: Path) -> None:
    result = nearest(
        str(home / "synthetic"), compare_with=str(home / "real"), out=tmp_path / "out", device="cpu", threads=1
    )
    table = pd.read_csv(tmp_path / "out" / TABLE)
    names = [load_dataset(str(home / name)).manifest["image_id"] for name in ("synthetic", "real")]
    first = table.iloc[0]
    assert (first["image_id"], first["nearest_image_id"]) == (names[0][PLANTED], names[1][COPIED])
    assert first["verdict"] == "leak" and first["why"].startswith("the same film: fine structure correlates by 0.")
    assert first[f"nearest.{HASH}"] == first["nearest.pixels"] == names[1][COPIED]
    assert first[f"share_as_near.{HASH}"] == pytest.approx(1 / (1 + result.summary["yardstick_images"]))
    assert len(table) == 20 and (table["verdict"] == "leak").sum() == 1
    assert result.verdicts == ["leak"] and result.summary["counts"]["leak"] == 1
    assert [path.name for path in result.figures] == [SHEET, "distances.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in result.figures)


def test_nothing_is_a_leak_without_the_copy(parts: tuple[Dataset, Dataset]) -> None:
    synthetic, real = parts
    others = replace(synthetic, manifest=synthetic.manifest.drop(index=PLANTED).reset_index(drop=True))
    table = find_nearest(others, real, describe_embedders([]), CPU).table
    assert set(table["verdict"]) <= {"suspicious", "no evidence"}
    assert (table["verdict"] == "suspicious").sum() <= 3  # of 19, 0.3 by chance for each measure


def test_embeddings_of_the_user_are_a_measure_too(parts: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """They say that every image is near the same real one."""
    synthetic, real = parts
    names = np.array([*synthetic.manifest["image_id"], *real.manifest["image_id"]])
    values = np.random.default_rng(0).normal(5, 1, (len(names), 3))
    values[: len(synthetic.manifest)] = values[-1] + 1e-3
    np.savez(tmp_path / "own.npz", image_id=names, values=values)
    compared = find_nearest(synthetic, real, describe_embedders([f"own={tmp_path / 'own.npz'}"]), CPU)
    assert set(compared.table["nearest.own"]) == {real.manifest["image_id"].iloc[-1]}
    assert compared.table["why"].str.contains("by own|the same film|and own").all()


def test_own_person_and_edits_are_no_neighbours(parts: tuple[Dataset, Dataset]) -> None:
    synthetic, real = parts
    copied = replace(synthetic, manifest=synthetic.manifest.assign(person_id=real.manifest["person_id"][COPIED]))
    table = find_nearest(copied, real, describe_embedders([]), CPU).table
    own = real.manifest["image_id"][real.manifest["person_id"] == real.manifest["person_id"][COPIED]]
    assert not set(table["nearest_image_id"]) & set(own)
    edited = replace(real, manifest=real.manifest.assign(edit=np.where(np.arange(60) == COPIED, "edema", "")))
    compared = find_nearest(synthetic, edited, describe_embedders([]), CPU)
    assert real.manifest["image_id"][COPIED] not in set(compared.table["nearest_image_id"])
    assert compared.notes[0] == "1 edit of real is left out"
    with pytest.raises(DataError, match="real holds edits alone"):
        find_nearest(synthetic, replace(real, manifest=real.manifest.assign(edit="x")), describe_embedders([]), CPU)
    alone = replace(real, manifest=real.manifest.assign(person_id=synthetic.manifest["person_id"].iloc[0]))
    with pytest.raises(DataError, match="real: no real image is of another person than"):
        find_nearest(synthetic, alone, describe_embedders([]), CPU)


def test_copies_within_the_real_dataset_are_no_yardstick(parts: tuple[Dataset, Dataset]) -> None:
    synthetic, real = parts
    twice = pd.concat([real.manifest, real.manifest.head(4).assign(person_id="someone else")], ignore_index=True)
    twice["image_id"] = [f"image/{number}" for number in range(len(twice))]
    compared = find_nearest(synthetic, replace(real, manifest=twice), describe_embedders([]), CPU)
    assert compared.facts["copies"] >= 8 and compared.facts["yardstick_images"] + compared.facts["copies"] == 64
    assert compared.measures[HASH][1].min() > 0.01
    assert any("fit one of another person as one film does" in note for note in compared.notes)


def test_small_images_are_at_most_suspicious(parts: tuple[Dataset, Dataset], home: Path, tmp_path: Path) -> None:
    small = []
    for data, name in zip(parts, ("a", "b"), strict=True):
        folder = tmp_path / name
        folder.mkdir()
        pixels = data.pixels.take(range(len(data.manifest)))
        np.save(folder / "images.npy", pixels[:, ::2, ::2])
        rows = data.manifest.drop(columns="pixels_crc32", errors="ignore").assign(cache=str(folder))
        small.append(replace(data, manifest=rows, recipe={}))
        assert isinstance(small[-1].pixels, Pixels)
    compared = find_nearest(*small, describe_embedders([]), CPU)
    assert "leak" not in set(compared.table["verdict"])
    assert any(note.startswith("images of 32 pixels do not tell all persons apart") for note in compared.notes)


def test_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = nearest(str(home / "synthetic"), compare_with=str(home / "real"), out=tmp_path / "out", dry_run=True)
    assert result.plan and not (tmp_path / "out").exists()
