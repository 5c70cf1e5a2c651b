"""Evaluate models inside and outside the dataset that they were trained on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import columns, distributed, forecasts, registry, runs
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.figures import evaluation as figures
from cxrshort.json_files import write_json
from cxrshort.models.embeddings import feature_count, last_layers, refuse_without_features
from cxrshort.models.feature_files import FEATURES, FILE, ROW, feature_files, feature_rows, write_features
from cxrshort.models.forecast import forecast
from cxrshort.models.predictions import (
    Fold,
    check_datasets,
    first_rows,
    image_folders,
    measure_masks,
    predict,
    predict_with_features,
    prediction_table,
    unseen_fold,
)
from cxrshort.models.result_folders import results_folder
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import Reference, describe_models, open_model
from cxrshort.results import ALWAYS, VERBOSE, Column, Loudness, Result, Table, count_text
from cxrshort.stats import predictions as tables
from cxrshort.stats.overlap import summarise_overlaps
from cxrshort.tables import records

Report = Callable[[Mapping[str, Any]], None]

PREDICTIONS = "predictions.csv"
MASKS = "masks.csv"
CORRELATIONS = "correlations.csv"
SUMMARY = "summary.json"
KIND = "evaluation"


def evaluate(
    models: Sequence[str | Path],
    *,
    dataset: Sequence[str],
    split: str = "test",
    label: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    features: bool = False,
    dry_run: bool = False,
    force: bool = False,
    report: Report = lambda event: None,
) -> Result:
    """Score every model on every dataset and return the table of AUCs and generalization gaps.

    Segmenters are measured by Dice and intersection over union instead, on the images that have a mask; regressions by
    the rank correlation of their numbers.

    Under ``torchrun`` several processes score a share of each fold; the first one writes, reports and returns the
    result, the others return an empty one.

    Args:
        models: model files, run folders, folders of runs, or models trained elsewhere, see
            :mod:`cxrshort.models.sources.foreign`.
        dataset: dataset folders, manifests, ``-`` or names.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that each model was trained on.
        label: the label of the summary and the figures; default COVID-19, else the first one.
        out: the results folder; default :func:`default_folder`.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        features: write what enters the last linear layer for each image, too: ``features.npy`` (N, D), float32, and
            ``features.csv``, which says whose image each row is; of several models ``features-0.npy`` and so on.
        dry_run: say what would be scored, write nothing.
        force: overwrite an earlier result.
        report: takes one event per model and dataset.

    Raises:
        DataError: a model was trained on patients of the fold, its images were made in another way, or an output is no
            number.
        UsageError: a label that no model has, segmenters among classifiers, a model or dataset given twice, or features
            of a model that has none.
    """
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    names = [str(model) for model in models]
    references = describe_models([without_download(name) for name in names] if dry_run else names)
    _check_kinds(references)
    if features:
        refuse_without_features(references)
    loaded = check_datasets([load_dataset(name) for name in dataset])
    chosen = _choose_label(references, label)
    folds = [[unseen_fold(model, data, split) for data in loaded] for model in references]
    folder = out or default_folder(models, loaded, split=split, label=label)
    inputs = {name: path for model in references for name, path in model.files.items()}
    inputs |= {name: path for data in loaded for name, path in _read_files(data).items()}
    if dry_run:
        output = forecasts.preview_folder(folder, "evaluate", inputs=inputs.values(), force=force, resume=None)
        return _forecast(references, loaded, folds, compute=compute, label=chosen, output=output, features=features)
    arguments = {"models": models, "dataset": dataset, "split": split, "label": label, **compute.record()}
    arguments |= {"features": features} if features else {}
    with (
        distributed.process_group(compute),
        runs.open_run(
            folder, "evaluate", arguments=arguments, inputs=inputs, compute=compute, force=force, resume=None
        ) as run,
    ):
        rank_report = runs.ignore_event if compute.rank else report
        files = feature_files(len(references)) if features else [None] * len(references)
        with enough_memory(compute, images=SCORING_BATCH):
            parts = [
                _score_model(*task, run=run, compute=compute, report=rank_report)
                for task in zip(references, folds, files, strict=True)
            ]
        if run.read_only:
            return Result()
        measured = pd.concat(parts, ignore_index=True)
        if features:
            manifests.write_table(feature_rows(measured), run.path(FEATURES))
            measured = measured.drop(columns=[FILE, ROW])
        result = _write_results(run, measured, references[0], label=chosen)
        write_json(run.path(SUMMARY), result.summary)
        run.finish({"summary": result.summary})
    return result


def _read_files(data: Dataset) -> dict[str, Path]:
    return {**({} if data.path is None else {data.name: data.path}), **image_folders(data)}


def _check_kinds(references: Sequence[Reference]) -> None:
    """Refuse segmenters among classifiers, and regressions among models of labels."""
    kinds = [model.outputs.name if model.description.kind != "segmenter" else "masks" for model in references]
    for kind, noun in (("masks", "segmenter"), ("regression", "regression")):
        if kind in kinds and set(kinds) != {kind}:
            match = references[kinds.index(kind)]
            mismatch = next(model for model, own in zip(references, kinds, strict=True) if own != kind)
            raise UsageError(
                f"'{match.name}' is a {noun} and '{mismatch.name}' is not", f"evaluate {noun}s and classifiers apart"
            )


def _choose_label(references: Sequence[Reference], label: str | None) -> str:
    names = list(dict.fromkeys(name for model in references for name in model.description.labels))
    if label is None:
        return columns.COVID if columns.COVID in names else names[0]
    registry.check_name(names, label, kind="label of these models")
    return label


def _score_model(
    model: Reference, folds: Sequence[Fold], file: str | None, *, run: runs.Run, compute: Compute, report: Report
) -> pd.DataFrame:
    """Return one model's predictions on its folds, or how well it draws their masks; write its features to a file."""
    opened = open_model(model, compute)
    judge = measure_masks if model.description.kind == "segmenter" else predict
    layers = None if file is None else last_layers(opened)
    parts, features = [], []
    for fold in folds:
        if layers is None:
            parts.append(judge(opened, fold, compute))
        else:
            table, values = predict_with_features(opened, fold, layers, compute)
            parts.append(table)
            features.append(values)
        text = f"scored {len(parts[-1])} images of {fold.data.name} with {model.title}"
        report({"event": "scored", "model": model.title, "dataset": fold.data.name, "text": text})
    measured = pd.concat(parts, ignore_index=True)
    if file is None:
        return measured
    path = run.path(file)
    distributed.on_first_rank(lambda: write_features(path, features), compute)
    placed: dict[str, Any] = {FILE: file, ROW: np.arange(len(measured))}
    return measured.assign(**placed)


