"""A small phantom dataset, and what an edit of it wrote."""

from pathlib import Path

from cxrshort.results import Result
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.roentmod.edit import edit

from ...training.tiny import tree

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}


def phantoms(folder: Path, *, images: int = 60, size: int = 32) -> Path:
    """Build a phantom dataset, in which one image of seven has no finding."""
    build_dataset("phantom-III", out=folder, number_of_images=images, size=size, jobs=1, replicates=2)
    return folder


def edited(source: Path, out: Path, **options: object) -> Result:
    """Edit it with the phantom."""
    chosen = {"editor": "phantom", "split": "all", "name": "edits", **CPU, **options}
    return edit(str(source), out=out, **chosen)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    """Return what was written, but for the folder's own name, which stands in the manifest."""
    home = str(folder.resolve()).encode()
    return {name: data.replace(home, b"HERE") for name, data in tree(folder, without=["run.json"]).items()}
