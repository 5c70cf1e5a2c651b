"""From candidates to a dataset folder: what is made, made again, refused, joined and counted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.datasets.building import assembly
from cxrshort.datasets.building.assembly import Build
from cxrshort.datasets.building.image_source import ImageSource, Record
from cxrshort.datasets.building.journal import Journal
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import DataError, ResumableError
from cxrshort.images.cache import Filling, fill_rows

SIDE = 4
PLAN = ["a", "b", "c", "d"]


class Maker:
    """Make rows that are full of ten times their candidate's number, one at a time; note what was asked for."""

    def __init__(self, *, refused: Sequence[int] = (), stop_after: int | None = None) -> None:
        self.refused, self.stop_after, self.made = refused, stop_after, []

    def __call__(
        self, files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record
    ) -> None:
        for candidate, row in zip(chosen, rows, strict=True):
            if len(self.made) == self.stop_after:
                raise KeyboardInterrupt
            self.made.append(candidate)
            if candidate in self.refused:
                record([{"row": row, "reason": "truncated", "detail": "at byte 3", "source": "", "crc32": [0]}])
                continue
            fill_rows(
                list(files.values()), [candidate], _square, rows=[row], jobs=1, chunk=1, record=self._noting(record)
            )

    @staticmethod
    def _noting(record: Record) -> Record:
        return lambda done: record([{"reason": "", "detail": "", **entry} for entry in done])


def _square(candidate: int) -> Filling:
    return Filling((np.full((SIDE, SIDE), 10 * candidate, np.uint8),), {"source": ""})


def build(folder: Path, maker: Maker, *, from_files: bool = False) -> Build:
    image_source = ImageSource(PLAN, {"images.npy": (SIDE, SIDE)}, maker, labels=("A",), from_files=from_files)
    folder.mkdir(parents=True, exist_ok=True)
    return Build(runs.Run(folder, "build-dataset", {}), image_source, size=SIDE, jobs=1)


def candidates(**columns: object) -> Candidates:
    rows = pd.DataFrame(
        {
            "image_id": PLAN,
            "path": [f"{name}.png" for name in PLAN],
            "repository": "own",
            "patient_id": ["P1", "P1", "P2", "P3"],
            "view": ["PA", "AP", "PA", "PA"],
            "A": [0.0, 1.0, 0.0, 1.0],
            **columns,
        }
    )
    excluded = pd.DataFrame(columns=["path", "patient_id", "reason", "detail"])
    return Candidates(rows, excluded, {"own": (0.25, 0.25)})


def fill(making: Build) -> tuple[Journal, list[tuple[int, int]]]:
    reports: list[tuple[int, int]] = []
    return assembly.fill(making, len(PLAN), report=lambda *numbers: reports.append(numbers)), reports


def test_every_candidate_is_made_once_and_progress_counts_them(tmp_path: Path) -> None:
    maker = Maker()
    journal, reports = fill(build(tmp_path, maker))
    assert maker.made == [0, 1, 2, 3] and sorted(journal.results) == [0, 1, 2, 3]
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.load(tmp_path / ".partial.images.npy")[:, 0, 0].tolist() == [0, 10, 20, 30]


def test_interrupted_build_makes_the_missing_rows_alone(tmp_path: Path) -> None:
    with pytest.raises(ResumableError) as caught:
        fill(build(tmp_path, Maker(stop_after=3)))
    assert caught.value.message == "interrupted, 3 of 4 images are made"
    again = Maker()
    fill(build(tmp_path, again))
    assert again.made == [3]


def test_refused_rows_and_rows_whose_pixels_changed_are_made_again(tmp_path: Path) -> None:
    fill(build(tmp_path, Maker(refused=[1])))
    cache = np.lib.format.open_memmap(tmp_path / ".partial.images.npy", mode="r+")
    cache[2, 0, 0] += 1
    cache.flush()
    again = Maker()
    fill(build(tmp_path, again))
    assert again.made == [1, 2]


def test_map_of_another_shape_is_refused(tmp_path: Path) -> None:
    fill(build(tmp_path, Maker()))
    np.save(tmp_path / ".partial.images.npy", np.zeros((3, SIDE, SIDE), np.uint8))
    with pytest.raises(DataError, match=r"is \(3, 4, 4\), the build needs \(4, 4, 4\)"):
        fill(build(tmp_path, Maker()))


