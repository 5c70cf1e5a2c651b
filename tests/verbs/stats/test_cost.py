"""``stats cost``: time, device-hours, parameters and throughput, against what was written down."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cxrshort.errors import UsageError
from cxrshort.verbs.stats.cost import cost, count_parameters

from .finished_runs import evaluation, finished, scores

HISTORY = [{"epoch": number, "loss": 1 / number, "score": 0.6 + number / 20} for number in (1, 2, 3)]


def training(folder: Path, *, minutes: float = 30, device: str = "cuda:0", **arguments) -> Path:
    """Write a training of three epochs of 40 seconds each, in two processes."""
    facts = {"device": device, "processes": 2, "threads": 4} | arguments
    summary = {"history": HISTORY, "images": {"train": 900, "val": 100}, "selection": {"epoch": 3, "measure": "AUC"}}
    made = finished(folder, "train", minutes=minutes, arguments=facts, summary=summary)
    weights = {"conv.weight": np.zeros((4, 3, 5)), "bn.running_mean": np.zeros(4), "bn.weight": np.zeros(4)}
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, made / "model.safetensors")
    events = [{"event": "step", "images_per_second": rate} for rate in (10.0, 50.0, 60.0)]
    events += [{"event": "epoch", "epoch": number, "seconds": 40.0} for number in (1, 2, 3)]
    lines = [json.dumps(event) for event in events]
    (made / "log.jsonl").write_text("\n".join([*lines, '{"event": "epo']) + "\n")
    return made


def rows_of(folder: Path) -> dict[str, dict]:
    return {row["run"]: row for row in cost([folder]).summary["runs"]}


def test_training_is_measured(tmp_path: Path) -> None:
    training(tmp_path / "a")
    row = rows_of(tmp_path)["a"]
    assert (row["hours"], row["device_hours"]) == (0.5, 1.0)
    assert (row["device"], row["devices"], row["threads"]) == ("cuda", 2, 4)
    assert (row["parameters"], row["images"], row["epochs"], row["images_per_second"]) == (64, 900, 3, 50.0)


def test_resumed_training_counts_all_its_epochs(tmp_path: Path) -> None:
    training(tmp_path / "a", minutes=1)
    assert rows_of(tmp_path)["a"]["hours"] == pytest.approx(120 / 3600)


def test_runs_within_a_run_are_not_counted_twice(tmp_path: Path) -> None:
    outer = finished(tmp_path / "ensemble", "train", minutes=100)
    for number in range(2):
        training(outer / f"member-{number}")
    result = cost([tmp_path])
    rows = {row["run"]: row for row in result.summary["runs"]}
    assert rows["ensemble"]["hours"] == pytest.approx(40 / 60)
    assert (rows["ensemble"]["device"], rows["ensemble"]["devices"]) == ("cuda", 2)
    (total,) = result.summary["totals"]
    assert (total["group"], total["runs"], total["hours"]) == ("ensemble", 2, pytest.approx(100 / 60))
    assert result.summary["device_hours"] == {"cuda": pytest.approx(200 / 60)}


def test_replicates_are_one_group(tmp_path: Path) -> None:
    for number in range(3):
        training(tmp_path / "I" / "erm" / f"replicate-{number}")
    training(tmp_path / "I" / "dfr", device="cpu", processes=1)
    totals = cost([tmp_path]).summary["totals"]
    assert [(total["group"], total["runs"], total["device"]) for total in totals] == [
        ("I/erm", 3, "cuda"),
        ("I/dfr", 1, "cpu"),
    ]


def test_scored_images_by_time(tmp_path: Path) -> None:
    evaluation(tmp_path / "e", scores(0), scores(1))
    row = rows_of(tmp_path)["e"]
    assert (row["images"], row["images_per_second"]) == (240, pytest.approx(240 / 600))
    assert (row["parameters"], row["epochs"]) == (None, None)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 20, (2).to_bytes(8, "little") + b"{]", None])
def test_parameters_of_damaged_files_are_unknown(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    assert count_parameters(tmp_path / "model.safetensors") is None


def test_folder_holds_tables_and_curves(tmp_path: Path) -> None:
    training(tmp_path / "runs" / "a")
    result = cost([tmp_path / "runs"], out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["learning-curves.png"]
    assert pd.read_csv(tmp_path / "out" / "runs.csv")["parameters"].tolist() == [64]
    assert len(pd.read_csv(tmp_path / "out" / "totals.csv")) == 1


def test_without_a_training_no_curve_is_drawn(tmp_path: Path) -> None:
    evaluation(tmp_path / "runs" / "e", scores(0))
    result = cost([tmp_path / "runs"], out=tmp_path / "out", figures=True)
    assert result.figures == []
    assert result.notes[-1] == "no training with epochs, so no learning curve is drawn"


def test_no_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="no folder to search"):
        cost([])
