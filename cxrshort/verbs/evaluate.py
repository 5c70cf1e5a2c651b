"""Evaluate models inside and outside the dataset that they were trained on."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from cxrshort import columns, distributed, forecasts, registry, runs
from cxrshort import dataset as datasets
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.figures import plots
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.forecast import forecast
from cxrshort.models.foreground import foreground
from cxrshort.models.outlines import measure_outlines
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.models.sources import library
from cxrshort.models.sources.external import describe_all
from cxrshort.stats import predictions as tables
from cxrshort.stats.auc import auc_interval, roc_curve
from cxrshort.stats.overlap import summarise_overlaps
from cxrshort.stats.rank_correlation import rank_correlation

Report = Callable[[Mapping[str, Any]], None]

PREDICTIONS = "predictions.csv"
MASKS = "masks.csv"
CORRELATIONS = "correlations.csv"


def evaluate(
    models: Sequence[str | Path],
    *,
    dataset: Sequence[str],
    split: str = "test",
    label: str | None = None,
    model_options: Mapping[str, str] | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    report: Report = lambda event: None,
) -> dict[str, Any]:
    """Score every model on every dataset and return the table of AUCs and generalization gaps.

    Segmenters are measured by Dice and intersection over union instead, on the images that have a mask; regressions by
    the rank correlation of their numbers.

    Under ``torchrun`` several processes score a share of each fold; the first one writes, reports and returns the
    result, the others return nothing.

    Args:
        models: model files or run folders.
        dataset: dataset folders, manifests, ``-`` or names.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that each model was trained on.
        label: the label of the summary and the figures; default COVID-19, else the first one.
        model_options: what models that are none of ours do not say themselves, by the options of
            :mod:`cxrshort.models.sources.external`, such as ``labels`` and ``range``.
        out: the results folder; default :func:`default_folder`.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: say what would be scored, write nothing.
        force: overwrite an earlier result.
        report: takes one event per model and dataset.

    Raises:
        DataError: a model was trained on patients of the fold, or its images were made otherwise.
        UsageError: a label that no model has, or segmenters among classifiers.
    """
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    given = describe_all([str(each) for each in models], model_options or {})
    names = [name for each in given for name in library.expand(each)]
    described = [library.describe(name) for name in names]
    loaded = [datasets.load(each) for each in dataset]
    segmenters = _are_segmenters(names, described)
    _refuse_mixed_tasks(names, described)
    chosen = _choose_label(described, label)
    folds = [[_fold(name, what, data, split) for data in loaded] for name, what in zip(names, described, strict=True)]
    folder = out or default_folder(models, loaded, split=split, label=label)
    if dry_run:
        plan = _plan(names, described, loaded, folds, compute=compute, split=split)
        return {**plan, "label": chosen, "outputs": [forecasts.foresee(folder, force=force, resume=None)]}
    read = {title: path for name in names for title, path in library.files(name).items()}
    inputs = read | {data.name: data.path for data in loaded if data.path}
    arguments = {"models": given, "dataset": dataset, "split": split, "label": label, **compute.record()}
    judge = partial(_judge_one, split=split, compute=compute, report=runs.silent if compute.rank else report)
    methods: list[str | None] = [None] * len(names) if segmenters else [*library.methods(described)]
    with (
        distributed.process_group(compute),
        runs.opened(
            folder, "evaluate", arguments=arguments, inputs=inputs, compute=compute, force=force, resume=None
        ) as run,
    ):
        with enough_memory(compute, images=SCORING_BATCH):
            parts = [judge(*each, loaded) for each in zip(names, methods, folds, strict=True)]
        if run.read_only:
            return {}
        found = pd.concat(parts, ignore_index=True)
        if segmenters:
            summary = _summarise_masks(run, found)
        else:
            manifests.write(found, run.path(PREDICTIONS))
            numbers = described[0].recipe.get("task") == "regression"
            summary = _summarise_numbers(run, found) if numbers else _summarise(run, found, chosen)
            summary["notes"] = tables.why_no_gap(found)
        runs.write_json(run.path("summary.json"), summary)
        run.finish({"summary": summary})
    return {**summary, "folder": str(folder)}


def _judge_one(
    name: str,
    method: str | None,
    folds: Sequence[Dataset],
    loaded: Sequence[Dataset],
    *,
    split: str,
    compute: Compute,
    report: Report,
) -> pd.DataFrame:
    """Return the predictions of one model on its folds, or how well it draws their masks where it has no method."""
    if method is None:
        return _outline(name, folds, compute=compute, report=report)
    return pd.concat(
        _predict(name, loaded, folds, method=method, split=split, compute=compute, report=report), ignore_index=True
    )


def default_folder(models: Sequence[str | Path], loaded: Sequence[Dataset], *, split: str, label: str | None) -> Path:
    """Return ``results/MODELS/DATASETS``; what is off its default stands behind the datasets.

    Example:
        >>> data = [Dataset(name, pd.DataFrame(), Path(name, "manifest.csv")) for name in ("I", "III")]
        >>> str(default_folder(["runs/I/resnet18/erm"], data, split="val", label=None))
        'results/I-resnet18-erm/I+III,split=val'
    """
    tested = "+".join(map(_dataset_part, loaded))
    tested += (f",split={split}" if split != "test" else "") + (f",label={label}" if label else "")
    return Path("results") / runs.shorten("+".join(map(_model_part, models))) / runs.shorten(_as_name(tested))


def _model_part(model: str | Path) -> str:
    """Return what a folder calls a model: its run folder without the ``runs`` before it, in one word."""
    parts = list(Path(library.title(str(model))).parts)
    return _as_name("-".join(parts[1:] if len(parts) > 1 and parts[0] == "runs" else parts))


def _dataset_part(data: Dataset) -> str:
    """Return what a folder calls a dataset: its name, or that of a table of some of its rows."""
    if data.path is None:
        rows = hashlib.sha256("\n".join(data.manifest["image_id"]).encode()).hexdigest()
        return f"{data.name}-{rows[:8]}"  # standard input has no name that tells one subset from another
    return data.name if data.path.name == datasets.MANIFEST else data.path.stem


def _as_name(text: str) -> str:
    return re.sub(r"[^\w.,=+-]+", "-", text).strip("-.") or "here"


def _plan(
    names: Sequence[str],
    described: Sequence[Description],
    loaded: Sequence[Dataset],
    folds: Sequence[Sequence[Dataset]],
    *,
    compute: Compute,
    split: str,
) -> dict[str, Any]:
    """Return what an evaluation would read and what it would take."""
    by_dataset = [sum(len(own[each].manifest) for own in folds) for each in range(len(loaded))]
    largest = max(range(len(loaded)), key=lambda each: by_dataset[each])
    few = replace(folds[0][largest], manifest=folds[0][largest].manifest.head(100))
    zeros = np.zeros((len(few.manifest), len(described[0].labels)), np.float32)
    sample = _table(names[0], described[0], loaded[largest], few, logits=zeros, method="erm", split=split)
    row = len(sample.to_csv(index=False)) / max(1, len(sample))
    return {
        "dry_run": True,
        "reads": [*names, *(str(each.path) if each.path else "standard input" for each in loaded)],
        "images": sum(by_dataset),
        "by_dataset": dict(zip([each.name for each in loaded], by_dataset, strict=True)),
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(row * sum(by_dataset) / 2**20, 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast(names, folds, compute=compute),
    }


def _are_segmenters(names: Sequence[str], described: Sequence[Description]) -> bool:
    drawing = [description.kind == "segmenter" for description in described]
    if any(drawing) and not all(drawing):
        raise UsageError(
            f"'{names[drawing.index(True)]}' is a segmenter and '{names[drawing.index(False)]}' is not",
            "evaluate segmenters and classifiers apart",
        )
    return any(drawing)


def _refuse_mixed_tasks(names: Sequence[str], described: Sequence[Description]) -> None:
    regressions = [description.recipe.get("task") == "regression" for description in described]
    if any(regressions) and not all(regressions):
        raise UsageError(
            f"'{names[regressions.index(True)]}' predicts a number and '{names[regressions.index(False)]}' does not",
            "evaluate regressions and classifiers apart",
        )


def _summarise_numbers(run: runs.Run, predictions: pd.DataFrame) -> dict[str, Any]:
    """Return the rank correlation of each model's numbers on each dataset, with the difference inside - outside."""
    rows = []
    for label in tables.labels(predictions):
        keys = ["trained_on", "architecture", "method", "dataset", "role", "replicate"]
        for key, part in predictions.groupby(keys, sort=False):
            part = part[part[tables.LOGIT + label].notna()]  # other models may predict other numbers
            if part.empty:
                continue
            found = rank_correlation(
                part[tables.TARGET + label], part[tables.LOGIT + label], part["person_id"], rng=np.random.default_rng(0)
            )
            rows.append({**dict(zip(keys, key, strict=True)), "label": label, **asdict(found)})
    manifests.write(pd.DataFrame(rows), run.path(CORRELATIONS))
    if all(row["value"] is None for row in rows):
        raise DataError(f"no rank correlation ({rows[0]['reason']})", "evaluate on a dataset that knows the number")
    return {"correlations": rows}


