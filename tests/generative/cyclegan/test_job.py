"""A whole training run: what it writes, what it says, and what it refuses before it starts."""

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cxrshort import files
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import OutputError, ResumableError, UsageError
from cxrshort.generative.cyclegan.job import CycleGanJob, forecast_cyclegan, prepare, train_cyclegan
from cxrshort.generative.cyclegan.model import load_cyclegan
from cxrshort.models import checkpoint

from ...training.tiny import png_signature, tiny_dataset, tree
from .small import CPU, SIDES, dataset, small_recipe


def job(folder: Path, *, name: str = "run", **changes: Any) -> CycleGanJob:
    """Return a job of 6 steps on the tiny dataset, with a look every 2 of them."""
    usual = CycleGanJob(dataset(folder), SIDES, small_recipe(), 0, 0, folder / name, CPU, sample_every=2)
    return replace(usual, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a finished run, and its summary."""
    folder = tmp_path_factory.mktemp("finished")
    return folder / "run", train_cyclegan(job(folder))


def test_run_writes_model_history_samples_and_log(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = finished
    expected = ["history.csv", "log.jsonl", "model.safetensors", "run.json", "training.png"]
    assert sorted(tree(folder)) == expected
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [
        f"step-{number:07d}.png" for number in (2, 4, 6)
    ]
    assert png_signature(folder / "training.png")
    history = pd.read_csv(folder / "history.csv")
    assert history["number"].tolist() == [2, 4, 6]
    assert summary["last"]["cycle"] == pytest.approx(history["cycle"].iloc[-1])
    record = json.loads((folder / "run.json").read_text())
    assert record["summary"] == summary and record["verb"] == "cyclegan train"
    events = [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert events.count("look") == 3


def test_model_knows_its_sides_its_settings_and_its_patients(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    description = load_cyclegan(folder, CPU).description
    assert description.labels == ("COVID-19 == 0", "COVID-19 == 1")
    assert (description.kind, description.spec.size, description.recipe["loss"]) == ("cyclegan", 32, "lsgan")
    assert description.recipe["width"] == 4 and description.recipe["precision"] == "fp32"
    assert description.selection == {"split": "train", "measure": "last step", "step": 6}
    assert description.pixels == {"size": 32, "fit": "crop"}
    assert description.training.startswith("cyclegan COVID-19 == 0 to COVID-19 == 1, epochs=2, batch-size=4")
    manifest = pd.read_csv(folder.parent / "tiny" / "manifest.csv")
    for split, seen in (("train", True), ("test", False)):
        people = manifest.loc[manifest["split_0"] == split, "person_id"]
        assert checkpoint.trained_on(description, people) == (people.nunique() if seen else 0)


def test_collapsed_generator_is_said_while_it_trains_and_at_the_end(tmp_path: Path) -> None:
    """At a rate of 1, and with nothing that must come back, the last layer saturates: one image of all."""
    events: list[Mapping[str, Any]] = []
    recipe = small_recipe(learning_rate=1.0, ema=0.0, cycle=0.0, identity=0.0)
    summary = train_cyclegan(job(tmp_path, recipe=recipe, report=events.append))
    expected = "the generator toward 'COVID-19 == 1' has collapsed: it makes one image of all (they differ by 0%"
    assert any(sentence.startswith(expected) for sentence in summary["diagnosis"])
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert sum("toward 'COVID-19 == 1' has collapsed" in note for note in notes) == 1


def test_interrupted_run_ends_in_the_same_bytes(tmp_path: Path, finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished

    def stop(event: Mapping[str, Any]) -> None:
        if event["event"] == "look" and event["number"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ResumableError):
        train_cyclegan(job(tmp_path, report=stop))
    train_cyclegan(job(tmp_path, resume=True))
    for name in ("model.safetensors", "history.csv", "training.png", "samples/step-0000006.png"):
        assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes(), name


def test_finished_run_is_left_as_it_is_by_resume(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = finished
    before = (folder / "run.json").read_bytes()
    assert train_cyclegan(job(folder.parent, resume=True)) == summary
    assert (folder / "run.json").read_bytes() == before
    with pytest.raises(OutputError):
        train_cyclegan(job(folder.parent))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed was '0' and is '4'"),
        ({"expressions": {**SIDES, "to": "COVID-19 > 0"}}, "to was 'COVID-19 == 1' and is 'COVID-19 > 0'"),
        ({"recipe": small_recipe(cycle=3.0)}, "cycle was '10.0' and is '3.0'"),
        ({"compute": Compute("cpu", "bf16", 1)}, "precision was 'fp32' and is 'bf16'"),
    ],
)
def test_resuming_with_other_settings_names_them(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    def stop(event: Mapping[str, Any]) -> None:
        del event
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ResumableError):
        train_cyclegan(job(tmp_path, report=stop))
    with pytest.raises(UsageError) as caught:
        train_cyclegan(job(tmp_path, resume=True, **changes))
    assert caught.value.message == f"--resume with other settings would change the model: {message}"


def test_full_disk_is_one_clear_error_and_leaves_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: object) -> int:
        del content
        raise OSError(28, "No space left on device", str(path))

    begun = job(tmp_path)

    def fill(event: Mapping[str, Any]) -> None:
        if event["event"] == "look" and event["number"] == 6:
            monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OutputError, match="no space left on device"):
        train_cyclegan(replace(begun, report=fill))
    monkeypatch.undo()
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert not list((tmp_path / "run").glob("*.tmp"))
    train_cyclegan(replace(begun, force=True))
    assert files.require_regular(tmp_path / "run" / "model.safetensors") is None


def test_size_not_divisible_by_4_is_refused(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "odd", name="odd", size=34)))
    with pytest.raises(UsageError) as caught:
        prepare(job(tmp_path, data=data))
    assert caught.value.message == "the images are '34 x 34' pixels, a cyclegan takes squares of a side divisible by 4"


def test_batch_smaller_than_the_number_of_processes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--batch-size is '4', it must be at least the 5 processes"):
        prepare(job(tmp_path, compute=replace(CPU, processes=5)))


def test_forecast_writes_nothing(tmp_path: Path) -> None:
    plan = forecast_cyclegan(job(tmp_path))
    assert not (tmp_path / "run").exists()
    assert plan["outputs"][0]["fate"] == "new"
    assert plan["steps"] == 6 and plan["images"] == {"from": 12, "to": 12}
    assert plan["images_per_second"] > 0 and plan["hours"] >= 0 and plan["disk_mib"] >= 0


def test_look_is_about_every_twentieth_of_a_run(tmp_path: Path) -> None:
    assert prepare(job(tmp_path, sample_every=None, recipe=small_recipe(epochs=100))).look_every == 15
    assert prepare(job(tmp_path, sample_every=None)).look_every == 1
