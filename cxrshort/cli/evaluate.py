"""``cxrshort evaluate``."""

from typing import Annotated

import typer

from cxrshort.cli import show
from cxrshort.cli.options import Device, DryRun, Force, Json, Out, Precision, Quiet, Threads, Verbose, check_loudness
from cxrshort.cli.processes import quiet_unless
from cxrshort.cli.progress import progress


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Model files or run folders.", show_default=False)
    ],
    dataset: Annotated[
        list[str],
        typer.Option(
            "--dataset",
            metavar="D",
            help="A dataset folder, a manifest file, - or a name; repeatable.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option("--split", metavar="S", help="test, val, train or all.")] = "test",
    label: Annotated[
        str | None,
        typer.Option("--label", metavar="L", help="The label of tables and figures.", show_default="COVID-19"),
    ] = None,
    model_labels: Annotated[
        str | None,
        typer.Option(
            "--model-labels", metavar="A,B", help="Outputs, in order, of models not ours.", show_default=False
        ),
    ] = None,
    model_size: Annotated[
        int | None, typer.Option("--model-size", metavar="N", min=1, help="Their input, in pixels.", show_default=False)
    ] = None,
    model_range: Annotated[
        str | None,
        typer.Option(
            "--model-range", metavar="LOW..HIGH", help="What their pixels span, such as 0..255.", show_default=False
        ),
    ] = None,
    model_mean: Annotated[
        str | None,
        typer.Option(
            "--model-mean", metavar="M", help="Subtracted from them: one number or three.", show_default=False
        ),
    ] = None,
    model_std: Annotated[
        str | None,
        typer.Option("--model-std", metavar="S", help="Then divided by: one number or three.", show_default=False),
    ] = None,
    model_channels: Annotated[
        int | None,
        typer.Option("--model-channels", metavar="N", help="1 for grey, 3 for grey replicated.", show_default="3"),
    ] = None,
    model_output: Annotated[
        str | None,
        typer.Option("--model-output", metavar="KIND", help="logits, probabilities or softmax.", show_default="logits"),
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
    """Evaluate models inside and outside the dataset that they were trained on, and state the gap.

    Writes predictions.csv (one row per model and image), aucs.csv, means.csv, gaps.csv, roc.png, gap.png, summary.json
    and run.json into results/MODELS/DATASETS (or --out). Patients seen in training are refused. For segmenters it
    writes masks.csv (Dice and IoU of every image), overlaps.csv (their means with intervals), summary.json and
    run.json; for regressions predictions.csv and correlations.csv (rank correlations with intervals).

    A MODEL may be none of ours: py:package.module:factory?weights=FILE.safetensors&labels=COVID-19&size=224&range=0..1,
    a .onnx file with the same options behind its name, or txrv:all. --model-labels and the like say the same of all
    such models that do not say it themselves.

    Under torchrun several processes score a share of the images each; the first one writes and prints.

    Example: cxrshort evaluate runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I --dataset phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.distributed import rank
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
    first = rank() == 0
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
