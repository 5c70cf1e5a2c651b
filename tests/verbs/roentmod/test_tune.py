"""A grid on phantoms and with a tiny generator: what is written, proposed, taken up again and refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, OutputError, UsageError
from cxrshort.generative.roentmod.opening import EditorOptions
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.roentmod.tune import tune
from cxrshort.verbs.train import train

from ...generative.roentmod.tiny_pipeline import build

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
PHANTOM = {"editor": "phantom", "prompts": ["edema"], "strengths": "0.3,0.9", "images": 2, "all_images": True, **CPU}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tune")
    build_dataset("phantom-III", out=home / "films", number_of_images=100, size=32, jobs=1, replicates=1)
    train(str(home / "films"), arch="small-cnn", overrides={"epochs": 1}, out=home / "model", **CPU)  # type: ignore[arg-type]
    build(home / "generator")
    return home


def test_phantom_grid_is_measured_and_drawn(home: Path, tmp_path: Path) -> None:
    result = tune(str(home / "films"), [home / "model"], out=tmp_path / "out", **PHANTOM)  # type: ignore[arg-type]
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    assert len(cells) == 2 * 2 * 2 and set(cells["judge"]) == {result.summary["rule"]["judge"], "pixels"}
    own = cells[(cells["judge"] == "pixels") & (cells["edit"] == "edema")]
    assert own["distance"].is_monotonic_increasing and (own["images"] == 2).all()
    shams = cells[(cells["judge"] != "pixels") & (cells["edit"] == "sham")]
    assert shams["off_target"].nunique() == 1  # severity does not touch the sham
    names = {path.name for path in result.figures}
    assert names == {
        "sheet-edema-1.png",
        "sheet-edema-2.png",
        "map-edema.png",
        "sheet-sham-1.png",
        "sheet-sham-2.png",
        "map-sham.png",
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["schema"] == "cxrshort.tune/1" and summary["grid"] == {"strengths": [0.3, 0.9], "guidances": [None]}
    assert [row["edit"] for row in summary["proposals"]] == ["edema"]


def test_generator_is_taken_through_strengths_and_guidances(home: Path, tmp_path: Path) -> None:
    options = EditorOptions(generator=str(home / "generator"), steps=10)
    result = tune(
        str(home / "films"),
        prompts=["edema"],
        strengths="0,0.4",
        guidances="1,4",
        images=2,
        all_images=True,
        options=options,
        out=tmp_path / "out",
        **CPU,  # type: ignore[arg-type]
    )
    assert any("makes pictures of 64 pixels, and the images have 32" in note for note in result.notes)
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    edema = cells[cells["edit"] == "edema"].set_index(["strength", "guidance"])
    assert edema["denoising_steps"].tolist() == [0, 0, 4, 4] and edema["start_timestep"].iloc[2] == 399
    distances = edema["distance"]
    assert distances[0.0, 1.0] == distances[0.0, 4.0] and distances.nunique() == 3
    assert not result.summary["proposals"] and any("no MODEL judges" in note for note in result.notes)


def test_interrupted_grid_is_taken_up_again(home: Path, tmp_path: Path) -> None:
    def stop(event: dict[str, object]) -> None:
        if event["event"] == "cells":
            raise KeyboardInterrupt

    arguments = {**PHANTOM, "out": tmp_path / "out"}
    with pytest.raises(KeyboardInterrupt):
        tune(str(home / "films"), report=stop, **arguments)  # type: ignore[arg-type]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "pictures").iterdir()}
    with pytest.raises(OutputError, match="holds an unfinished run"):
        tune(str(home / "films"), **arguments)  # type: ignore[arg-type]
    result = tune(str(home / "films"), resume=True, **arguments)  # type: ignore[arg-type]
    assert len(kept) == 1 and all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert result.summary["failed"] == 0 and len(list((tmp_path / "out" / "pictures").iterdir())) == 2
    again = tune(str(home / "films"), resume=True, **arguments)  # type: ignore[arg-type]
    assert again.summary == json.loads(json.dumps(result.summary))


def test_dry_run_times_a_batch_and_writes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = tune(str(home / "films"), dry_run=True, **PHANTOM)  # type: ignore[arg-type]
    assert result.plan and (result.summary["edits"], result.summary["cells"]) == (8, 2)
    assert result.summary["images_per_second"] > 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidances": "4"}, "--guidances is of the editor 'diffusion', not of 'phantom'"),
        ({"options": EditorOptions(severity=0.5)}, "--severity is what the grid goes through"),
        ({"most_off_target": -1.0}, "--most-off-target -1 is below 0"),
        ({"editor": "cyclegan:model"}, "has no"),
        ({"prompts": ["scoliosis=scoliosis"]}, "the phantom has no finding 'scoliosis'"),
        ({"images": 0}, "it must be 1 or more"),
    ],
)
def test_what_makes_no_grid_is_refused(home: Path, tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        tune(str(home / "films"), out=tmp_path / "out", **{**PHANTOM, **settings})  # type: ignore[arg-type]
    assert message in refusal.value.message and not (tmp_path / "out").exists()


def test_models_are_not_judged_on_their_training_persons(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was trained on"):
        tune(str(home / "films"), [home / "model"], split="all", out=tmp_path / "out", **{**PHANTOM, "images": 40})  # type: ignore[arg-type]


def test_same_seed_gives_the_same_numbers(home: Path, tmp_path: Path) -> None:
    tables = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        tune(str(home / "films"), seed=seed, out=tmp_path / name, **PHANTOM)  # type: ignore[arg-type]
        tables.append(pd.read_csv(tmp_path / name / "cells.csv")["distance"].to_numpy())
    np.testing.assert_array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])
