"""``cxrshort stats subgroups``."""

from typing import Annotated

from cxrshort.cli.gate import LEVELS, check_level, exit_on_verdict
from cxrshort.cli.options import DATA, Force, Json, Out, Quiet, Verbose, check_loudness, option, seed_option
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.group_options import FailOnGroup, Threshold, Val
from cxrshort.cli.stats.options import STATISTIC, Figures, Label, Level, Logits, Person, Score, TableArgument, Target


def subgroups(
    table: TableArgument,
    target: Target = None,
    score: Score = None,
    person: Person = None,
    label: Label = None,
    columns: Annotated[
        list[str] | None,
        option(
            "--columns",
            text="Columns of groups, such as sex,view, or of numbers cut into bands, such as age:40,60; repeatable.",
            metavar="COLUMNS",
            panel=DATA,
            default="sex, age, view, repository, manufacturer",
        ),
    ] = None,
    no_pairs: Annotated[
        bool, option("--no-pairs", text="Leave out the groups of two columns at once.", panel=DATA)
    ] = False,
    logits: Logits = False,
    threshold: Threshold = None,
    val: Val = None,
    minimum: Annotated[
        int,
        option(
            "--minimum",
            text="Persons with and persons without the finding that a group needs to be judged.",
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
            text="Permutations of persons, at most, behind the largest gap of a column.",
            metavar="N",
            panel=STATISTIC,
            default=True,
            least=1,
        ),
    ] = 1000,
    seed: Annotated[int, seed_option("Random seed of the permutations.", panel=STATISTIC)] = 0,
    level: Level = 0.95,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    fail_on: FailOnGroup = None,
) -> None:
    """Compare groups of patients with everybody else, by every metric, the worst group first.

    Groups are the values of sex, age band, view, repository and manufacturer, and their pairs. Each has its AUC,
    average precision, sensitivity and specificity at one threshold for all, and calibration in the large: the log-odds
    that its predicted probabilities lack, above 0 where its risk is underestimated. All but average precision, whose
    chance level differs between groups, are compared with everybody else; P-values are adjusted by Holm's method over
    all comparisons of a label. Groups of too few persons are listed and not judged.

    The largest gap between the groups of a column is tested by permuting persons who are alike in disease. With several
    labels, the underdiagnosis rate is the share of images with a finding in which none is called (Seyyed-Kalantari et
    al. 2021); for one label it is 1 - sensitivity.

    A difference above its level reads "not shown"; that is no evidence that there is none, and its interval says how
    large it may be.

    --out writes groups.csv, comparisons.csv, gaps.csv, underdiagnosis.csv, summary.json and run.json; --figures adds
    auc-by-group.png and those of sensitivity and specificity.

    Example: cxrshort stats subgroups scores.csv --target label --score probability --person patient --columns view
    """
    check_loudness(quiet=quiet, verbose=verbose)
    check_level(fail_on, {"suspicious": LEVELS["suspicious"]})
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
    exit_on_verdict(result, fail_on)
