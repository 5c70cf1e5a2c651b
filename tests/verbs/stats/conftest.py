"""Datasets that several tests of audits read."""

from pathlib import Path

import pytest

from .phantoms import build


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset in which the border goes with COVID-19: nine of ten of a class have its style."""
    return build(tmp_path_factory.mktemp("planted") / "planted", "phantom-III", shortcut=["border"], confounding=0.8)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset in which nothing goes with a label."""
    return build(tmp_path_factory.mktemp("clean") / "clean", "phantom-III", seed=3)
