"""Completions as the shells themselves complete, with no program but the shell to be found."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import typer

from cxrshort.cli.app import app
from cxrshort.cli.completions import ATTRIBUTION_SETTINGS, FILES, scripts
from cxrshort.cli.pages import pages
from cxrshort.models import ARCHITECTURES

REPOSITORY = Path(__file__).resolve().parents[2]
COMPLETIONS = REPOSITORY / "completions"
CASES = {
    "cxrshort tr": {"train"},
    "cxrshort train --arch resn": {"resnet18", "resnet50", "resnext50_32x4d"},
    "cxrshort train --method ga": {"gain"},
    "cxrshort train --recipe deg": {"degrave2021"},
    "cxrshort train --set mom": {"momentum="},
    "cxrshort train --mask": {"--mask-bit", "--mask-file", "--masks"},
    "cxrshort evaluate run --dataset hosp": {"hospital-a", "hospital-b"},
    "cxrshort build-dataset --dataset roentmod-c": {"roentmod-chexpert"},
    "cxrshort doctor --dev": {"--device"},
    "cxrshort sta": {"stats"},
    "cxrshort stats wil": {"wilcoxon"},
    "cxrshort stats auc --max": {"--max-fpr"},
    "cxrshort stats empirical-p --direction dec": {"decrease"},
}


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    for name in ("hospital-a", "hospital-b", "interrupted"):
        (tmp_path / "datasets" / name).mkdir(parents=True)
        if name != "interrupted":
            (tmp_path / "datasets" / name / "manifest.csv").touch()
    return tmp_path


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which a shell finds no program: nothing that it completes starts Python."""
    return {"PATH": "/nonexistent", "HOME": "/nonexistent", "TERM": "dumb", **more}


def all_commands(group: Any) -> list[Any]:
    """Return every verb and sub-command."""
    below = [
        part for command in group.commands.values() if hasattr(command, "commands") for part in all_commands(command)
    ]
    return [*group.commands.values(), *below]


def test_scripts_know_every_option_of_every_command() -> None:
    root = typer.main.get_command(app)
    assert set(FILES.values()) == set(scripts(root))
    for text in scripts(root).values():
        for command in all_commands(root):
            for name in (name for parameter in command.params for name in parameter.opts if name.startswith("--")):
                assert name in text or f"-l {name[2:]}" in text
        assert all(name in text for name in ARCHITECTURES)
    assert {f"completions/{name}" for name in FILES.values()} <= set(pages())


@pytest.mark.parametrize("line", CASES)
def test_bash_completes(working_folder: Path, line: str) -> None:
    words = line.split()
    listed = " ".join(f"'{word}'" for word in words)
    code = f"""
source {COMPLETIONS / FILES["bash"]}
compopt() {{ :; }}
COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}
_cxrshort cxrshort '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    command = [shell("bash"), "--norc", "--noprofile", "-c", code]
    completed = subprocess.run(
        command, cwd=working_folder, env=environment(), capture_output=True, text=True, check=True
    )
    assert (set(completed.stdout.split()), completed.stderr) == (CASES[line], "")


@pytest.mark.parametrize("line", CASES)
def test_fish_completes(working_folder: Path, line: str) -> None:
    fish = shell("fish")
    code = f"source {COMPLETIONS / FILES['fish']}; complete -C '{line}'"
    variables = environment(
        XDG_CONFIG_HOME=str(working_folder), XDG_DATA_HOME=str(working_folder), HOME=str(working_folder)
    )
    completed = subprocess.run(
        [fish, "--no-config", "-c", code], cwd=working_folder, env=variables, capture_output=True, text=True, check=True
    )
    assert {line.partition("\t")[0] for line in completed.stdout.splitlines()} == CASES[line]


def test_zsh_completes(working_folder: Path) -> None:
    """A shell at a terminal of its own: what TAB inserts, or lists where several fit, is read from its screen."""
    zsh = shell("zsh")
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(working_folder)
        os.execve(zsh, ["zsh", "-f", "-i"], environment(PS1="ready> "))
    try:
        setup = (
            f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; source {COMPLETIONS / FILES['zsh']}"
        )
        _read(terminal, until="ready> ")
        _type(terminal, f"{setup}; unsetopt beep; LISTMAX=0\n", until="ready> ")
        for line, expected in CASES.items():
            seen = _type(terminal, f"{line}\t\t", until=min(expected))
            assert all(name in seen for name in expected), (line, seen)
            _type(terminal, "\x15\n", until="ready> ")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def _type(terminal: int, text: str, *, until: str) -> str:
    os.write(terminal, text.encode())
    return _read(terminal, until=until)


def _read(terminal: int, *, until: str) -> str:
    """Return what appears on the screen until a text is there and nothing more comes, or ten seconds have passed."""
    seen, end = "", time.monotonic() + 10
    while time.monotonic() < end:
        ready = select.select([terminal], [], [], 0.3)[0]
        if ready:
            seen += os.read(terminal, 65536).decode(errors="replace")
        elif until in _plain(seen):
            break
    return _plain(seen)


def _plain(seen: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07|\r", "", seen)


def test_settings_of_attribution_methods_are_those_that_there_are() -> None:
    from cxrshort.attribution.method_settings import describe_settings

    names = [row["name"] for rows in describe_settings().values() for row in rows]
    assert tuple(dict.fromkeys(names)) == ATTRIBUTION_SETTINGS