def _write_results(run: runs.Run, measured: pd.DataFrame, first: Reference, *, label: str) -> Result:
    """Write the tables and figures that follow from what was measured, and return them."""
    if first.description.kind == "segmenter":
        return _overlaps(run, measured)
    manifests.write_table(measured, run.path(PREDICTIONS))
    if first.outputs.name == "regression":
        return _correlations(run, measured)
    return _aucs(run, measured, label)


def _overlaps(run: runs.Run, measured: pd.DataFrame) -> Result:
    manifests.write_table(measured, run.path(MASKS))
    names = tables.disambiguate(measured["dataset"], measured["dataset_id"])
    overlaps = summarise_overlaps(measured.assign(dataset=names))
    manifests.write_table(overlaps, run.path("overlaps.csv"))
    rows = records(overlaps)
    heads = [
        Column("model", "model", folds=True),
        Column("mask", "mask", folds=True),
        Column("tested on", "dataset"),
        Column("images", "images", "count"),
        Column("without mask", "without_mask", "count"),
        Column("Dice", "dice", "interval"),
        Column("IoU", "iou", "interval"),
    ]
    shown = Table(heads, rows, title="mean over images, with 95 % interval")
    return Result({"overlaps": rows}, (shown,), folder=run.folder, kind=KIND)


def _correlations(run: runs.Run, predictions: pd.DataFrame) -> Result:
    table = tables.correlation_table(predictions)
    manifests.write_table(table, run.path(CORRELATIONS))
    if table["value"].isna().all():
        reason = table["reason"].iloc[0]
        raise DataError(f"no rank correlation ({reason})", "evaluate on a dataset that knows the number")
    rows, notes = records(table), tables.why_no_gap(predictions)
    heads = [
        Column("training", "training", folds=True),
        Column("tested on", "dataset"),
        Column("role", "role", folds=True),
        Column("replicate", "replicate", "count"),
        Column("label", "label", folds=True),
        Column("images", "images", "count"),
        Column("correlation", "value", "interval"),
    ]
    shown = Table(heads, _with_roles(rows), title="Spearman's rank correlation, with 95 % interval")
    return Result({"correlations": rows, "notes": notes}, (shown,), notes=notes, folder=run.folder, kind=KIND)