def _choose_label(described: Sequence[Description], label: str | None) -> str:
    known = list(dict.fromkeys(name for each in described for name in each.labels))
    if label is None:
        return columns.COVID if columns.COVID in known else known[0]
    registry.check_name(known, label, kind="label of these models")
    return label


def _fold(name: str, description: Description, data: Dataset, split: str) -> Dataset:
    """Return the rows that a model is judged on: those of its own replicate, never seen in training."""
    checkpoint.check_pixels(name, description, dataset=data.name, pixels=data.recipe)
    fold = data.fold(split, replicate=description.replicate)
    people = fold.manifest["person_id"]
    seen = checkpoint.trained_on(description, people)
    if seen:
        raise DataError(
            f"'{name}' was trained on {seen} of the {people.nunique()} patients of {data.name} ({split})",
            "--split test takes the fold that training never saw",
        )
    return fold


def _predict(
    name: str,
    loaded: Sequence[Dataset],
    folds: Sequence[Dataset],
    *,
    method: str,
    split: str,
    compute: Compute,
    report: Report,
) -> list[pd.DataFrame]:
    model, description = library.load(name)
    model = model.to(compute.torch_device)
    task = Task(str(description.recipe.get("task", "multilabel")))
    parts = []
    for data, fold in zip(loaded, folds, strict=True):
        outputs = torch.from_numpy(score(model, foreground(description, fold), compute=compute))
        logits = task.scores(outputs).numpy()
        parts.append(_table(name, description, data, fold, logits=logits, method=method, split=split))
        report({"event": "scored", "model": library.title(name), "dataset": data.name, "images": len(logits)})
    return parts


