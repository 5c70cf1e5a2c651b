"""``cxrshort stats slices``."""

from typing import Annotated

from cxrshort.cli import gate
from cxrshort.cli.options import DATA, FILES, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.decision_options import FailOnGroup, Threshold, Val
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Logits, Person, Score, TableArgument, Target


def slices(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    person: Person = None,
    label: Label = None,
    features: Annotated[
        str | None,
        option(
            "--features",
            text="features.csv of evaluate --features, or a .npy array with one row per row of TABLE.",
            metavar="FILE",
            panel=DATA,
            default="features.csv beside TABLE",
        ),
    ] = None,
    threshold: Threshold = None,
    val: Val = None,
    most: Annotated[
        int,
        option(
            "--slices",
            text="Largest number of slices; reduced where the discovery half has fewer than 20 images per slice.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=2,
        ),
    ] = 25,
    minimum: Annotated[
        int,
        option(
            "--minimum",
            text="Smallest number of images, in the testing half, in a slice that is tested.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=2,
        ),
    ] = 20,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the halves and of the initial clusters.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    dataset: Annotated[
        list[str] | None,
        option(
            "--dataset",
            text="Dataset with the images of the contact sheets, with --figures; repeatable.",
            metavar="D",
            panel=FILES,
        ),
    ] = None,
    force: Force = False,
    fail_on: FailOnGroup = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Discover slices: clusters of images, defined by no metadata column, with more errors than their scores imply.

    Slices are clusters of images with similar embeddings, targets and predictions (Domino, Eyuboglu et al. 2022),
    discovered on half of the persons. Images of the other half are assigned to them by embedding alone, and the errors
    of a slice are compared with those of other images with similar scores, since images near the threshold are hard for
    every model. Only slices with excess errors in the discovery half are tested; p-values are adjusted by Holm's
    method.

    Embeddings come from evaluate --features, or from any network as an array. The threshold is 0.5, or chosen on --val
    by Youden's index.

    A slice whose p-value is above 1 - LEVEL reads "not shown", which is not evidence of no excess errors.

    --out writes slices.csv, slice-images.csv (the slice of every image), summary.json and run.json; --figures adds
    slices.png and, with --dataset, a contact sheet of every tested slice, its errors first.

    Example: cxrshort stats slices scores.csv --target label --score probability --person patient --features z.npy
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.SUSPICIOUS_LEVELS)
    from cxrshort.verbs.stats.slices import slices as run

    result = run(
        table,
        target=target,
        score=score,
        person=person,
        label=label,
        features=features,
        dataset=dataset or (),
        logits=logits,
        threshold=threshold,
        validation=val,
        most=most,
        minimum=minimum,
        seed=seed,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on, gate.SUSPICIOUS_LEVELS)
