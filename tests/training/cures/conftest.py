"""A model that was trained on planted films, once for all tests of this room."""

from pathlib import Path

import pytest

from cxrshort.verbs.train import train

from .planted import planted

QUICK = {"device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted(tmp_path_factory.mktemp("films") / "planted", people=480, agreement=0.8)


@pytest.fixture(scope="session")
def plain(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a small network that has seen the films twice."""
    out = tmp_path_factory.mktemp("plain") / "erm"
    train(str(films), arch="small-cnn", overrides={"epochs": 2, "labels": "COVID-19"}, out=out, **QUICK)  # type: ignore[arg-type]
    return out
