"""``cxrshort stats compare``."""

from typing import Annotated

import typer

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
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
    Target,
    Value,
)

PUBLISHED = "Published accuracies"


def compare(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE]",
            help="predictions.csv of evaluate or its folder, any CSV or Parquet table, or - for standard input; not "
            "needed with --accuracies.",
            show_default=False,
        ),
    ] = None,
    second: SecondTable = None,
    before: Before = None,
    after: After = None,
    target: Target = None,
    score: Score = None,
    image: Image = None,
    person: Person = None,
    label: Label = None,
    by: By = None,
    value: Value = None,
    group: Group = None,
    accuracies: Annotated[
        tuple[float, float] | None,
        option(
            "--accuracies",
            text="Two accuracies, before and after, as a paper reports them.",
            metavar="X Y",
            panel=PUBLISHED,
        ),
    ] = None,
    both: Annotated[
        float | None,
        option(
            "--both",
            text="Share of images that both methods classify correctly.",
            metavar="X",
            panel=PUBLISHED,
            default="smallest and largest possible",
        ),
    ] = None,
    images: Annotated[
        int | None,
        option("--images", text="Number of images in the test set.", metavar="N", panel=PUBLISHED, least=1),
    ] = None,
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            text="Also compare decisions: a score of at least X means 1.",
            metavar="X",
            panel=STATISTIC,
        ),
    ] = None,
    correction: Correction = "holm",
    level: Level = 0.95,
    draws: Annotated[
        int,
        option(
            "--draws",
            text="Bootstrap resamples of persons; 0 for none.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=0,
            most=1_000_000,
        ),
    ] = 2000,
    seed: Annotated[int, seed_option("Random seed of the bootstrap.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare two models on the same images, two groups of replicates, or two published accuracies.

    Two models: difference of AUCs by the paired test of DeLong, or of Obuchowski where persons have several images,
    and by a bootstrap of persons. Models are two trainings of one predictions.csv, two tables, or two columns of scores
    (--target, --before, --after). Where both trainings have replicates, their AUCs are compared as groups too.

    Two groups: Mann-Whitney test of the column --value, exact also with ties, and the shift between the groups.

    Beside each comparison stands the probability that the claim "after is better" is false, given the data and a flat
    prior (Christodoulou et al. 2025): 0.5 where the data say nothing. P-values are corrected over labels and subgroups;
    above 1 - LEVEL the finding reads "not shown", which is no evidence of equality.

    --out writes comparisons.csv, groups.csv, decisions.csv, summary.json and run.json; --figures adds compare.png.

    Example: cxrshort stats compare --accuracies 0.80 0.82 --both 0.75 --images 200
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.verbs.stats.compare import compare as run

    result = run(
        table,
        second,
        target=target,
        score=score,
        before=before,
        after=after,
        image=image,
        person=person,
        label=label,
        by=by,
        value=value,
        group=group,
        accuracies=accuracies,
        both=both,
        images=images,
        threshold=threshold,
        correction=correction,
        level=level,
        draws=draws,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
