"""``cxrshort evaluate``."""

from typing import Annotated

import typer

from cxrshort.cli import early, show
from cxrshort.cli.options import (
    DATA,
    Device,
    DryRun,
    Force,
    Json,
    Out,
    Precision,
    Quiet,
    Threads,
    Verbose,
    check_loudness,
    option,
)
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress

FOREIGN = "Models trained elsewhere (py:, ONNX, timm:, txrv:)"


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="Model files, run folders, or models trained elsewhere.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        list[str],
        option(
            "--dataset",
            text="Dataset to test on: a name, a dataset folder, a manifest file, or - for standard input; repeatable.",
            metavar="D",
            panel=DATA,
        ),
    ],
    split: Annotated[
        str,
        option("--split", text="Fold to test on: test, val, train or all.", metavar="S", panel=DATA, default=True),
    ] = "test",
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
    model_labels: Annotated[
        str | None,
        option("--model-labels", text="Labels of the outputs, in their order.", metavar="A,B", panel=FOREIGN),
    ] = None,
    model_size: Annotated[
        int | None, option("--model-size", text="Side of the input, in pixels.", metavar="N", panel=FOREIGN, least=1)
    ] = None,
    model_range: Annotated[
        str | None,
        option(
            "--model-range", text="Range of the input's pixels, such as 0..255.", metavar="LOW..HIGH", panel=FOREIGN
        ),
    ] = None,
    model_mean: Annotated[
        str | None,
        option(
            "--model-mean",
            text="Mean that is subtracted from the pixels: one number, or one per channel.",
            metavar="M",
            panel=FOREIGN,
        ),
    ] = None,
    model_std: Annotated[
        str | None,
        option(
            "--model-std",
            text="Standard deviation that they are then divided by: one number, or one per channel.",
            metavar="S",
            panel=FOREIGN,
        ),
    ] = None,
    model_channels: Annotated[
        int | None,
        option(
            "--model-channels",
            text="Input channels: 1 for grey, 3 for grey replicated.",
            metavar="N",
            panel=FOREIGN,
            default="3",
        ),
    ] = None,
    model_output: Annotated[
        str | None,
        option(
            "--model-output",
            text="What the network returns: logits, probabilities or softmax.",
            metavar="KIND",
            panel=FOREIGN,
            default="logits",
        ),
    ] = None,
    out: Out = None,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
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

    MODEL may be trained elsewhere: py:package.module:factory?weights=FILE.safetensors&labels=COVID-19&size=224, a .onnx
    file with the same settings behind its name, or txrv:all. The --model-* options set the same for every
    such model that does not set it itself.

    Under torchrun several processes score a share of the images each; the first one writes and prints.

    Example: cxrshort evaluate runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I --dataset phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    first = early.is_first()
    with quiet_unless(first):
        early.models(models)
        for name in dataset:
            early.dataset(name)
    from cxrshort.verbs.evaluate import evaluate as run

    said = {
        "labels": model_labels,
        "size": model_size,
        "range": model_range,
        "mean": model_mean,
        "std": model_std,
        "channels": model_channels,
        "output": model_output,
    }
    with progress(quiet=quiet or not first) as report, quiet_unless(first):
        result = run(
            models,
            dataset=dataset,
            split=split,
            label=label,
            model_options={name: str(value) for name, value in said.items() if value is not None},
            out=out,
            device=device,
            precision=precision,
            threads=threads,
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        show.evaluation(result, json=json, quiet=quiet, verbose=verbose)
