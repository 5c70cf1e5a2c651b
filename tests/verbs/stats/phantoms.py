"""Small phantom datasets for audits of data, built once for all tests of a session."""

from pathlib import Path

from cxrshort.verbs.build_dataset import build_dataset

IMAGES = 160


def build(folder: Path, name: str, *, seed: int = 0, **options: object) -> Path:
    """Return the folder of a phantom dataset of 160 images of 32 pixels."""
    if not (folder / "run.json").exists():
        build_dataset(name, out=folder, number_of_images=IMAGES, size=32, jobs=1, replicates=1, seed=seed, **options)  # type: ignore[arg-type]
    return folder
