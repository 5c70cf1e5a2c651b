"""Options of the sub-commands of ``stats`` that read run folders."""

from typing import Annotated

from cxrshort.cli.options import argument
from cxrshort.cli.stats.options import label_option

RunPaths = Annotated[
    list[str],
    argument("PATH...", "Run folders, folders with runs at any depth, or tables of predictions or results."),
]
StudyLabel = Annotated[
    str | None, label_option("Label whose test results are assessed.", default="that of the first evaluation")
]
