"""Where things lie."""

from pathlib import Path

import pytest

from cxrshort import places
from cxrshort.errors import MissingInputError


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS", "CXRSHORT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_places_without_variables() -> None:
    assert (str(places.datasets_root()), str(places.downloads_root())) == ("datasets", "data")
    assert str(places.header_caches()) == "/home/somebody/.cache/cxrshort/headers"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c"}, "/c/cxrshort"),
        ({"XDG_CACHE_HOME": "/c", "CXRSHORT_CACHE": "/own"}, "/own"),
        ({"CXRSHORT_CACHE": ""}, "/home/somebody/.cache/cxrshort"),
    ],
)
def test_cache_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(places.cache_root()) == expected


def test_datasets_on_disk_are_those_with_a_manifest(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.datasets_on_disk() == []
    monkeypatch.setenv("CXRSHORT_DATASETS", str(working_folder / "built"))
    for name in ("b", "a", "unfinished"):
        (working_folder / "built" / name).mkdir(parents=True)
    for name in ("b", "a"):
        (working_folder / "built" / name / "manifest.csv").touch()
    assert places.datasets_on_disk() == ["a", "b"]
    assert places.locate_dataset("a") == working_folder / "built" / "a" / "manifest.csv"


def test_name_longer_than_the_file_system_allows_is_not_there(tmp_path: Path) -> None:
    long = "x" * 5000
    for name in (long, f"{tmp_path}/{long}"):
        with pytest.raises(MissingInputError):
            places.locate_dataset(name)


def test_plus_joins_two_datasets_unless_it_is_a_name_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRSHORT_DATASETS", str(tmp_path))
    for name in ("bimcv+", "III", "edits", "a+b", "a", "b+c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").touch()
    expected = {
        "III+edits": ("III", "edits"),
        "bimcv+": ("bimcv+",),
        "bimcv++edits": ("bimcv+", "edits"),
        "edits+bimcv+": ("edits", "bimcv+"),
        "a+b": ("a+b",),  # there as it stands
        "a+b+c": ("a", "b+c"),  # the one joint that has a dataset on either side
        "III+absent": ("III", "absent"),
        "absent": ("absent",),
        "+edits": ("+edits",),
        "-+edits": ("-", "edits"),
        "-": ("-",),
        f"{tmp_path}/III+{tmp_path}/edits": (f"{tmp_path}/III", f"{tmp_path}/edits"),
    }
    assert {name: places.dataset_parts(name) for name in expected} == expected


@pytest.mark.parametrize("name", ["model", "runs/model"])
def test_folder_without_a_manifest_is_said_to_be_no_dataset(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(MissingInputError, match=f"'{name}' is no dataset: the folder has no manifest.csv"):
        places.locate_dataset(name)
