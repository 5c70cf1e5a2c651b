"""The command line as tests use it: within this process for speed, in one of its own where signals and pipes matter."""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from unittest import mock

import typer.main
import typer.testing
from typer.testing import CliRunner, Result

import cxrshort
from cxrshort.cli.app import app

from .forks import Fork

COMMAND = [sys.executable, "-m", "cxrshort"]
_LISTING_IMPORTS = """
import sys
sys.argv = {words!r}
from cxrshort.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\nmodules:", *sys.modules)
"""


def cxrshort_here(*arguments: object) -> Result:
    """Run a command within this process; ``exit_code``, ``stdout`` and ``stderr`` are what a shell would see."""
    with mock.patch.object(typer.testing, "_get_command", lambda typer_app: command_tree()):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])


@functools.cache
def command_tree() -> Any:
    """Return the commands as Typer makes them of our functions, once: for every call it would take 35 ms."""
    return typer.main.get_command(app)


def environment() -> dict[str, str]:
    """Return the environment in which a process of its own finds this package, with one thread for arithmetic."""
    package = str(Path(cxrshort.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CXRSHORT_") or name == "CXRSHORT_CACHE"
    }
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start(*arguments: object, cwd: Path, variables: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Start a command in a process of its own, forked where torch is imported already; elsewhere than on Linux anew.

    Args:
        arguments: words of the command.
        cwd: folder in which it runs.
        variables: what its environment has besides the usual.
        options: ``stdin``, ``stdout``, ``stderr`` and ``start_new_session`` of :class:`subprocess.Popen`.
    """
    words = [str(argument) for argument in arguments]
    if sys.platform != "linux":
        return start_anew(*words, cwd=cwd, variables=variables, **options)
    return Fork(words, cwd=cwd, environment={**environment(), **(variables or {})}, **options)


def start_anew(
    *arguments: object, cwd: Path, variables: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.Popen[str]":
    """Start a command as a shell does, with an interpreter of its own; the arguments are those of :func:`start`."""
    command = [*COMMAND, *[str(argument) for argument in arguments]]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    settings = {**pipes, "preexec_fn": _heed_signals, **options}
    return subprocess.Popen(command, cwd=cwd, env={**environment(), **(variables or {})}, text=True, **settings)


def _heed_signals() -> None:
    """Undo what a shell does to the signals of work in the background, and ``nohup`` to SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run(*arguments: object, cwd: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own to its end."""
    with start(*arguments, cwd=cwd, **options) as process:
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def run_and_list_imports(*arguments: object, cwd: Path, stdin: IO[str] | None = None) -> tuple[str, set[str]]:
    """Run a command in a process of its own; return what it printed, and the packages that it imported."""
    words = ["cxrshort", *map(str, arguments)]
    command = [sys.executable, "-c", _LISTING_IMPORTS.format(words=words)]
    completed = subprocess.run(
        command, stdin=stdin, env=environment(), capture_output=True, text=True, check=True, cwd=cwd
    )
    printed, _, modules = completed.stdout.rpartition("modules:")
    return printed, {name.partition(".")[0] for name in modules.split()}


def failure(result: Result) -> tuple[int, str, str]:
    """Return the exit code of a failed command, its error and its hint; nothing else may have been printed."""
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert [line[:6] for line in lines[1:]] in ([], ["hint: "])
    return result.exit_code, lines[0].removeprefix("error: "), "".join(lines[1:]).removeprefix("hint: ")
