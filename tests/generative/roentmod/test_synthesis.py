"""Synthetic persons: their rows, and films and edits at the size of the generator and at that of the dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.columns import LABELS
from cxrshort.dataset import IMAGES
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.generative.roentmod.contract import Picture, Prompt
from cxrshort.generative.roentmod.synthesis import (
    FULL_SIZE,
    PhantomGenerator,
    Synthesis,
    baseline_rows,
    draw_healthy,
    generator_of,
    of_synthesis,
    synthetic_rows,
    time_synthesis,
)
from cxrshort.images.cache import create_cache
from cxrshort.images.raster import ImageError
from cxrshort.images.reduction import reduce_image

NONE = Prompt("sham", "no finding")
PROMPTS = [Prompt("edema", "edema", "Edema"), Prompt("mass", "a mass", "Mass")]
FILMS, FULL = 4, 16


@dataclass
class NoiseGenerator:
    """Draw noise by the seed of each row; the film of one person cannot be made."""

    lost: str = ""
    calls: list[int] = field(default_factory=list)

    def generate(self, rows: pd.DataFrame, size: int) -> Sequence[Picture | ImageError]:
        self.calls.append(len(rows))
        return [
            ImageError("no memory")
            if name == self.lost
            else Picture(np.random.default_rng(int(seed)).integers(1, 256, (size, size), dtype=np.uint8))
            for name, seed in zip(rows["image_id"], rows["edit_seed"], strict=True)
        ]


def inverted(sources: np.ndarray, rows: pd.DataFrame) -> list[Picture]:
    """Edit by inversion, and by a shade for each prompt."""
    shades = [len(text) for text in rows["edit_prompt"]]
    return [
        Picture(255 - np.maximum(source, shade).astype(np.uint8), {"edit_shade": float(shade)})
        for source, shade in zip(sources, shades, strict=True)
    ]


def make_plan(*, size: int = FULL, repetitions: int = 2, generator: NoiseGenerator | None = None) -> Synthesis:
    films = baseline_rows(FILMS, NONE, identity="noise", seed=0)
    edits = synthetic_rows(films, PROMPTS, repetitions=repetitions, seed=0, parameters={"strength": 0.4, "noise": "x"})
    rows = pd.concat([films, edits], ignore_index=True)
    return Synthesis(rows, FILMS, generator or NoiseGenerator(), inverted, "test", 3, size, FULL)


def run(
    plan: Synthesis, folder: Path, *, chosen: Sequence[int] | None = None, step: int = 1
) -> tuple[np.ndarray, dict]:
    """Make some candidates and return the map, and the result of each candidate."""
    numbers = list(range(len(plan.rows)) if chosen is None else chosen)
    _, source = of_synthesis(plan, row_of=lambda film: (film - numbers[0]) // step)
    path = folder / IMAGES
    if not path.exists():
        create_cache(path, (len(numbers), plan.size, plan.size))
    results: dict[int, dict] = {}
    source.make(
        {IMAGES: path}, numbers, range(len(numbers)), 1, lambda made: results.update({r["row"]: r for r in made})
    )
    return np.load(path), {numbers[row]: result for row, result in results.items()}


def test_every_film_is_a_person_whose_edits_follow_prompt_by_prompt() -> None:
    rows = make_plan().rows
    assert len(rows) == FILMS * (1 + 2 * 2) and rows["image_id"].is_unique
    assert set(rows["repository"]) == {"synthetic"} and rows["person_id"].nunique() == FILMS
    films = rows["image_id"][:FILMS].tolist()
    assert rows["edit"].tolist() == [""] * 4 + ["edema"] * 4 + ["mass"] * 4 + ["edema"] * 4 + ["mass"] * 4
    for start in range(FILMS, len(rows), FILMS):
        block = rows.iloc[start : start + FILMS]
        assert block["source_image_id"].tolist() == films == block["person_id"].tolist()
    assert (rows[list(LABELS)] == 0).all().all()  # those of the films; the scheme fills in what edits add
    assert set(rows["edit_parameters"][FILMS:]) == {'{"noise": "x", "strength": 0.4}'}


def test_noise_of_an_edit_is_that_of_its_repetition_and_never_that_of_its_film() -> None:
    rows = make_plan().rows
    first = rows[rows["source_image_id"] == rows["image_id"][0]].set_index(["edit", "edit_repetition"])["edit_seed"]
    assert first["edema", 0] == first["mass", 0] != first["edema", 1] == first["mass", 1]
    assert rows["edit_seed"][0] not in set(first)
    other = baseline_rows(FILMS, NONE, identity="noise", seed=1)
    assert not set(other["image_id"]) & set(rows["image_id"]) and not set(other["edit_seed"]) & set(rows["edit_seed"])


@pytest.mark.parametrize("size", [FULL, 8])
def test_edits_are_of_the_film_at_the_size_of_the_generator(size: int, tmp_path: Path) -> None:
    plan = make_plan(size=size)
    images, results = run(plan, tmp_path)
    films = [picture.pixels for picture in NoiseGenerator().generate(plan.rows[:FILMS], FULL)]
    edits = inverted(np.stack([films[row % FILMS] for row in range(FILMS, 20)]), plan.rows[FILMS:])
    for row, pixels in enumerate([*films, *(edit.pixels for edit in edits)]):
        np.testing.assert_array_equal(images[row], reduce_image(pixels, size))
    assert results[FILMS]["facts"] == {"edit_shade": 5.0} and not any("reason" in made for made in results.values())
    assert (tmp_path / FULL_SIZE).exists() == (size != FULL)


@pytest.mark.parametrize("size", [FULL, 8])
def test_a_part_holds_whole_persons_and_makes_the_same_pictures(size: int, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    plan = make_plan(size=size)
    images, _ = run(plan, tmp_path)
    chosen = range(1, len(plan.rows), 2)
    part, _ = run(plan, tmp_path / "part", chosen=chosen, step=2)
    np.testing.assert_array_equal(part, images[list(chosen)])
    assert plan.rows["person_id"].iloc[list(chosen)].nunique() == 2


def test_interrupted_edits_find_their_films_again(tmp_path: Path) -> None:
    """The map of full size is gone, as after an interruption on another disk."""
    plan = make_plan(size=8)
    images, _ = run(plan, tmp_path)
    (tmp_path / FULL_SIZE).unlink()
    stored = np.load(tmp_path / IMAGES, mmap_mode="r+")
    stored[10:] = 0
    stored.flush()
    _, source = of_synthesis(plan)
    source.make({IMAGES: tmp_path / IMAGES}, range(10, 20), range(10, 20), 1, lambda made: None)
    np.testing.assert_array_equal(np.load(tmp_path / IMAGES), images)


def test_film_that_cannot_be_made_has_no_edits(tmp_path: Path) -> None:
    lost = make_plan().rows["image_id"][1]
    plan = make_plan(generator=NoiseGenerator(lost=lost))
    images, results = run(plan, tmp_path)
    failed = {row for row, made in results.items() if "reason" in made}
    assert failed == {row for row in range(20) if row % FILMS == 1}
    assert results[1]["reason"] == "no memory" and results[5]["reason"] == "no film to edit"
    whole, _ = run(make_plan(), (tmp_path / "whole").mkdir() or tmp_path / "whole")
    kept = [row for row in range(20) if row % FILMS != 1]
    np.testing.assert_array_equal(images[kept], whole[kept])


def test_every_batch_has_the_same_size(tmp_path: Path) -> None:
    generator = NoiseGenerator()
    run(make_plan(generator=generator), tmp_path)
    assert generator.calls == [3, 3]  # of four films, the second batch filled up


def test_blank_film_is_refused(tmp_path: Path) -> None:
    class Blank:
        def generate(self, rows: pd.DataFrame, size: int) -> list[Picture]:
            return [Picture(np.full((size, size), 7, np.uint8))] * len(rows)

    _, results = run(replace(make_plan(), generator=Blank()), tmp_path)
    assert results[0]["reason"] == "blank picture" and results[0]["detail"].endswith("every pixel is 7")


def test_phantoms_are_healthy_persons_whom_no_dataset_shows() -> None:
    phantoms = draw_healthy(5, seed=0)
    assert len({phantom.patient_id for phantom in phantoms}) == 5
    assert all(not phantom.findings and not phantom.image_index for phantom in phantoms)
    known = {phantom.patient for phantom in sample_phantoms("phantom-III", images=200, confounding=None, seed=0)}
    assert not known & {phantom.patient for phantom in phantoms}
    rows = baseline_rows(5, NONE, identity="phantom", seed=0, phantoms=phantoms)
    named = dict(zip(rows["image_id"], phantoms, strict=True))
    (film,) = PhantomGenerator(named).generate(rows[:1], 32)
    assert isinstance(film, Picture) and film.pixels.shape == (32, 32)
    assert isinstance(generator_of(None, named), PhantomGenerator)  # type: ignore[arg-type]


def test_time_is_that_of_a_film_and_of_an_edit() -> None:
    film, edit = time_synthesis(make_plan())
    assert 0 < film < 1 and 0 < edit < 1
