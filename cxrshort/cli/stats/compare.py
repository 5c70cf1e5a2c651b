"""``cxrshort stats compare``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import (
    STATISTIC,
    TABLE,
    By,
    Correction,
    Figures,
    Group,
    Image,
    Label,
    Level,
    Person,
    Score,
    Target,
    number_option,
)
from cxrshort.cli.stats.pair_options import After, Before, SecondTable, Value

PUBLISHED = "Published accuracies"


def compare(
    table: Annotated[str | None, argument("TABLE", f"{TABLE}; not needed with --accuracies.")] = None,
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
        option("--accuracies", text="Two published accuracies, before and after.", metavar="X Y", panel=PUBLISHED),
    ] = None,
    both: Annotated[
        float | None,
        number_option(
            "--both",
            "Share of images that both methods classify correctly.",
            default="smallest and largest possible",
            panel=PUBLISHED,
        ),
    ] = None,
    images: Annotated[
        int | None,
        option("--images", text="Number of images in the test set.", metavar="N", panel=PUBLISHED, least=1),
    ] = None,
    threshold: Annotated[
        float | None,
        number_option(
            "--threshold", "Also compare decisions: images with a score of at least X are positive.", default=False
        ),
    ] = None,
    correction: Correction = "holm",
    level: Level = 0.95,
    draws: Annotated[
        int,
        option(
            "--draws",
            text="Number of bootstrap resamples of persons; 0 for none.",
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

    Two models: the difference of AUCs, tested by DeLong's paired test (Obuchowski's where persons have several images)
    and by a bootstrap over persons. The models are two trainings of one predictions.csv, two tables, or two columns of
    scores (--target, --before, --after). Where both trainings have replicates, the AUCs of their replicates are
    compared as groups too.

    Two groups: the Mann-Whitney test of the column --value, exact even with ties, and the shift between the groups.

    Every comparison states the probability that the claim "after is better" is false, given the data and a flat prior
    (Christodoulou et al. 2025): 0.5 where the data are uninformative. P-values are corrected over labels and subgroups;
    above 1 - LEVEL the finding reads "not shown", which is not evidence of equality.

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
