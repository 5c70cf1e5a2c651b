"""``cxrshort evaluate``."""

from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import (
    DATA,
    FILES,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Split,
    Threads,
    Verbose,
    argument,
    check_loudness,
    option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

FOREIGN = "Models trained elsewhere (py:, ONNX, timm:, txrv:, clip:)"


def evaluate(
    models: Annotated[list[str], argument("MODEL", "Model files, run folders, or models trained elsewhere.")],
    dataset: Annotated[
        list[str],
        option(
            "--dataset",
            text="Dataset to test on: a name, a dataset folder, a manifest file, or - for standard input; repeatable.",
            metavar="D",
            panel=DATA,
        ),
    ],
    split: Split = "test",
    label: Annotated[
        str | None,
        option(
            "--label",
            text="Label of the printed tables and the figures; the files have all.",
            metavar="LABEL",
            panel=DATA,
            default="COVID-19, else the first",
        ),
    ] = None,
    out: Out = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    features: Annotated[
        bool,
        option(
            "--features",
            text="Also write what enters the last linear layer for each image: features.npy and features.csv.",
            panel=FILES,
        ),
    ] = False,
    dry_run: DryRun = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Evaluate models inside and outside the dataset that they were trained on, and state the generalization gap.

    Writes predictions.csv (one row per model and image), aucs.csv, means.csv, gaps.csv, roc.png, gap.png, summary.json
    and run.json into results/MODELS/DATASETS (or --out). Patients seen in training are refused. For segmenters it
    writes masks.csv (Dice and IoU of every image), overlaps.csv (their means with intervals), summary.json and
    run.json; for regressions predictions.csv and correlations.csv (rank correlations with intervals).

    A MODEL may have been trained elsewhere; the options behind its name, which belongs in quotes, say what it does not:
    'py:package.module:factory?weights=FILE.safetensors&labels=COVID-19&size=224&range=0..1&trained-on=DATASET',
    'FILE.onnx?labels=COVID-19&range=0..1', 'timm:NAME?labels=COVID-19&weights=FILE', or txrv:all. Further options are
    mean, std, channels and output (logits, probabilities or softmax). The folder of a CLIP model of transformers is a
    zero-shot classifier of exclusive classes: 'clip:FOLDER?labels=cat,dog&prompt=a photo of a {class}&temperature=10'.

    With --features, features.npy holds a row of float32 numbers per image, a memory map that numpy.load opens, and
    features.csv says which image of predictions.csv each row is of; stats slices reads both. ONNX files and segmenters
    have no features.

    Under torchrun several processes score a share of the images each; the first one writes and prints.

    Example: cxrshort evaluate runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I --dataset phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    first = early.is_first()
    with quiet_unless(first):
        early.models(models)
        for name in dataset:
            early.dataset(name)
    early.spare_threads(device=device, precision=precision, threads=threads, quiet=quiet)
    from cxrshort.verbs.evaluate import evaluate as run

    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            models,
            dataset=dataset,
            split=split,
            label=label,
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            features=features,
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
