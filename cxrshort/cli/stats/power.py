"""``cxrshort stats power``."""

from typing import Annotated

from cxrshort.cli.options import Force, Json, Out, Quiet, Verbose, argument, check_loudness
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import Figures, Label, Level, Person, Target, number_option

PLAN = "Planned test set"


def power(
    table: Annotated[
        str | None,
        argument(
            "TABLE",
            "Existing test set: predictions.csv of evaluate or its folder, any CSV or Parquet table with targets, or - "
            "for standard input.",
        ),
    ] = None,
    target: Target = None,
    person: Person = None,
    label: Label = None,
    auc: Annotated[
        list[float] | None,
        number_option("--auc", "Expected AUC; repeatable.", default="0.7, 0.8, 0.9, 0.95", panel=PLAN),
    ] = None,
    half_width: Annotated[
        float, number_option("--half-width", "Half-width of the confidence interval.", panel=PLAN)
    ] = 0.05,
    difference: Annotated[
        float, number_option("--difference", "Paired difference of two AUCs to be detected.", panel=PLAN)
    ] = 0.05,
    prevalence: Annotated[
        float | None,
        number_option("--prevalence", "Share of positive images.", default="that of TABLE", panel=PLAN),
    ] = None,
    images_per_person: Annotated[
        float | None,
        number_option(
            "--images-per-person", "Mean number of images per person.", default="that of TABLE, or 1", panel=PLAN
        ),
    ] = None,
    person_correlation: Annotated[
        float, number_option("--person-correlation", "Correlation between the scores of images of one person.")
    ] = 0.5,
    correlation: Annotated[
        float, number_option("--correlation", "Correlation between the AUCs of two models on the same images.")
    ] = 0.5,
    chance: Annotated[float, number_option("--power", "Power to detect the difference.")] = 0.8,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compute the sample size that an AUC needs, and what an existing test set can detect.

    Two goals are planned for: a confidence interval of the AUC with a given half-width, and a paired difference of two
    AUCs that a two-sided test detects with the given power. With TABLE, the smallest drop of the AUC that its images
    would detect is reported too. Only the targets and persons of TABLE are read, not its scores.

    Standard errors are those of Hanley and McNeil. With k images per person, the variance is multiplied by the design
    effect: 1 + (k - 1) times the correlation between images of one person.

    --out writes designs.csv, reach.csv (with TABLE), summary.json and run.json; --figures adds power.png.

    Example: cxrshort stats power --auc 0.85 --half-width 0.04 --prevalence 0.15
    """
    check_loudness(quiet=quiet, verbose=verbose)
    from cxrshort.stats.power import LIKELY_AUCS
    from cxrshort.verbs.stats.power import power as run

    result = run(
        table,
        target=target,
        person=person,
        label=label,
        aucs=auc or LIKELY_AUCS,
        half_width=half_width,
        difference=difference,
        prevalence=prevalence,
        images_per_person=images_per_person,
        person_correlation=person_correlation,
        correlation=correlation,
        chance=chance,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
