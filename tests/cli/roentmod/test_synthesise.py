"""``roentmod synthesise`` from the options to the dataset."""

import json
from pathlib import Path

from ..console import cxrshort_here, failure

WORDS = ("roentmod", "synthesise", "--images", 4, "--editor", "phantom", "--prompt", "edema", "--size", 32)
CPU = ("--device", "cpu", "--threads", 1)


def test_dataset_is_made_and_described(tmp_path: Path) -> None:
    completed = cxrshort_here(*WORDS, "--repetitions", 1, "--replicates", 2, "--out", tmp_path / "made", *CPU)
    assert completed.exit_code == 0, completed.stderr
    assert "candidates 12 = rows 12 + excluded 0" in completed.stdout
    assert "4 synthetic persons, a film and its edits each" in completed.stdout
    record = json.loads((tmp_path / "made" / "run.json").read_text())
    assert record["verb"] == "roentmod synthesise" and record["summary"]["synthetic"] is True
    header = (tmp_path / "made" / "manifest.csv").read_text().splitlines()[0].split(",")
    assert [name for name in header if name.startswith("split_")] == ["split_0", "split_1"]


def test_dry_run_says_what_it_takes_and_writes_nothing(tmp_path: Path) -> None:
    completed = cxrshort_here(*WORDS, "--no-sham", "--out", tmp_path / "made", "--dry-run", *CPU)
    assert completed.exit_code == 0, completed.stderr
    assert "4 at 32 pixels" in completed.stdout and not (tmp_path / "made").exists()


def test_generator_is_asked_for(tmp_path: Path) -> None:
    completed = cxrshort_here("roentmod", "synthesise", "--out", tmp_path / "made", *CPU)
    assert failure(completed)[:2] == (
        2,
        "--generator is missing: the editor 'diffusion' needs the folder of a pipeline",
    )
