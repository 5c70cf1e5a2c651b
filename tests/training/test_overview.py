"""What people see of training runs: one, a series, a search, an ensemble, a dry run."""

from pathlib import Path
from typing import Any

from cxrshort.results import Result, Table, Text
from cxrshort.training.overview import training_forecast, training_notes, training_result

EPOCH = {"epoch": 1, "learning_rate": 0.001, "loss": 0.5, "val_loss": 0.75, "score": 0.875}
SUMMARY: dict[str, Any] = {
    "model": "run/model.safetensors",
    "architecture": "small-cnn",
    "replicate": 0,
    "labels": ["COVID-19", "Edema"],
    "images": {"train": 24, "val": 12},
    "selection": {"measure": "AUC of COVID-19", "score": 0.875, "low": 0.75, "high": 0.9375, "epoch": 1},
    "history": [EPOCH, {**EPOCH, "epoch": 2}],
}


def texts(blocks: Any) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Text)]


def cells(table: Any) -> list[list[Any]]:
    """Return a table's headings and rows, as they are printed."""
    assert isinstance(table, Table)
    heads = [column.heading for column in table.columns]
    return [heads, *([row[column.key] for column in table.columns] for row in table.rows)]


def test_one_model_says_what_chose_its_epoch() -> None:
    result = training_result(SUMMARY)
    assert texts(result.tables) == [
        "small-cnn with 2 labels, trained on 24 images\n"
        "epoch 1 of 2 is kept, with a validation AUC of COVID-19 of 0.875 [0.750, 0.938]"
    ]
    assert cells(result.tables[0])[1] == [1, "0.001", "0.5000", "0.7500", "0.8750"]
    assert (result.folder, result.file) == (Path("run"), Path("run/model.safetensors"))
    assert result.document["schema"] == "cxrshort.training/1" and result.document["folder"] == "run"


def test_segmenter_has_masks_and_an_ensemble_its_mean() -> None:
    segmenter = {**SUMMARY, "labels": ["lungs"], "images_without_masks": {"train": 0, "val": 0}}
    assert texts(training_result(segmenter).tables)[0].startswith("small-cnn with 1 mask, trained")
    selection = {"measure": "AUC", "score": 0.9, "members": [0, 1, 2]}
    ensemble = {**SUMMARY, "selection": selection, "combine": "mean", "history": []}
    (text,) = texts(training_result(ensemble).tables)
    assert text.endswith("\nthe mean of the probabilities of 3 members has a validation AUC of 0.900")


def test_search_lists_its_trials_and_the_one_that_is_kept() -> None:
    trials = [
        {"trial": 1, "weight_decay": 1.0, "failure": "loss is nan"},
        {"trial": 2, "weight_decay": 0.1, "score": 0.8},
    ]
    selection = {**SUMMARY["selection"], "trial": 2}
    result = training_result({**SUMMARY, "trials": trials, "searched": ["weight_decay"], "selection": selection})
    assert cells(result.tables[0]) == [
        ["trial", "weight decay", "validation AUC of COVID-19"],
        [1, 1.0, "loss is nan"],
        [2, 0.1, "0.800"],
    ]
    assert texts(result.tables)[0] == "trial 2 of 2 is kept"


def test_series_lists_its_replicates_with_their_mean() -> None:
    runs = [{**SUMMARY, "replicate": number, "model": f"runs/replicate-{number}/m"} for number in (0, 1)]
    series = {"replicates": runs, "measure": "AUC", "mean": 0.875, "deviation": 0.0, "folder": "runs"}
    result = training_result(series)
    assert cells(result.tables[0])[1:] == [
        [0, 24, "0.875 [0.750, 0.938]", "replicate-0"],
        [1, 24, "0.875 [0.750, 0.938]", "replicate-1"],
    ]
    assert texts(result.tables) == ["mean 0.875, SD 0.000 over 2"]
    assert (result.folder, result.file) == (Path("runs"), None)
    alone = training_result({**series, "replicates": runs[:1], "deviation": None})
    assert texts(alone.tables) == ["mean 0.875 over 1"]


def test_figures_are_the_curves_that_were_drawn(tmp_path: Path) -> None:
    for name in ("training.png", "trial-0/training.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    result = training_result({**SUMMARY, "model": str(tmp_path / "model.safetensors")})
    assert result.figures == [tmp_path / "training.png", tmp_path / "trial-0" / "training.png"]
    assert result.document["figures"] == ["training.png", "trial-0/training.png"]
    assert training_result(SUMMARY).figures == []
    run = {**SUMMARY, "model": f"where it was/{tmp_path.name}/model.safetensors"}
    series = {"replicates": [run], "measure": "AUC", "mean": 0.5, "deviation": None, "folder": str(tmp_path.parent)}
    assert training_result(series).document["figures"][0] == f"{tmp_path.name}/training.png"


def test_notes_say_what_could_not_be_used() -> None:
    unused = {
        "images_without_masks": {"train": 3, "val": 0},
        "empty_labels_read_as_0": 1200,
        "labels_left_out": ["Hernia", "Mass"],
    }
    notes = training_notes({**SUMMARY, **unused})
    assert notes == [
        "images without a mask are left out: train 3, val 0",
        "1,200 empty labels of the training fold are read as 0; --empty-labels mask leaves them out",
        "labels without both classes in training are no outputs: Hernia, Mass",
    ]
    assert training_notes({"replicates": [SUMMARY, {**SUMMARY, **unused, "replicate": 1}]}) == [
        f"replicate 1: {note}" for note in notes
    ]
    assert training_notes(SUMMARY) == []


def test_process_that_is_not_the_first_has_nothing_to_show() -> None:
    assert training_result({}) == Result()


def test_forecast_names_the_network_and_the_number_of_trainings() -> None:
    output = {"folder": "run", "fate": "new", "reason": "", "hint": ""}
    plan = {
        "reads": ["tiny/manifest.csv"],
        "outputs": [output],
        "architecture": "small-cnn",
        "parameters": 1234,
        "labels": ["COVID-19"],
        "images": {"train": 24, "val": 12},
        "epochs": 10,
        "disk_free_mib": 100,
        "batch_size": 32,
        "trial_images": 32,
        "seconds_per_step": 7.8,
    }
    result = training_forecast(plan)
    facts = dict(result.tables[0].pairs)  # type: ignore[union-attr]
    assert facts["architecture"] == "small-cnn, 1,234 parameters" and facts["images"] == "train 24, val 12"
    assert facts["step"] == "32 images in 7.8 s" and result.notes == []
    (note,) = training_forecast({**plan, "trial_images": 8}).notes
    assert note == "the trial had time for steps of 8 images alone: those of 32 take more memory than it says"
    assert "trainings" not in facts and result.document["schema"] == "cxrshort.plan/1"
    assert dict(training_forecast({**plan, "runs": 6}).tables[0].pairs)["trainings"] == "6"  # type: ignore[union-attr]
