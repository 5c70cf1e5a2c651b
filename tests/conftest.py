"""Shared fixtures."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep caches away from the home folder, in processes of their own too."""
    os.environ["CXRSHORT_CACHE"] = str(tmp_path_factory.mktemp("caches"))


@pytest.fixture(autouse=True, scope="session")
def unsynchronised_files() -> Iterator[None]:
    """Leave what this process writes to the system: a test ends long before a power failure could lose it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real radiographs, or skip where there is none."""
    folder = Path(os.environ.get("CXRSHORT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real radiographs not found at {folder}; set CXRSHORT_TEST_DATA")
    return folder.resolve()


@pytest.fixture(scope="session")
def planted_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset in which the border goes with COVID-19: nine of ten images of a class have its style."""
    return _phantom(tmp_path_factory.mktemp("phantoms") / "planted", shortcuts=["border"], confounding=0.8)


@pytest.fixture(scope="session")
def clean_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of the same size in which nothing goes with a label."""
    return _phantom(tmp_path_factory.mktemp("phantoms") / "clean", seed=3)


def _phantom(folder: Path, **options: Any) -> Path:
    from cxrshort.verbs.build_dataset import build_dataset  # half a second, which few tests need

    build_dataset("phantom-III", out=folder, number_of_images=160, size=32, jobs=1, replicates=1, **options)
    return folder
