"""``cxrshort evaluate``."""

from typing import Annotated

import typer

from cxrshort.cli.options import Device, DryRun, Force, Json, Out, Precision, Quiet, Threads, Verbose, check_loudness
from cxrshort.cli.printer import print_result
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

    A MODEL may have been trained elsewhere; the options behind its name, which belongs in quotes, say what it does not:
    'py:package.module:factory?weights=FILE.safetensors&labels=COVID-19&size=224&range=0..1&trained-on=DATASET',
    'FILE.onnx?labels=COVID-19&range=0..1', 'timm:NAME?labels=COVID-19&weights=FILE', or txrv:all. Further options are
    mean, std, channels and output (logits, probabilities or softmax).

    Under torchrun several processes score a share of the images each; the first one writes and prints.

    Example: cxrshort evaluate runs/phantom-I/small-cnn/erm/replicate-0 --dataset phantom-I --dataset phantom-external
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.distributed import rank
    from cxrshort.verbs.evaluate import evaluate as run

    first = rank() == 0
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
            dry_run=dry_run,
            force=force,
            report=report,
        )
    if first:
        print_result(result, json=json, quiet=quiet, verbose=verbose)