def _aucs(run: runs.Run, predictions: pd.DataFrame, label: str) -> Result:
    aucs, means, gaps = (make(predictions) for make in (tables.auc_table, tables.mean_table, tables.gap_table))
    if aucs["auc"].isna().all():
        reasons = "; ".join(sorted(set(aucs["reason"])))
        raise DataError(f"no label has both classes in the test fold ({reasons})", "evaluate on a dataset with both")
    for name, table in (("aucs.csv", aucs), ("means.csv", means), ("gaps.csv", gaps)):
        manifests.write_table(table, run.path(name))
    paths = figures.draw_evaluation(predictions, label, roc=run.path(figures.ROC), gap=run.path(figures.GAP))
    drawn = [run.folder / path.name for path in paths]
    without, notes = sorted(set(aucs.loc[aucs["auc"].isna(), "label"])), tables.why_no_gap(predictions)
    if without:
        notes = [*notes, f"no AUC, one class only in a test fold: {', '.join(without)} (reasons in aucs.csv)"]
    summary = {
        "label": label,
        **{name: _rows_of(table, label) for name, table in (("aucs", aucs), ("means", means), ("gaps", gaps))},
        "labels_without_auc": without,
        "notes": notes,
    }
    names = [label, *(name for name in dict.fromkeys(aucs["label"]) if name != label)]
    shown = [
        table for name in names for table in _auc_tables(name, means, gaps, shown=ALWAYS if name == label else VERBOSE)
    ]
    return Result(summary, shown, drawn, notes, run.folder, kind=KIND)


def _auc_tables(label: str, means: pd.DataFrame, gaps: pd.DataFrame, *, shown: Sequence[Loudness]) -> list[Table]:
    """Return what people see of one label: means over replicates, and the gaps where there are any."""
    training = Column("training", "training", folds=True)
    heads = [
        training,
        Column("tested on", "dataset"),
        Column("role", "role"),
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        Column("AUC", "mean", "interval"),
    ]
    tables_of_label = [Table(heads, _with_roles(_rows_of(means, label)), f"{label}, AUC with 95 % interval", shown)]
    differences = [{**row, "sides": f"{row['internal']} - {row['external']}"} for row in _rows_of(gaps, label)]
    if differences:
        heads = [training, Column("internal - external", "sides"), Column("generalization gap", "gap", "interval")]
        tables_of_label.append(Table(heads, differences, shown=shown))
    return tables_of_label


def _with_roles(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "role": row["role"] or "unknown"} for row in rows]


def _rows_of(table: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    """Return the rows of one label."""
    return records(table[table["label"] == label]) if len(table) else []


def default_folder(models: Sequence[str | Path], loaded: Sequence[Dataset], *, split: str, label: str | None) -> Path:
    """Return ``results/MODELS/DATASETS``; what is off its default stands behind the datasets.

    Example:
        >>> data = [Dataset(name, pd.DataFrame(), Path(name, "manifest.csv")) for name in ("I", "III")]
        >>> str(default_folder(["runs/I/resnet18/erm"], data, split="val", label=None))
        'results/I-resnet18-erm/I+III-split-val'
    """
    options = {**({"split": split} if split != "test" else {}), **({"label": label} if label else {})}
    return results_folder(models, loaded, options=options)


def _forecast(
    references: Sequence[Reference],
    loaded: Sequence[Dataset],
    folds: Sequence[Sequence[Fold]],
    *,
    compute: Compute,
    label: str,
    output: Mapping[str, str],
    features: bool,
) -> Result:
    """Return what an evaluation would read and what it would take."""
    counts = [sum(len(own[place].data.manifest) for own in folds) for place in range(len(loaded))]
    names = tables.disambiguate(
        pd.Series([data.name for data in loaded]), pd.Series([data.dataset_id for data in loaded])
    )
    images, by_dataset = sum(counts), dict(zip(names, counts, strict=True))
    few = first_rows(folds[0][int(np.argmax(counts))], 100)
    zeros = np.zeros((len(few.data.manifest), len(references[0].description.labels)), np.float32)
    sample = prediction_table(references[0], few, zeros)
    row = len(sample.to_csv(index=False)) / max(1, len(sample))
    summary = {
        "reads": [*(model.name for model in references), *(str(data.path or "standard input") for data in loaded)],
        "images": images,
        "by_dataset": by_dataset,
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(row * images / 2**20 + _feature_mib(references, folds, compute, features=features), 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast(references, folds, compute=compute),
        "label": label,
        "outputs": [output],
    }
    facts = [("label", label), ("images to score", f"{images:,} ({count_text(by_dataset)})")]
    return forecasts.dry_run(summary, facts)


def _feature_mib(
    references: Sequence[Reference], folds: Sequence[Sequence[Fold]], compute: Compute, *, features: bool
) -> float:
    """Return the disk space that features would take; 0 where none are asked for."""
    if not features:
        return 0.0
    widths = [feature_count(last_layers(open_model(reference, compute))) for reference in references]
    images = [sum(len(fold.data.manifest) for fold in own) for own in folds]
    return 4 * sum(width * count for width, count in zip(widths, images, strict=True)) / 2**20
