"""``cxrshort stats attributes``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    DATA,
    TERMINAL,
    Dataset,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Level


def attributes(
    dataset: Dataset,
    label: Annotated[
        str | None,
        option("--label", text="Label to audit.", metavar="LABEL", panel=DATA, default="all with both classes"),
    ] = None,
    column: Annotated[
        list[str] | None,
        option(
            "--column",
            text="Attribute to audit; repeatable.",
            metavar="COLUMN",
            panel=DATA,
            default="every column of metadata",
        ),
    ] = None,
    level: Level = 0.95,
    seed: Annotated[
        int, seed_option("Random seed of sampled images, folds and null distributions.", panel=STATISTIC)
    ] = 0,
    out: Out = None,
    figures: Figures = False,
    force: Force = False,
    fail_on: Annotated[
        str | None,
        option(
            "--fail-on",
            text="Exit with code 3 if an attribute is called shortcut; with suspicious, also if one is suspicious.",
            metavar="VERDICT",
            panel=TERMINAL,
            default="never",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Audit a dataset before any training: which attributes tell a label and can be read from the pixels.

    The utility of an attribute is the share of a label's entropy that it tells, the detectability the share of its own
    entropy that a probe of the pixels tells within the classes of the label, out of fold by person. Both are adjusted
    mutual informations: 0 is chance, whatever the number of values, and 1 is a perfect relation. Their product is the
    risk that the attribute becomes a shortcut. The null distribution of detectability refits the probe to attributes
    exchanged within each class.

    shortcut: a risk of at least 0.01 at p of at most 0.05, corrected for all pairs of a label and an attribute.
    suspicious: such a risk at p of at most 0.2. no evidence: anything else. not testable: one class or one value only,
    or too few persons. A verdict of shortcut says that the data offers one; whether a model takes it is for explain and
    swap-test. Of 12 datasets drawn without a shortcut, none got the verdict shortcut, and 0 got suspicious.

    --out writes attributes.csv, summary.json and run.json; --figures adds attributes.png.

    Example: cxrshort stats attributes --dataset phantom-I
    """
    check_loudness(quiet=quiet, verbose=verbose)
    gate.check_level(fail_on)
    early.dataset(dataset)
    from cxrshort.verbs.stats.attributes import attributes as run

    result = run(
        dataset,
        label=label,
        columns=column or (),
        level=level,
        seed=seed,
        out=out,
        figures=figures,
        force=force,
    )
    print_result(result, json=json, quiet=quiet, verbose=verbose)
    gate.exit_on_verdict(result, fail_on)
