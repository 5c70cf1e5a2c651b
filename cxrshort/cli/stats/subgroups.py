"""``cxrshort stats subgroups``."""

from typing import Annotated

from cxrshort.cli import gate
from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.decision_options import FailOnGroup, Threshold, Val
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Logits, Person, Score, TableArgument, Target


def subgroups(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    logits: Logits = False,
    person: Person = None,
    label: Label = None,
    columns: Annotated[
        list[str] | None,
        option(
            "--columns",
            text="Columns of groups, such as sex,view; numbers with the edges of their bands, such as age:40,60; "
            "repeatable.",
            metavar="COLUMNS",
            panel=DATA,
            default="sex, age, view, repository, manufacturer",
        ),
    ] = None,
    no_pairs: Annotated[bool, option("--no-pairs", text="Omit the groups of two columns.", panel=DATA)] = False,
    threshold: Threshold = None,
    val: Val = None,
    minimum: Annotated[
        int,
        option(
            "--minimum",
            text="Smallest number of persons with, and of persons without, the finding in a group that is tested.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=2,
        ),
    ] = 10,
    draws: Annotated[
        int,
        option(
            "--draws",
            text="Largest number of permutations in the test of the largest gap.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=1,
        ),
    ] = 1000,
    level: Level = 0.95,
    seed: Annotated[int, seed_option("Random seed of the permutations.", panel=STATISTIC)] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    fail_on: FailOnGroup = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare the performance in groups of patients with that in all other patients, worst group first.

    Groups are the values of sex, age band, view, repository and manufacturer, and their pairs. Metrics are AUC, average
    precision, sensitivity and specificity at one threshold for all groups (0.5, or chosen on --val by Youden's index),
    and calibration in the large: the log-odds that the predicted probabilities of a group lack, above 0 where its risk
    is underestimated. All but average precision, whose chance level differs between groups, are compared; p-values are
    adjusted by Holm's method over all comparisons of a label. Groups of too few persons are listed but not tested.

    The largest gap between the groups of a column is tested by permuting persons with the same disease status. With
    several labels, the underdiagnosis rate is the share of images with a finding in which no finding is predicted
    (Seyyed-Kalantari et al. 2021); with one label, it is 1 - sensitivity.

    A difference with a p-value above 1 - LEVEL reads "not shown", which is not evidence of equality; its interval says
    how large the difference may be.

    --out writes groups.csv, comparisons.csv, gaps.csv, underdiagnosis.csv, summary.json and run.json; --figures adds
    auc-by-group.png and those of sensitivity and specificity.

    Example: cxrshort stats subgroups scores.csv --target label --score probability --person patient --columns view
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on, gate.SUSPICIOUS_LEVELS)
    from cxrshort.verbs.stats.subgroups import subgroups as run

    result = run(
        table,
        target=target,
        score=score,
        person=person,
        label=label,
        columns=columns or (),
        pairs=not no_pairs,
        logits=logits,
        threshold=threshold,
        validation=val,
        minimum=minimum,
        draws=draws,
        seed=seed,
        level=level,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on, gate.SUSPICIOUS_LEVELS)
