"""The printed overview of distillations."""

from pathlib import Path
from typing import Any

import pytest

from cxrshort.results import Table
from cxrshort.training.distillation_overview import distillation_forecast, distillation_result
from cxrshort.training.teaching import AGREEMENT


def run(folder: Path, *, replicate: int = 0, **parts: Any) -> dict[str, Any]:
    """Return the summary of one student, as run.json has it."""
    teacher = {"model": "runs/teacher", "background": "noise", "patients_known": True} | parts.pop("teacher", {})
    return {
        "model": str(folder / "model.safetensors"),
        "architecture": "small-cnn",
        "replicate": replicate,
        "labels": ["COVID-19"],
        "images": {"train": 24, "val": 12},
        "selection": {"measure": "AUC of COVID-19", "score": 0.75, "low": 0.5, "high": 0.9, "epoch": 1},
        "teacher": teacher,
        "distillation": {"logit_correlation": 0.9, "teacher_score": 0.8, "images_skipped": 0}
        | parts.pop("distillation", {}),
        "in_use": {
            "student": {"parameters": 1000, "images_per_second": 2500.0},
            "teacher": {"parameters": 250000, "images_per_second": 40.0},
        },
        "history": [{"epoch": 1, "learning_rate": 0.1, "loss": 1.0, "score": 0.75}],
        **parts,
    }


def comparisons(result: Any) -> list[Table]:
    return [block for block in result.tables if isinstance(block, Table) and "correlate" in block.title]


def test_student_and_teacher_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / AGREEMENT).touch()
    result = distillation_result(run(tmp_path))
    (table,) = comparisons(result)
    assert table.title == "the logits of student and teacher correlate at 0.900"
    assert [column.heading for column in table.columns] == ["", "validation AUC of COVID-19", "parameters", "images/s"]
    assert [tuple(row.values()) for row in table.rows] == [
        ("student", "0.750", "1,000", "2,500"),
        ("teacher", "0.800", "250,000", "40"),
    ]
    assert tmp_path / AGREEMENT in result.figures and result.notes == []


def test_teacher_without_a_score_has_none() -> None:
    summary = run(Path("run"))
    del summary["distillation"]["teacher_score"]
    (table,) = comparisons(distillation_result(summary))
    assert [row["score"] for row in table.rows] == ["0.750", ""]


def test_replicates_are_told_apart(tmp_path: Path) -> None:
    runs = [run(tmp_path / f"replicate-{number}", replicate=number) for number in (0, 1)]
    runs[1]["distillation"]["images_skipped"] = 1234
    for folder in ("replicate-0", "replicate-1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / AGREEMENT).touch()
    series = {"folder": str(tmp_path), "replicates": runs, "mean": 0.75, "deviation": 0.0, "measure": "AUC of COVID-19"}
    result = distillation_result(series)
    assert [table.title.partition(":")[0] for table in comparisons(result)] == ["replicate 0", "replicate 1"]
    assert result.notes == [
        "replicate 1: images that were not compared, since a map was 0 everywhere: 1,234 over all steps"
    ]
    assert [path.parent.name for path in result.figures if path.name == AGREEMENT] == ["replicate-0", "replicate-1"]


@pytest.mark.parametrize(
    ("parts", "start"),
    [
        ({"distillation": {"images_skipped": 7}}, "images that were not compared, since a map was 0 everywhere: 7 "),
        ({"teacher": {"patients_known": False}}, "the teacher does not say whom it was trained on"),
        ({"output_bias_shift": {"COVID-19": 0.5}}, "the output bias was fitted to the teacher's mean logits"),
    ],
)
def test_notes_say_what_a_reader_must_know(parts: dict[str, Any], start: str) -> None:
    (note,) = distillation_result(run(Path("run"), **parts)).notes
    assert note.startswith(start)


def test_other_processes_print_nothing() -> None:
    assert distillation_result({}).summary == {}


def test_dry_run_names_the_teacher() -> None:
    plan = {
        "reads": [],
        "outputs": [],
        "architecture": "small-cnn",
        "parameters": 10,
        "labels": ["COVID-19"],
        "images": {"train": 4, "val": 2},
        "epochs": 1,
        "batch_size": 4,
        "trial_images": 4,
        "seconds_per_step": 1.0,
        "images_per_second": 4.0,
        "device": "cpu",
        "hours": 1.0,
        "disk_mib": 1.0,
        "disk_free_mib": 10.0,
        "memory_mib": 10.0,
        "threads": 1,
    }
    result = distillation_forecast(plan, "runs/teacher")
    assert result.summary["teacher"] == "runs/teacher"
    assert any("teacher" in str(block) and "runs/teacher" in str(block) for block in result.tables)
