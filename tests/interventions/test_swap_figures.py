from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.dataset import Dataset
from cxrshort.interventions.swap_changes import change_table
from cxrshort.interventions.swap_figures import Drawn, _typical, draw_figures
from cxrshort.interventions.trial_scores import fill_null, score_trials
from cxrshort.interventions.trials import RegionTest, region_trials
from cxrshort.runs import start_run
from cxrshort.stats.verdicts import Evidence, Verdict

from .swaps import CORNER, ELSEWHERE, SIDE, candidates_of, corner_scorer, swap_dataset

PAIRS = [(2 * number + 1, 2 * number) for number in range(8)]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return swap_dataset(tmp_path / "tiny")


def drawn(data: Dataset, folder: Path, *, with_null: bool = True, **regions: np.ndarray):
    trials = [
        trial
        for region, box in regions.items()
        for trial in region_trials(
            RegionTest(region, "replace", PAIRS), dict.fromkeys(range(16), box), shape=(SIDE, SIDE), edge="corner"
        )
    ]
    scorer = corner_scorer(data.pixels)
    numbers = [number for number, trial in enumerate(trials) if trial.purpose in ("test", "published")]
    numbers = numbers if with_null else []
    run = start_run(folder, "swap-test", arguments={})
    null = fill_null(run, [trials[number] for number in numbers], scorer, patches=9, seed=0, settings={})
    changes = change_table(
        trials,
        score_trials(trials, scorer),
        candidates=candidates_of(data),
        with_null=numbers,
        null=null,
        spread=1.0,
    )
    verdicts = [Verdict(region, "shortcut", "why", Evidence(region, 1.0)) for region in regions]
    verdicts.append(Verdict("gone", "not testable", "why", Evidence("gone", None)))
    return run, Drawn(trials, changes, verdicts, data, data.pixels, "COVID-19")


def test_every_tested_region_is_drawn_and_others_are_not(data: Dataset, tmp_path: Path) -> None:
    run, drawing = drawn(data, tmp_path / "out", shoulders=CORNER, tag=ELSEWHERE)
    names = [str(name) for name in draw_figures(run, drawing, margin=0.25)]
    assert names == ["null-shoulders.png", "null-tag.png", "strips.png", "population.png"]
    for name in names:
        with Image.open(tmp_path / "out" / name) as picture:
            assert min(picture.size) > 300


def test_region_without_a_null_has_strips_and_a_box_alone(data: Dataset, tmp_path: Path) -> None:
    run, drawing = drawn(data, tmp_path / "out", with_null=False, tag=CORNER)
    assert [str(name) for name in draw_figures(run, drawing, margin=0.25)] == ["strips.png", "population.png"]


def test_nothing_is_drawn_where_nothing_was_tested(data: Dataset, tmp_path: Path) -> None:
    run, drawing = drawn(data, tmp_path / "out", tag=CORNER)
    assert draw_figures(run, drawing._replace(verdicts=drawing.verdicts[1:]), margin=0.25) == []


def test_names_of_regions_lead_nowhere_else(data: Dataset, tmp_path: Path) -> None:
    run, drawing = drawn(data, tmp_path / "out", **{"../left tag": CORNER})
    assert str(draw_figures(run, drawing, margin=0.25)[0]) == "null-..-left-tag.png"
    assert (tmp_path / "out" / "null-..-left-tag.png").exists()


def test_more_regions_than_strips_have_room_for_are_drawn(data: Dataset, tmp_path: Path) -> None:
    boxes = dict.fromkeys(("shoulders", "marker", "text", "tag", "wire", "clip"), CORNER)
    run, drawing = drawn(data, tmp_path / "out", **boxes)
    assert {str(name) for name in draw_figures(run, drawing, margin=0.25)} >= {"strips.png", "population.png"}


def test_regions_whose_names_make_one_file_name_have_a_file_each(data: Dataset, tmp_path: Path) -> None:
    run, drawing = drawn(data, tmp_path / "out", **{"left tag": CORNER, "left-tag": ELSEWHERE})
    names = [str(name) for name in draw_figures(run, drawing, margin=0.25)]
    assert names[:2] == ["null-left-tag.png", "null-left-tag-2.png"]


def test_images_that_are_drawn_are_of_all_strengths_and_both_classes(data: Dataset, tmp_path: Path) -> None:
    _, drawing = drawn(data, tmp_path / "out", tag=CORNER)
    trials = drawing.changes.of("tag", "test")
    rows = _typical(trials, 6)
    assert len(set(rows)) == 6 and trials.loc[rows, "role"].value_counts().to_dict() == {"positive": 3, "negative": 3}
    changes = trials.loc[rows].loc[trials["role"] == "negative", "change"].tolist()
    assert changes == sorted(changes)
    everything = sorted(trials.loc[trials["role"] == "negative", "change"])
    assert [everything.index(change) for change in changes] == [1, 4, 6]
