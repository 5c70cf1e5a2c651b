"""The same film under two patient ids."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cxrshort.datasets.building.duplicates import (
    CONFIRMED,
    find_duplicates,
    join_people,
    nearest_films,
    register_films,
)
from cxrshort.images.cache import create_cache, open_cache
from cxrshort.images.decoding import decode_into

REAL_COPIES = {
    ("78", "201", "353889E0-A1E8-4F9E-A0B8-F24F36BCFBFB.jpeg", "case_72_RX-TORACE1.jpg"),
    (
        "97",
        "178",
        "covid-19-rapidly-progressive-acute-respiratory-distress-syndrome-ards-admission.jpg",
        "16660_2_1.jpg",
    ),
    ("97", "178", "covid-19-rapidly-progressive-acute-respiratory-distress-syndrome-ards-day-1.jpg", "16660_3_1.jpg"),
    ("97", "178", "covid-19-rapidly-progressive-acute-respiratory-distress-syndrome-ards-day-2.jpg", "16660_4_1.jpg"),
    ("97", "178", "covid-19-rapidly-progressive-acute-respiratory-distress-syndrome-ards-day-3.jpg", "16660_5_1.jpg"),
    ("137", "202", "A7E260CE-8A00-4C5F-A7F5-27336527A981.jpeg", "case_76_1-3.png"),
    ("30", "31", "pneumonia-7.jpg", "streptococcus-pneumoniae-pneumonia-temporal-evolution-1-day1.jpg"),
    ("192", "196", "AR-1.jpg", "extubation-1.jpg"),
    ("192", "196", "AR-2.jpg", "extubation-1.jpg"),
    ("193", "195", "2-chest-filmc.jpg", "7-fatal-covid19.jpg"),
}


def film(seed: int, size: int = 112) -> np.ndarray:
    """Draw a picture with structure at every scale, as films have."""
    noise = np.random.default_rng(seed).normal(size=(size, size))
    layers = sum(gaussian_filter(noise, sigma) * sigma**1.5 for sigma in (1, 2, 4, 8, 16))
    return np.clip(128 + 60 * layers / layers.std(), 0, 255).astype(np.uint8)


def pairs(images, groups=None) -> list[tuple[int, int]]:
    groups = groups or [str(k) for k in range(len(images))]
    return [(i, j) for i, j, _ in find_duplicates(np.stack(images), groups)]


def crop(image: np.ndarray, *box: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(image.shape[::-1], Image.Resampling.BILINEAR, box=box))


def test_find_duplicates_finds_the_real_copies_and_nothing_else(test_data, tmp_path):
    table = pd.read_csv(test_data / "github-covid" / "metadata.csv", dtype=str)
    table["path"] = [test_data / "github-covid" / "images" / name for name in table["filename"]]
    table = table[[path.exists() for path in table["path"]]]
    nih = sorted((test_data / "nih" / "images").glob("*.png"))
    paths = [*table["path"], *nih]
    patients = [*table["patientid"], *(path.name[:8] for path in nih)]
    create_cache(tmp_path / "images.npy", (len(paths), 64, 64))
    decode_into(tmp_path / "images.npy", paths, rows=range(len(paths)), size=64)
    actual = find_duplicates(open_cache(tmp_path / "images.npy"), patients)
    two_files = {(i, j) for i, j, _ in actual if paths[i] != paths[j]}
    expected = {frozenset(copy) for copy in REAL_COPIES}
    assert {frozenset((patients[i], patients[j], paths[i].name, paths[j].name)) for i, j in two_files} == expected
    one_file = {frozenset((patients[i], patients[j])) for i, j, _ in actual if paths[i] == paths[j]}
    assert one_file == {frozenset(("285", "339")), frozenset(("287", "340"))}


def test_find_duplicates_finds_the_real_copy_within_one_nih_patient(test_data, tmp_path):
    nih = sorted((test_data / "nih" / "images").glob("0000265*.png"))
    create_cache(tmp_path / "images.npy", (len(nih), 64, 64))
    decode_into(tmp_path / "images.npy", nih, rows=range(len(nih)), size=64)
    actual = find_duplicates(open_cache(tmp_path / "images.npy"), [path.name for path in nih])
    assert [(nih[i].name, nih[j].name) for i, j, _ in actual] == [("00002658_001.png", "00002658_002.png")]


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_find_duplicates_finds_nothing_among_different_films(count):
    assert find_duplicates(np.array([film(seed) for seed in range(count)]), ["A", "B"] * 15) == []


@pytest.mark.parametrize("others", [0, 1, 30])
@pytest.mark.parametrize(
    "copy",
    [
        lambda image: image,
        lambda image: (0.6 * image + 30).astype(np.uint8),
        lambda image: (255 * (image / 255.0) ** 0.7).astype(np.uint8),
        lambda image: crop(image, 4, 4, 108, 108),
        lambda image: crop(image, 6, 2, 112, 108),
        lambda image: np.roll(image, 3, axis=1),
        lambda image: np.clip(image + np.random.default_rng(9).normal(0, 6, image.shape), 0, 255).astype(np.uint8),
    ],
    ids=["same", "contrast", "gamma", "border", "corner", "shift", "noise"],
)
def test_find_duplicates_sees_through(copy, others):
    images = [film(0), *(film(seed) for seed in range(1, 1 + others)), copy(film(0))]
    assert pairs(images) == [(0, len(images) - 1)]


def test_find_duplicates_reports_the_correlation_of_equal_films_as_one():
    ((i, j, correlation),) = find_duplicates(np.stack([film(0), film(1), film(0)]), ["A", "B", "C"])
    assert (i, j) == (0, 2) and correlation == pytest.approx(1, abs=1e-5)  # float32


def test_find_duplicates_leaves_out_pairs_of_one_patient():
    assert pairs([film(0), film(0), film(1)], ["A", "A", "B"]) == []


def test_find_duplicates_ignores_blank_rows():
    blank = np.zeros((112, 112), np.uint8)
    assert pairs([blank, blank, film(0), blank]) == []


def test_find_duplicates_crosses_the_borders_of_its_tiles():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5000, 32, 32), dtype=np.uint8)
    images[4500] = images[1500]
    images[1030] = images[5]
    assert pairs(images) == [(5, 1030), (1500, 4500)]


def test_find_duplicates_is_the_same_for_any_jobs():
    images = np.stack([film(seed % 6) for seed in range(12)])
    groups = [str(k) for k in range(12)]
    assert find_duplicates(images, groups, jobs=1) == find_duplicates(images, groups, jobs=2)


def test_join_people_agrees_with_scipy():
    generator = np.random.default_rng(3)
    ids = [f"P{k:03}" for k in range(200)]
    links = generator.integers(0, 200, (120, 2))
    people = join_people(ids, [(ids[i], ids[j]) for i, j in links])
    _, component = connected_components(coo_array((np.ones(120), links.T), shape=(200, 200)), directed=False)
    assert people == [min(ids[k] for k in np.flatnonzero(component == component[row])) for row in range(200)]


def test_join_people_joins_patients_that_have_no_row():
    assert join_people(["B", "C", "D"], [("B", "A"), ("A", "C")]) == ["A", "A", "D"]


def test_flat_pictures_are_no_films_however_equal():
    flat = np.full((64, 64), 7, np.uint8)
    assert pairs([flat, flat, film(1, 64), film(1, 64)]) == [(2, 3)]


def test_nearest_film_of_another_group_is_the_one_that_was_changed() -> None:
    references = np.stack([film(seed) for seed in range(30)])
    copies = np.stack([np.roll(references[5], 1, axis=0), references[9] // 2 + 40, references[5]])
    groups = [str(seed) for seed in range(30)]
    places, distances = nearest_films(copies, references, groups=["a", "b", "5"], reference_groups=groups)
    assert places[:2].tolist() == [5, 9] and (distances[:2] < 0.1).all()
    assert places[2] != 5 and distances[2] > 0.1  # its own group is left out
    alone = nearest_films(copies, references, groups=["a"] * 3, reference_groups=["a"] * 30)
    assert alone[0].tolist() == [-1] * 3 and np.isinf(alone[1]).all()


def test_nearest_film_is_found_without_its_border() -> None:
    references = np.stack([film(seed) for seed in range(40)])
    inner = Image.fromarray(references[3]).crop((5, 5, 107, 107)).resize((112, 112))
    places, _ = nearest_films(np.asarray(inner)[None], references, groups=["x"], reference_groups=["y"] * 40)
    assert places.tolist() == [3]
    assert register_films(np.asarray(inner)[None], references[3:4])[0] >= CONFIRMED


def test_registered_films_are_those_that_fit() -> None:
    films = np.stack([film(seed) for seed in range(3)])
    correlations = register_films(films, films[[0, 2, 1]])
    assert correlations[0] == 1.0 and (correlations[1:] < CONFIRMED).all()
    assert register_films(films[:0], films[:0]).shape == (0,)
