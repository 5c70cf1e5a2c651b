"""Mistyped names and absent files are refused before anything heavy is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from cxrshort.cli import early

from ..test_imports import HEAVY
from .console import environment

CODE = """
import sys
sys.argv = ["cxrshort", *{arguments!r}]
from cxrshort.cli.app import main
try:
    main()
except SystemExit as end:
    print("code:", end.code)
print("modules:", *sys.modules)
"""


def refused(cwd: Path, *arguments: str) -> tuple[int, str, set[str]]:
    """Return the exit code, what was said on stderr and the heavy modules that were loaded."""
    command = [sys.executable, "-c", CODE.format(arguments=arguments)]
    completed = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=True)
    code, _, modules = completed.stdout.partition("modules:")
    loaded = {name.partition(".")[0] for name in modules.split()} & HEAVY
    return int(code.removeprefix("code:")), completed.stderr, loaded


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("evaluate", "x" * 290, "--dataset", "hospital"), 66, "error: '" + "x" * 290 + "' does not exist"),
        (("train", "--dataset", "hospitl", "--arch", "small-cnn"), 66, "hint: did you mean 'hospital'?"),
        (("train", "--dataset", "phantom-I", "--arch", "small-cnn"), 66,
         "hint: cxrshort build-dataset --dataset phantom-I"),
        (("train", "--dataset", "x/y", "--arch", "small-cnn"), 66, "error: 'x/y' does not exist"),
        (("train", "--dataset", "hospital", "--arch", "resnet81"), 2, "hint: did you mean 'resnet18'?"),
        (("train", "--dataset", "hospital", "--arch", "small-cnn", "--method", "rr"), 2, "hint: did you mean 'rrr'?"),
        (("train", "--dataset", "hospital", "--arch", "small-cnn", "--recipe", "my.toml"), 66,
         "error: 'my.toml' does not exist"),
        (("train", "--dataset", "hospital", "--arch", "small-cnn", "--set", "beta2=2"), 2,
         "error: --set beta2 is '2.0'"),
        (("evaluate", "no.safetensors", "--dataset", "hospital"), 66, "error: 'no.safetensors' does not exist"),
        (("evaluate", ".", "--dataset", "nope"), 66, "error: 'nope' is not built yet"),
        (("evaluate", "a.onnx?labels=A&range=0..1&trained-on=nope", "--dataset", "hospital"), 66,
         "hint: cxrshort build-dataset --dataset help lists the names"),
        (("build-dataset", "--dataset", "folder", "--same-patients", "nope"), 66,
         "hint: cxrshort build-dataset --dataset help lists the names"),
        (("build-dataset", "--dataset", "phantom-2"), 2, "hint: did you mean 'phantom-II'?"),
        (("build-dataset", "--dataset", "phantom-4"), 2, "hint: one of: phantom-I, phantom-II, phantom-III, phantom-"),
        (("train", "--dataset", "phantom-4", "--arch", "small-cnn"), 66, "hint: one of: phantom-I, phantom-II, "),
        (("build-dataset", "--dataset", "padchst"), 2, "hint: did you mean 'padchest'?"),
        (("doctor", "nowhere"), 66, "error: 'nowhere' does not exist"),
    ],
)  # fmt: skip
def test_names_are_refused_before_heavy_imports(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "datasets" / "hospital").mkdir(parents=True)
    (tmp_path / "datasets" / "hospital" / "manifest.csv").touch()
    actual, stderr, heavy = refused(tmp_path, *arguments)
    assert (actual, heavy) == (code, set())
    assert message in stderr


@pytest.mark.parametrize(
    ("device", "quiet", "message"),
    [("auto", False, "note: busy\n"), ("cpu", True, ""), ("cuda:0", False, "")],
)
def test_busy_machine_is_noted_on_stderr(
    device: str, quiet: bool, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(early.contention, "prepare", lambda **words: "busy")
    early.spare_threads(device=device, precision="auto", threads=None, quiet=quiet)
    assert capsys.readouterr().err == message
