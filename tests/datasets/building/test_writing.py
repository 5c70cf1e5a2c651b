"""Rows and an image source become a dataset, whatever the source is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import runs
from cxrshort.columns import EXCLUDED_COLUMNS
from cxrshort.dataset import IMAGES, load_dataset
from cxrshort.datasets.building.edits import in_batches
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.cohorts import Candidates

COUNT, SIDE = 12, 8
PLAN = DatasetSettings("grey", {"size": SIDE}, splits="draw", replicates=2)


def candidates() -> Candidates:
    names = [f"generator/{number}" for number in range(COUNT)]
    rows = pd.DataFrame({"image_id": names, "path": "", "repository": "generator", "Mass": np.arange(COUNT) % 2.0})
    rows = rows.assign(patient_id=[f"generator/{number // 2}" for number in range(COUNT)])
    rows = rows.assign(person_id=rows["patient_id"])
    excluded = pd.DataFrame([("", "generator/9", "bad prompt", "too long")], columns=list(EXCLUDED_COLUMNS))
    return Candidates(rows, excluded, {"generator": (0.25, 0.25)}, notes=("made up",))


def grey_pictures() -> ImageSource:
    """Return a source of pictures that are made from nothing, as a generator does."""

    def generate(chosen: list[int]) -> list[np.ndarray]:
        return [np.full((SIDE, SIDE), number, np.uint8) for number in chosen]

    make = in_batches(generate, [str(number) for number in range(COUNT)], batch_size=5)
    return ImageSource(["grey"] * COUNT, {IMAGES: (SIDE, SIDE)}, make, labels=("Mass",))


def write(out: Path, plan: DatasetSettings = PLAN, **options: Any) -> dict[str, Any]:
    with runs.open_run(out, "synthesise", arguments={}) as run:
        return write_dataset(run, candidates(), grey_pictures(), settings=plan, **options)


def test_dataset_of_pictures_from_nothing_is_one_like_any_other(tmp_path):
    told = []
    summary = write(tmp_path / "out", report=lambda done, count: told.append((done, count)))
    assert told == [(5, COUNT), (10, COUNT), (COUNT, COUNT)]
    assert (summary["candidates"], summary["rows"], summary["excluded"]) == (COUNT + 1, COUNT, {"bad prompt": 1})
    assert summary["notes"] == ["made up"]
    data = load_dataset(str(tmp_path / "out"))
    assert data.pixels.take(range(COUNT))[:, 0, 0].tolist() == list(range(COUNT))
    assert (data.name, data.labels, data.recipe, dict(data.made_from)) == ("grey", ["Mass"], {"size": SIDE}, {})
    assert data.manifest.groupby("person_id")["split_1"].nunique().max() == 1


def test_record_says_what_models_and_tables_need(tmp_path):
    summary = write(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["summary"] == summary
    assert record["dataset_id"] == load_dataset(str(tmp_path / "out")).dataset_id
    expected = {"verb": "synthesise", "state": "done", "name": "grey", "labels": ["Mass"], "masks": {}, "root": ""}
    assert {name: record[name] for name in expected} == expected
    assert "made_from" not in record
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "." and path.name != ".lock"]


def test_metadata_alone_touches_no_pixel(tmp_path):
    summary = write(tmp_path / "out", DatasetSettings("grey", {}, splits="draw", replicates=1, pixels=False))
    assert summary["rows"] == COUNT and not (tmp_path / "out" / "images.npy").exists()
    assert "cache" not in load_dataset(str(tmp_path / "out")).manifest


def test_figures_are_drawn_before_the_dataset_is_complete_and_facts_are_told(tmp_path):
    seen = []

    def draw(manifest: pd.DataFrame) -> None:
        seen.append((len(manifest), (tmp_path / "out" / "run.json").exists()))

    plan = DatasetSettings("grey", {}, splits="draw", replicates=1, facts={"prompts": 3})
    assert write(tmp_path / "out", plan, draw=draw)["prompts"] == 3
    assert seen == [(COUNT, False)]


def test_drawn_splits_depend_on_the_seed_alone(tmp_path):
    folds = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write(tmp_path / name, DatasetSettings("grey", {}, splits="draw", replicates=1, seed=seed))
        folds.append(load_dataset(str(tmp_path / name)).manifest["split_0"].tolist())
    assert folds[0] == folds[1] != folds[2]
