"""``cxrshort stats superiority``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    By,
    Correction,
    Figures,
    Group,
    Image,
    Label,
    Level,
    Person,
    Score,
    TableArgument,
    Target,
    column_option,
    number_option,
)
from cxrshort.cli.stats.pair_options import After, Before, SecondTable, Value

RUNS = "Results per run, with --value"


def superiority(
    table: TableArgument,
    second: SecondTable = None,
    margin: Annotated[
        float | None,
        number_option(
            "--margin",
            "Smallest relevant difference, in units of the measure. Required; choose it in advance.",
            default=False,
        ),
    ] = None,
    before: Before = None,
    after: After = None,
    target: Target = None,
    score: Score = None,
    image: Image = None,
    person: Person = None,
    label: Label = None,
    value: Value = None,
    group: Group = None,
    seed_column: Annotated[
        str | None, column_option("--seed-column", "Column of the random seed of a run.", panel=RUNS)
    ] = None,
    split_column: Annotated[
        str | None, column_option("--split-column", "Column of the data split of a run.", panel=RUNS)
    ] = None,
    by: By = None,
    test_to_train: Annotated[
        float,
        number_option(
            "--test-to-train",
            "Ratio of test to training images, where all splits are drawn from one dataset (Nadeau & Bengio).",
        ),
    ] = 0.0,
    correction: Correction = "holm",
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Test whether an improvement exceeds a margin, given the variance over seeds, splits and test images.

    The difference of AUCs, after minus before, is computed for every seed and replicate that both trainings have. Its
    variance is decomposed into seeds, splits and test images, and the shares are printed. Superiority means better by
    more than the margin, non-inferiority not worse by more than the margin, equivalence a difference within the margin
    in both directions. A single run has the variance of its test images alone, and a note says so.

    P(after > before) is the share of runs in which the second method is better, compared with 0.75 (Bouthillier et al.
    2021).

    With --value and --group, any result per run is tested, such as the AUCs in aucs.csv of stats auc.

    --out writes improvements.csv, variances.csv, summary.json and run.json; --figures adds superiority.png.

    Example: cxrshort stats superiority aucs.csv --margin 0.01 --value auc --group training --split-column replicate
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.superiority import superiority as run

    result = run(
        table,
        second,
        margin=margin,
        target=target,
        score=score,
        before=before,
        after=after,
        image=image,
        person=person,
        label=label,
        value=value,
        group=group,
        seed_column=seed_column,
        split_column=split_column,
        by=by,
        test_to_train=test_to_train,
        correction=correction,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
