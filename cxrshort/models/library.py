"""Where a model comes from: our own files and run folders, a folder of replicates, or a network of the user's."""

from pathlib import Path

from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.external import is_external, load_external


def expand(name: str) -> list[str]:
    """Return the models that a name stands for: itself, or the replicates in a parent folder, in order.

    Raises:
        MissingInputError: nothing is there, or training was interrupted.
    """
    if is_external(name):
        return [name]
    folder = Path(name)
    if folder.is_dir() and not (folder / checkpoint.FILE).exists():
        below = sorted(each.parent for each in folder.glob(f"*/{checkpoint.FILE}"))
        if below:
            return [str(checkpoint.locate(each)) for each in below]
    return [str(checkpoint.locate(name))]


def describe(name: str) -> Description:
    """Return a model's description, without its weights where it is a file of ours."""
    return load_external(name)[1] if is_external(name) else checkpoint.describe(Path(name))


def load(name: str) -> tuple[Classifier, Description]:
    """Return a model in eval mode on the CPU, and its description."""
    return load_external(name) if is_external(name) else checkpoint.load(Path(name))


def title(name: str) -> str:
    """Return what tables call a model: its run folder, or its name."""
    path = Path(name)
    return str(path.parent) if path.name == checkpoint.FILE else name
