"""Options that mean the same in every sub-command of ``stats``."""

from typing import Annotated, Any

from cxrshort.cli.options import DATA, FILES, argument, option

STATISTIC = "Statistic"
TABLE = "predictions.csv of evaluate or its folder, any CSV or Parquet table, or - for standard input"


def column_option(name: str, text: str, *, default: str | bool = False, panel: str = DATA) -> Any:
    """Return an option that names a column of a table.

    Args:
        name: such as ``"--target"``.
        text: its line of help, which says what the column holds.
        default: what help shows as the default: a text, or True for the value itself.
        panel: the heading under which help lists it.
    """
    return option(name, text=text, metavar="COLUMN", panel=panel, default=default)


def number_option(name: str, text: str, *, default: str | bool = True, panel: str = STATISTIC) -> Any:
    """Return an option that takes a number with a fraction.

    Args:
        name: such as ``"--region"``.
        text: its line of help.
        default: what help shows as the default: a text, or True for the value itself.
        panel: the heading under which help lists it.
    """
    return option(name, text=text, metavar="X", panel=panel, default=default)


def label_option(text: str, *, default: str) -> Any:
    """Return ``--label`` of a command that chooses among the labels of a dataset or a study.

    Args:
        text: its line of help.
        default: what help shows as the default.
    """
    return option("--label", text=text, metavar="LABEL", panel=DATA, default=default)


TableArgument = Annotated[str, argument("TABLE", f"{TABLE}.")]
Target = Annotated[
    str | None, column_option("--target", "Column of targets, 0 or 1.", default="target.LABEL of predictions.csv")
]
Score = Annotated[
    str | None,
    column_option("--score", "Column of scores, higher for positive images.", default="logit.LABEL of predictions.csv"),
]
Logits = Annotated[bool, option("--logits", text="--score holds logits, not probabilities.", panel=DATA)]
Image = Annotated[str | None, column_option("--image", "Column of image identifiers.", default="image_id")]
Person = Annotated[
    str | None,
    column_option(
        "--person",
        "Column of person identifiers; persons are the unit of analysis.",
        default="person_id, if the table has it",
    ),
]
Label = Annotated[str | None, label_option("Label of predictions.csv to analyse.", default="all")]
By = Annotated[str | None, column_option("--by", "Column of groups to analyse separately, such as view.")]
Group = Annotated[str | None, column_option("--group", "Column of methods, with --value.")]
LowerIsBetter = Annotated[
    bool, option("--lower-is-better", text="Lower scores are better, such as a log loss.", panel=DATA)
]
Level = Annotated[
    float,
    option(
        "--level",
        text="Confidence (or credible) level of intervals.",
        metavar="LEVEL",
        panel=STATISTIC,
        default=True,
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
Figures = Annotated[bool, option("--figures", text="Also write figures to --out.", panel=FILES)]
