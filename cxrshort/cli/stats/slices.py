"""``cxrshort stats slices``."""

from typing import Annotated

from cxrshort.cli.gate import LEVELS, check_level, exit_on_verdict
from cxrshort.cli.options import DATA, FILES, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.group_options import FailOnGroup, Threshold, Val
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Logits, Person, Score, TableArgument, Target


def slices(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
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
    dataset: Annotated[
        list[str] | None,
        option(
            "--dataset",
            text="Dataset whose images the contact sheets show, with --figures; repeatable.",
            metavar="D",
            panel=FILES,
        ),
    ] = None,
    logits: Logits = False,
    threshold: Threshold = None,
    val: Val = None,
    most: Annotated[
        int,
        option(
            "--slices",
            text="Number of slices, at most; fewer where the finding half has fewer than 20 images per slice.",
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
            text="Images of the testing half that a slice needs to be tested.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=2,
        ),
    ] = 20,
    seed: Annotated[int, seed_option("Random seed of the halves, and of where the slices begin.", panel=STATISTIC)] = 0,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    fail_on: FailOnGroup = None,
) -> None:
    """Find groups that no column names: slices of images in which a model errs more than its scores say.

    Slices are clusters of images that are alike in embedding, truth and prediction (Domino, Eyuboglu et al. 2022),
    found on half of the persons. Images of the other half are assigned to them by their embedding alone, and the errors
    of a slice are compared with those of other images with about the same score: images near the threshold are hard for
    every model, and no slice. Only slices with more errors than expected where they were found are tested, and their
    P-values are adjusted by Holm's method.

    Embeddings come from evaluate --features, or from any network as an array.

    A slice whose excess is above its level reads "not shown"; that is no evidence that there is none.

    --out writes slices.csv, slice-images.csv (the slice of every image), summary.json and run.json; --figures adds
    slices.png and, with --dataset, a contact sheet of each slice that was tested, its errors first.

    Example: cxrshort stats slices scores.csv --target label --score probability --person patient --features z.npy
    """
    check_loudness(quiet=quiet, verbose=verbose)
    check_level(fail_on, {"suspicious": LEVELS["suspicious"]})
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
    exit_on_verdict(result, fail_on)
