"""The tests mirror the package: ``cxrshort/x/y.py`` is tested in ``tests/x/test_y.py``, and nowhere else."""

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "cxrshort"

WITHOUT_MODULE = {
    "cli/test_catalogue": "what help in the place of a value lists, of several commands",
    "cli/test_forks": "commands that are forked, and those of a new interpreter",
    "cli/test_help_examples": "every command in help pages and README.md is run",
    "cli/test_printed_text": "the exact text of the commands' results",
    "cli/test_terminal": "commands at a terminal",
    "datasets/test_hostile": "broken metadata, for every reader",
    "datasets/test_sources": "the contract that every reader keeps",
    "models/test_architectures": "the contract that every architecture keeps",
    "models/test_double_backward": "gradients of gradients, for every network of convolutions",
    "models/test_torchvision_networks": "names, shapes and numbers of torchvision's own networks",
    "test_docstrings": "the examples of every module",
    "test_hostile": "broken files through a whole build",
    "test_imports": "what is loaded when",
    "test_layers": "which part may import which",
    "test_mirror": "this file",
    "training/test_accelerator": "trainings on a GPU",
    "training/test_phantom": "what each way to learn does to a planted shortcut",
    "verbs/test_edited_datasets": "edited images through all verbs",
    "verbs/test_identity": "two hospitals through all verbs",
}
"""Test files of more than a module, and what they are of."""


def modules() -> list[str]:
    """Return every module by its path below the package, without those whose names begin with two underscores."""
    files = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    return sorted(path.with_suffix("").as_posix() for path in files)


def files_of_tests() -> list[str]:
    """Return every test file by its path below ``tests``, without benchmarks, which measure and test nothing."""
    files = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    return sorted(path.with_suffix("").as_posix() for path in files if path.parts[0] != "benchmarks")


def expected_file(module: str) -> str:
    """Return the test file of a module, by its path below ``tests``."""
    room, _, name = module.rpartition("/")
    return f"{room}/test_{name}".removeprefix("/")


MODULES, FILES = modules(), files_of_tests()


def is_of_a_module(file: str) -> bool:
    """Return whether a test file is of one module, of a topic of one, or of the package that its folder mirrors."""
    room, _, name = file.rpartition("/")
    name = name.removeprefix("test_")
    here = {module.rpartition("/")[2] for module in MODULES if module.rpartition("/")[0] == room}
    return name in here or room.endswith(f"/{name}") or any(name.startswith(f"{module}_") for module in here)


@pytest.mark.parametrize("module", MODULES)
def test_module_has_a_test_file_of_its_own(module):
    assert expected_file(module) in FILES, f"write tests/{expected_file(module)}.py"


def test_other_test_files_say_what_they_are_of():
    assert [file for file in FILES if not is_of_a_module(file)] == list(WITHOUT_MODULE)
