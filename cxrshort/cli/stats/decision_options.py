"""Options of the sub-commands of ``stats`` that turn scores into decisions at a threshold."""

from typing import Annotated

from cxrshort.cli.options import fail_on_option, option
from cxrshort.cli.stats.options import number_option

THRESHOLD = "Threshold"

Threshold = Annotated[
    float | None,
    number_option(
        "--threshold",
        "Decision threshold: images with at least this probability are positive.",
        default="0.5",
        panel=THRESHOLD,
    ),
]
Val = Annotated[
    str | None,
    option(
        "--val",
        text="Validation predictions on which the threshold of each label is chosen.",
        metavar="TABLE",
        panel=THRESHOLD,
    ),
]
FailOnGroup = Annotated[
    str | None,
    fail_on_option("suspicious: exit with code 3 if a group or slice is shown to perform worse than the others."),
]
