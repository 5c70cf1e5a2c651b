"""Fixtures of the statistics that read run folders."""

from pathlib import Path

import pytest

from .studies import copy_of, make_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small study of phantoms, made by the verbs; nothing in it may be changed."""
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def changeable(study: Path, tmp_path: Path) -> Path:
    """Return a copy of the study."""
    return copy_of(study, tmp_path / "study")
