"""Shared fixtures."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep caches away from the home folder, in processes of their own too."""
    os.environ["CXRSHORT_CACHE"] = str(tmp_path_factory.mktemp("caches"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real radiographs, or skip where there is none."""
    folder = Path(os.environ.get("CXRSHORT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real radiographs not found at {folder}; set CXRSHORT_TEST_DATA")
    return folder.resolve()
