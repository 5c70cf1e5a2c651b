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
        default="target.LABEL of predictions",
    ),
]
Score = Annotated[
    str | None,
    option(
        "--score",
        text="Column of scores, higher where the target is 1.",
        metavar="COLUMN",
        panel=DATA,
        default="logit.LABEL of predictions",
    ),
]
Person = Annotated[
    str | None,
    option(
        "--person",
        text="Column that says whose image a row is.",
        metavar="COLUMN",
        panel=DATA,
        default="person_id, if there is one",
    ),
]
Label = Annotated[
    str | None,
    option("--label", text="Label of predictions.", metavar="LABEL", panel=DATA, default="all"),
]
By = Annotated[
    str | None,
    option("--by", text="Column whose values are measured apart, such as view.", metavar="COLUMN", panel=DATA),
]
Level = Annotated[
    float,
    option("--level", text="Coverage of the intervals.", metavar="X", panel=STATISTIC, default=True),
]
Figures = Annotated[bool, option("--figures", text="Draw figures into --out too.", panel=FILES)]
