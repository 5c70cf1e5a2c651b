"""``cxrshort doctor``."""

from typing import Annotated

from cxrshort.cli import early
from cxrshort.cli.options import Dataset, Device, Json, argument
from cxrshort.cli.printer import print_result


def doctor(
    model: Annotated[str | None, argument("MODEL", "Model file or run folder to check.")] = None,
    dataset: Dataset = "",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Check the installation, the machine, and which audits a model and a dataset allow.

    Shows versions and optional packages, device and precision, free disk and how busy the machine is; then, for each
    audit, whether MODEL and --dataset have what it needs, and what is missing.

    Example: cxrshort doctor
    """
    if model:
        early.models([model])
    if dataset:
        early.dataset(dataset)
    from cxrshort.verbs.doctor import doctor as run

    print_result(run(model or None, dataset=dataset or None, device=device), json=json)
