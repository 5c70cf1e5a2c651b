"""Printed overview of a training run, of a sweep, or of a dry run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort import forecasts
from cxrshort.quantities import quantity
from cxrshort.results import VERBOSE, Block, Result, Text, count_text, text_table
from cxrshort.training.cures.overview import cure_blocks
from cxrshort.training.data.parts import describe_parts
from cxrshort.training.folders import CURVE

_INTERVAL = 20
"""Characters of a score with its interval."""


def training_result(summary: Mapping[str, Any]) -> Result:
    """Return what training reached on the validation fold.

    Args:
        summary: of one model, as run.json has it, or of ``replicates``; an empty one in all processes but the first.
    """
    if not summary:
        return Result()
    notes = training_notes(summary)
    if "replicates" in summary:
        folder = Path(summary["folder"])
        runs = [folder / Path(run["model"]).parent.name for run in summary["replicates"]]
        return Result(summary, _replicates(summary), _figures(runs), notes, folder, kind="training")
    model = Path(summary["model"])
    return Result(summary, _model(summary), _figures([model.parent]), notes, model.parent, model, kind="training")


def training_forecast(summary: Mapping[str, Any]) -> Result:
    """Return what a dry run of training says.

    Args:
        summary: as :func:`cxrshort.training.job.forecast_jobs` returns it.
    """
    facts = [
        ("architecture", f"{summary['architecture']}, {summary['parameters']:,} parameters"),
        ("teacher", str(summary.get("teacher", ""))),
        ("labels", ", ".join(summary["labels"])),
        ("images", count_text(summary["images"])),
        ("epochs", str(summary["epochs"])),
        ("step", f"{summary['batch_size']:,} images in {summary['seconds_per_step']:g} s"),
        ("trainings", str(summary.get("runs", ""))),
    ]
    notes = training_notes(summary)
    if summary["trial_images"] < summary["batch_size"]:
        tried, batch = summary["trial_images"], summary["batch_size"]
        notes.append(
            f"the trial had time for steps of {tried} images alone: those of {batch} take more memory than it says"
        )
    return forecasts.dry_run(summary, facts, notes=notes)


def training_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return which images and labels training could not use, for each replicate where there are several."""
    notes = []
    for run in summary.get("replicates", [summary]):
        prefix = f"replicate {run['replicate']}: " if "replicates" in summary else ""
        if any(run.get("images_without_masks", {}).values()):
            notes.append(f"{prefix}images without a mask are left out: {count_text(run['images_without_masks'])}")
        if empty := run.get("empty_labels_read_as_0", 0):
            notes.append(
                f"{prefix}{empty:,} empty labels of the training fold are read as 0; "
                "--empty-labels mask leaves them out"
            )
        if left_out := run.get("labels_left_out"):
            notes.append(f"{prefix}labels without both classes in training are no outputs: {', '.join(left_out)}")
        notes += [f"{prefix}{note}" for note in (*describe_parts(run), *run.get("notes", ()))]
    return notes


def _figures(folders: Sequence[Path]) -> list[Path]:
    """Return the curves that run folders hold, with those of members and trials in folders of their own."""
    return [path for folder in folders for path in sorted(folder.glob(f"**/{CURVE}"))]


def _model(summary: Mapping[str, Any]) -> list[Block]:
    """Return the trials, the epochs, what was trained, and what chose it; of a cure, what it changed."""
    trials = _trials(summary) if "trials" in summary else []
    if "cure" in summary:
        return [*trials, *cure_blocks(summary)]
    history = _history(summary["history"]) if summary["history"] else []
    output = "mask" if "images_without_masks" in summary else "label"
    outputs = quantity(len(summary["labels"]), output)
    trained = f"{summary['architecture']} with {outputs}, trained on {summary['images']['train']} images"
    return [*trials, *history, Text(f"{trained}\n{_describe_selection(summary)}")]


def _score_text(selection: Mapping[str, Any]) -> str:
    limits = f" [{selection['low']:.3f}, {selection['high']:.3f}]" if "low" in selection else ""
    return f"{selection['score']:.3f}{limits}"


def _describe_selection(summary: Mapping[str, Any]) -> str:
    selection = summary["selection"]
    score = f"a validation {selection['measure']} of {_score_text(selection)}"
    if "members" in selection:
        mean = "mean" if summary["combine"] == "mean" else "quadratic mean"
        return f"the {mean} of the probabilities of {len(selection['members'])} members has {score}"
    return f"epoch {selection['epoch']} of {len(summary['history'])} is kept, with {score}"


def _history(history: Sequence[Mapping[str, Any]]) -> list[Block]:
    rows = [
        [epoch["epoch"], f"{epoch['learning_rate']:.3g}"]
        + [f"{epoch[name]:.4f}" if name in epoch else "" for name in ("loss", "val_loss", "score")]
        for epoch in history
    ]
    header = ["epoch", "learning rate", "loss", "validation loss", "validation score"]
    return [text_table(header, rows, counts=range(5), shown=VERBOSE)]


def _replicates(summary: Mapping[str, Any]) -> list[Block]:
    rows = [
        [
            run["replicate"],
            next(iter(run["images"].values())),
            _score_text(run["selection"]),
            Path(run["model"]).parent.name,
        ]
        for run in summary["replicates"]
    ]
    spread = "" if summary["deviation"] is None else f", SD {summary['deviation']:.3f}"
    header = ["replicate", "images", f"validation {summary['measure']}", "run"]
    mean = Text(f"mean {summary['mean']:.3f}{spread} over {len(rows)}")
    return [text_table(header, rows, counts=(0, 1), least={2: _INTERVAL}), mean]


def _trials(summary: Mapping[str, Any]) -> list[Block]:
    names, selection = summary["searched"], summary["selection"]
    rows = [
        [trial["trial"], *[trial[name] for name in names], trial.get("failure") or f"{trial['score']:.3f}"]
        for trial in summary["trials"]
    ]
    header = ["trial", *[name.replace("_", " ") for name in names], f"validation {selection['measure']}"]
    best = Text(f"trial {selection['trial']} of {len(rows)} is kept")
    return [text_table(header, rows, counts=range(len(names) + 1)), best]
