"""``cxrshort stats attributes``."""

from typing import Annotated

from cxrshort.cli import early, gate
from cxrshort.cli.options import (
    Dataset,
    Force,
    Json,
    Out,
    Quiet,
    Verbose,
    check_loudness,
    fail_on_option,
    seed_option,
)
from cxrshort.cli.printer import print_result
from cxrshort.cli.stats.options import STATISTIC, Figures, Level, column_option, label_option


def attributes(
    dataset: Dataset,
    label: Annotated[str | None, label_option("Label to audit.", default="all labels with both classes")] = None,
    column: Annotated[
        list[str] | None,
        column_option("--column", "Metadata column to audit; repeatable.", default="all metadata columns"),
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
        fail_on_option(
            "shortcut: exit with code 3 if an attribute is called shortcut; suspicious: also if one is called "
            "suspicious."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Audit a dataset, before any training, for metadata that predict a label and are detectable in the pixels.

    The utility of an attribute (a metadata column) is the share of the label's entropy that it explains; its
    detectability is the share of its own entropy that a probe of the pixels explains within the classes of the label,
    out of fold by person. Both are adjusted mutual information: 0 is chance, whatever the number of values, and 1 is a
    perfect relation. Their product is the risk that the attribute becomes a shortcut. The null distribution of
    detectability refits the probe to attributes permuted within each class.

    shortcut: a risk of at least 0.01 at p of at most 0.05, corrected for all pairs of a label and an attribute.
    suspicious: the same risk at p of at most 0.2. no evidence: anything else. not testable: a single class or value, or
    too few persons. The verdict shortcut means that the data offer one; explain and swap-test show whether a model uses
    it. Of 12 datasets drawn without a shortcut, none got the verdict shortcut, and 0 got suspicious.

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
