"""Options that mean the same in every sub-command of ``stats``."""

from typing import Annotated

import typer

from cxrshort.cli.options import DATA, FILES, option

STATISTIC = "Statistic"

TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="predictions.csv of evaluate or its folder, any CSV or Parquet table, or - for standard input.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    option(
        "--target",
        text="Column of targets, 0 or 1.",
        metavar="COLUMN",
        panel=DATA,
        default="target.LABEL of predictions.csv",
    ),
]
Score = Annotated[
    str | None,
    option(
        "--score",
        text="Column of scores, higher where the target is 1.",
        metavar="COLUMN",
        panel=DATA,
        default="logit.LABEL of predictions.csv",
    ),
]
Logits = Annotated[
    bool,
    option("--logits", text="Scores of --score are logits, not probabilities.", panel=DATA),
]
Person = Annotated[
    str | None,
    option(
        "--person",
        text="Column of person identifiers; persons are the unit of analysis.",
        metavar="COLUMN",
        panel=DATA,
        default="person_id, if the table has it",
    ),
]
Label = Annotated[
    str | None,
    option("--label", text="Label of predictions.csv to analyse.", metavar="LABEL", panel=DATA, default="all"),
]
By = Annotated[
    str | None,
    option("--by", text="Column of subgroups to analyse separately, such as view.", metavar="COLUMN", panel=DATA),
]
Level = Annotated[
    float,
    option("--level", text="Confidence level of the intervals.", metavar="X", panel=STATISTIC, default=True),
]
Figures = Annotated[bool, option("--figures", text="Also draw figures into --out.", panel=FILES)]
RunPaths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...",
        help="Run folders, folders of runs (searched to any depth), or tables of predictions or results.",
        show_default=False,
    ),
]
SecondTable = Annotated[
    str | None,
    typer.Argument(
        metavar="[TABLE2]",
        help="Table of the second method on the same images; without it, TABLE holds both methods.",
        show_default=False,
    ),
]
Before = Annotated[
    str | None,
    option(
        "--before",
        text="First method, the baseline: a training of predictions.csv, or a column of scores next to --target.",
        metavar="NAME",
        panel=DATA,
        default="the first of two",
    ),
]
After = Annotated[
    str | None,
    option(
        "--after",
        text="Second method; differences are after minus before.",
        metavar="NAME",
        panel=DATA,
        default="the second of two",
    ),
]
Image = Annotated[
    str | None,
    option(
        "--image",
        text="Column of image identifiers, by which two tables are joined.",
        metavar="COLUMN",
        panel=DATA,
        default="image_id",
    ),
]
Correction = Annotated[
    str,
    option(
        "--correction",
        text="Correction for multiple tests: holm, benjamini-hochberg or none.",
        metavar="NAME",
        panel=STATISTIC,
        default=True,
    ),
]
Value = Annotated[
    str | None,
    option(
        "--value",
        text="Column of one number per run, larger is better, in place of scores.",
        metavar="COLUMN",
        panel=DATA,
    ),
]
Group = Annotated[
    str | None,
    option("--group", text="Column of the methods to compare, with --value.", metavar="COLUMN", panel=DATA),
]