def test_settled_rows_are_those_that_could_be_made(tmp_path: Path) -> None:
    making = build(tmp_path, Maker(refused=[1]))
    journal, _ = fill(making)
    settled, same_films = assembly.add_pixel_results(making, candidates(person_id=["p", "p", "q", "r"]), journal)
    assert settled.rows["image_id"].tolist() == ["a", "c", "d"]
    assert settled.rows["cache_row"].tolist() == [0, 1, 2] and set(settled.rows["cache"]) == {str(tmp_path)}
    assert np.load(tmp_path / "images.npy")[:, 0, 0].tolist() == [0, 20, 30]
    excluded = settled.excluded.iloc[0]
    assert (excluded["path"], excluded["reason"], excluded["detail"]) == ("b.png", "truncated", "at byte 3")
    assert len(settled.excluded) == 1 and same_films == []


def test_build_of_which_nothing_could_be_made_is_an_error(tmp_path: Path) -> None:
    making = build(tmp_path, Maker(refused=range(4)), from_files=True)
    journal, _ = fill(making)
    with pytest.raises(DataError, match=r"not one image could be decoded \(truncated: 4\)"):
        assembly.add_pixel_results(making, candidates(), journal)


def test_patients_known_to_be_one_person_are_joined_without_looking_at_pixels(tmp_path: Path) -> None:
    known = candidates()
    known = Candidates(known.rows, known.excluded, known.fractions, same_person=(("P1", "P3"),))
    settled, same_films = assembly.add_pixel_results(build(tmp_path, Maker()), known, None)
    people = settled.rows["person_id"].tolist()
    assert people[0] == people[1] == people[3] != people[2] and same_films == []


def test_regions_are_those_that_came_with_the_drawn_pixels(tmp_path: Path) -> None:
    making = build(tmp_path, Maker())
    journal, _ = fill(making)
    journal.results[1]["regions"] = {"marker": [0, 1, 2, 3]}
    drawn = candidates(cache_row=[0, 1, 2, 3])
    unchanged, regions = assembly.annotate(making, drawn, journal, masks=None)
    assert unchanged is drawn
    assert regions.to_dict("records") == [{"image_id": "b", "region": "marker", "x0": 0, "y0": 1, "x1": 2, "y1": 3}]


def test_tables_of_a_dataset_are_about_its_labels() -> None:
    manifest = candidates(person_id=["p", "q", "r", "s"]).rows
    tables = assembly.tabulate(manifest, seed=0)
    assert set(tables) == {"characteristics", "confounding"}
    assert set(tables["confounding"]["label"]) == {"A"}
    assert assembly.tabulate(manifest.drop(columns="A"), seed=0) == {}


def test_records_have_numbers_as_numbers_and_nothing_for_empty_cells() -> None:
    table = pd.DataFrame({"n": [1, 2], "x": [0.1, float("nan")], "s": ["a", None]})
    assert assembly.records(table) == [{"n": 1, "x": 0.1, "s": "a"}, {"n": 2, "x": None, "s": None}]


def test_summary_accounts_for_every_candidate() -> None:
    manifest = candidates(person_id=["p", "p", "q", "p"], split_0=["train", "train", "test", "train"]).rows
    manifest = manifest.assign(**{"COVID-19": [1.0, 0.0, 1.0, np.nan]})
    excluded = pd.DataFrame({"path": ["x", "y", "z"], "patient_id": "", "reason": ["lateral", "lateral", "old"]})
    summary = assembly.summarise(manifest, Candidates(manifest, excluded, {}, notes=("a note",)))
    assert summary == {
        "candidates": 7,
        "rows": 4,
        "excluded": {"lateral": 2, "old": 1},
        "repositories": [{"repository": "own", "images": 4, "patients": 3, "views": {"PA": 3, "AP": 1}, "COVID-19": 2}],
        "splits": {"split_0": {"train": 3, "test": 1}},
        "patients": 3,
        "people": 2,
        "notes": ["a note"],
    }
