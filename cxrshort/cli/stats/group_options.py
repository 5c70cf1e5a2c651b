"""Options of the sub-commands of ``stats`` that judge groups by decisions at a threshold."""

from typing import Annotated

from cxrshort.cli.options import TERMINAL, option
from cxrshort.cli.stats.options import STATISTIC

Threshold = Annotated[
    float | None,
    option(
        "--threshold",
        text="Probability from which on an image is called positive, one for all groups.",
        metavar="P",
        panel=STATISTIC,
        default="0.5",
    ),
]
Val = Annotated[
    str | None,
    option(
        "--val",
        text="Table of validation images on which the threshold of each label is chosen, by Youden's index.",
        metavar="TABLE",
        panel=STATISTIC,
    ),
]
FailOnGroup = Annotated[
    str | None,
    option(
        "--fail-on",
        text="Exit with code 3 if a group is called suspicious: shown to be worse. The only VERDICT is suspicious.",
        metavar="VERDICT",
        panel=TERMINAL,
        default="never",
    ),
]
