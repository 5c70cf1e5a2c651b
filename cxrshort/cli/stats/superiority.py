"""``cxrshort stats superiority``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    After,
    Before,
    By,
    Correction,
    Figures,
    Group,
    Image,
    Label,
    Level,
    Person,
    Score,
    SecondTable,
    TableArgument,
    Target,
    Value,
)

RUNS = "Runs instead of scores"


def superiority(
    table: TableArgument,
    second: SecondTable = None,
    margin: Annotated[
        float | None,
        option(
            "--margin",
            text="Smallest difference that matters, on the scale of the measure; choose it before you look.",
            metavar="X",
            panel=STATISTIC,
            default="none: it must be stated",
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
        str | None, option("--seed-column", text="Column of the seed of a run.", metavar="COLUMN", panel=RUNS)
    ] = None,
    split_column: Annotated[
        str | None, option("--split-column", text="Column of the data split of a run.", metavar="COLUMN", panel=RUNS)
    ] = None,
    by: By = None,
    test_to_train: Annotated[
        float,
        option(
            "--test-to-train",
            text="Test images per training image, where all splits are drawn from one dataset (Nadeau & Bengio).",
            metavar="X",
            panel=STATISTIC,
            default=True,
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

    The difference of AUCs, after minus before, is taken run by run: each seed and replicate that both trainings have.
    Its variance is divided into seeds, splits and test images, and the shares are printed. Superiority means better by
    more than the margin, non-inferiority not worse by more than it, equivalence both. A single run has the variance of
    its test images alone, and a note says so.

    P(after > before) is the share of runs that the second method wins, held against 0.75 (Bouthillier et al. 2021).

    With --value and --group any number per run is tested, such as the AUCs in aucs.csv of stats auc.

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
