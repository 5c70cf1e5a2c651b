"""Training on real and synthetic images by two processes with the variables of torchrun: the run of one.

Weights are compared case by case in ``tests/training/test_distributed_steps.py``, "mixed" among them, with networks
without dropout, of which every process draws its own. Here the command itself is compared: what an epoch shows, what
the model records, what is printed and written.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description

from ..cli.console import cxrshort_here
from ..training.test_distributed_steps import run_two
from ..training.tiny import tiny_dataset, tree

TRAIN = ["train", "--dataset", "real+made", "--arch", "small-cnn", "--mix", "0.3", "--epochs", "2"]
TRAIN += ["--batch-size", "12", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--json"]


def run(folder: Path) -> tuple[dict[str, Any], Description, list[dict[str, Any]]]:
    """Return the summary of a run, what its model records, and its epochs."""
    record = json.loads((folder / "run.json").read_text())
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    description = checkpoint.read_description(folder / checkpoint.FILE)
    return record["summary"], description, [event for event in events if event["event"] == "epoch"]


def test_two_processes_mix_the_images_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_dataset(tmp_path / "real", name="real", people=60, signal=55)
    tiny_dataset(tmp_path / "made", name="made", people=40, seed=1, signal=55)
    monkeypatch.chdir(tmp_path)
    alone = cxrshort_here(*TRAIN, "--out", "one")
    together, _ = run_two(*TRAIN, "--out", "two", cwd=tmp_path)
    assert alone.exit_code == 0, alone.output
    (first, own, epochs), (second, other, others) = run(tmp_path / "one"), run(tmp_path / "two")
    assert first["synthetic"] == second["synthetic"] and first["synthetic"]["synthetic_per_epoch"] > 0
    assert first["images"] == second["images"]
    assert own.recipe["mix"] == 0.3 and own.recipe == other.recipe
    assert (own.labels, own.spec, own.dataset) == (other.labels, other.spec, other.dataset)
    # One document each, so one process has printed.
    documents = [json.loads(text) for text in (alone.stdout, together)]
    assert documents[0]["images"] == documents[1]["images"] == first["images"]
    assert tree(tmp_path / "one").keys() == tree(tmp_path / "two").keys()
    losses = np.array([[epoch["loss"] for epoch in part] for part in (epochs, others)])
    assert losses.shape == (2, 2) and np.isfinite(losses).all()
    # The same images in the same order, from the same weights: they differ by the dropout of the processes.
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.25)
