"""What is loaded when: help must appear at once."""

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "numpy",
    "pandas",
    "pydicom",
    "PIL",
    "sklearn",
    "scipy",
    "matplotlib",
    "captum",
    "diffusers",
    "rich",
}
HELP = """
import sys
sys.argv = ["cxrshort", *{arguments!r}]
from cxrshort.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\nmodules:", *sys.modules)
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_loads_nothing_heavy():
    shown, _, modules = run(HELP.format(arguments=["--help"])).rpartition("modules:")
    assert "build-dataset" in shown
    assert {name.partition(".")[0] for name in modules.split()} & HEAVY == set()


def test_help_of_a_command_loads_nothing_heavy():
    shown, _, modules = run(HELP.format(arguments=["train", "--help"])).rpartition("modules:")
    assert "--dataset" in shown
    assert {name.partition(".")[0] for name in modules.split()} & HEAVY == set()


@pytest.mark.parametrize("command", [["stats"], ["stats", "auc"]])
def test_help_of_sub_commands_loads_nothing_heavy(command):
    shown, _, modules = run(HELP.format(arguments=[*command, "--help"])).rpartition("modules:")
    assert "--help" in shown
    assert {name.partition(".")[0] for name in modules.split()} & HEAVY == set()


def test_package_loads_nothing_but_itself():
    code = "import sys; before = set(sys.modules); import cxrshort; print(*sorted(set(sys.modules) - before))"
    assert run(code).split() == ["cxrshort"]
