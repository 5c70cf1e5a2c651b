"""The tests mirror the package: ``cxrshort/x/y.py`` is tested in ``tests/x/test_y.py``."""

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "cxrshort"

INCOMPLETE = {
    "cli": "commands are tested as users run them, by command and not by module",
    "training": "trainings are tested as a whole; their parts stand in shared files",
    "training/objectives": "objectives keep one contract, tested for all of them together",
    "datasets/building": "assembly is tested by whole builds",
    "datasets/phantom": "rendering, styles and catalogue are tested by whole cohorts",
    "models/sources": "library is tested through the commands that look models up",
}
"""Rooms in which some module has no test file of its own, and why."""


def rooms() -> list[str]:
    """Return every folder of the package, relative to it; "" is the package itself."""
    folders = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    return sorted("" if folder == Path() else folder.as_posix() for folder in folders)


def modules(room: str) -> list[str]:
    """Return the modules of a room, without those whose names begin with two underscores."""
    return sorted(path.stem for path in (PACKAGE / room).glob("*.py") if not path.name.startswith("__"))


def is_tested(room: str, module: str) -> bool:
    return (TESTS / room / f"test_{module}.py").is_file()


COMPLETE = [f"{room}/{module}" for room in rooms() if room not in INCOMPLETE for module in modules(room)]


@pytest.mark.parametrize("path", COMPLETE)
def test_module_has_a_test_file_of_its_own(path):
    room, _, module = path.rpartition("/")
    assert is_tested(room, module), f"write tests/{room}/test_{module}.py"


@pytest.mark.parametrize("room", INCOMPLETE)
def test_room_that_became_complete_leaves_the_list(room):
    assert room in rooms()
    assert not all(is_tested(room, module) for module in modules(room))