def _outline(name: str, folds: Sequence[Dataset], *, compute: Compute, report: Report) -> pd.DataFrame:
    model, description = library.load(name)
    structure = description.labels[0]
    parts = []
    for fold in folds:
        measured = measure_outlines(model, fold, structure=structure, compute=compute)
        known: dict[str, Any] = {"model": library.title(name), "dataset": fold.name, "replicate": description.replicate}
        parts.append(measured.assign(**known, mask=structure)[[*known, "mask", *measured.columns]])
        report({"event": "scored", "model": library.title(name), "dataset": fold.name, "images": len(measured)})
    return pd.concat(parts, ignore_index=True)


def _summarise_masks(run: runs.Run, measured: pd.DataFrame) -> dict[str, Any]:
    manifests.write(measured, run.path(MASKS))
    overlaps = summarise_overlaps(measured)
    manifests.write(overlaps, run.path("overlaps.csv"))
    return {"overlaps": _records(overlaps)}


def _table(
    name: str,
    description: Description,
    data: Dataset,
    fold: Dataset,
    *,
    logits: npt.NDArray[np.float32],
    method: str,
    split: str,
) -> pd.DataFrame:
    known = fold.manifest
    table = pd.DataFrame(index=known.index)
    table["model"] = library.title(name)
    table["trained_on"], table["architecture"] = description.dataset, description.architecture
    table["method"] = method
    table["dataset"], table["replicate"] = data.name, description.replicate
    table["role"] = tables.INTERNAL if data.name == description.dataset else tables.EXTERNAL
    for column in tables.IMAGE_COLUMNS:
        table[column] = known[column] if column in known else (split if column == "split" else "")
    measured = {
        **{tables.TARGET + each: _targets(known, each) for each in description.labels},
        **{tables.LOGIT + each: logits[:, number] for number, each in enumerate(description.labels)},
    }
    return pd.concat([table, pd.DataFrame(measured, index=known.index)], axis=1)


def _targets(manifest: pd.DataFrame, label: str) -> npt.NDArray[np.float32]:
    """Return the truth for one label; a dataset that does not know the label has none."""
    try:
        return datasets.targets(manifest, label)
    except UsageError:
        return np.full(len(manifest), np.nan, np.float32)


def _summarise(run: runs.Run, predictions: pd.DataFrame, label: str) -> dict[str, Any]:
    aucs, means, gaps = (make(predictions) for make in (tables.auc_table, tables.mean_table, tables.gap_table))
    if aucs["auc"].isna().all():
        reasons = "; ".join(sorted(set(aucs["reason"])))
        raise DataError(f"no label has both classes in the test fold ({reasons})", "evaluate on a dataset with both")
    for name, table in (("aucs.csv", aucs), ("means.csv", means), ("gaps.csv", gaps)):
        manifests.write(table, run.path(name))
    _draw(run, predictions, label)
    return {
        "label": label,
        "aucs": _records(aucs[aucs["label"] == label]),
        "means": _records(means[means["label"] == label]),
        "gaps": _records(gaps[gaps["label"] == label] if len(gaps) else gaps),
        "labels_without_auc": sorted(set(aucs.loc[aucs["auc"].isna(), "label"])),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.astype(object).to_dict(orient="records")
    ]


def _draw(run: runs.Run, predictions: pd.DataFrame, label: str) -> None:
    curves, points = [], []
    for cell in tables.cells(predictions, label):
        for replicate, sample in cell.samples.items():
            interval = auc_interval(sample.targets, sample.scores, sample.clusters)
            if interval.auc is None:
                continue
            fpr, tpr = roc_curve(sample.targets, sample.scores)
            limits = interval.auc, interval.low, interval.high
            curves.append(plots.RocCurve(cell.trained_on, cell.dataset, replicate, fpr, tpr, *limits))
            name = cell.family if len(cell.samples) == 1 else f"{cell.family}, replicate {replicate}"
            points.append(plots.GapPoint(name, cell.dataset, cell.role == tables.INTERNAL, *limits))
    if curves:
        plots.roc_panels(curves, run.path("roc.png"))
        plots.gap_plot(points, run.path("gap.png"))
