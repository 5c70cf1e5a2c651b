"""Options of the sub-commands of ``stats`` that compare two methods, the second with the first."""

from typing import Annotated

from cxrshort.cli.options import DATA, argument, option
from cxrshort.cli.stats.options import column_option

SecondTable = Annotated[
    str | None,
    argument("TABLE2", "Table of the second method, joined by --image; without it, TABLE holds both methods."),
]
Before = Annotated[
    str | None,
    option(
        "--before",
        text="First method, the baseline: a training of predictions.csv, a column of scores, or a value of --group.",
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
Value = Annotated[
    str | None,
    column_option("--value", "Column of results, one row per run, higher is better; in place of scores."),
]
