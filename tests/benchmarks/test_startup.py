"""The wall time of ``cxrshort --help`` against a bare Typer program with nine empty commands, in one run."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

PLAIN = """
import typer
app = typer.Typer(rich_markup_mode=None)
for name in "abcdefghi":
    app.command(name)(lambda: None)
app()
"""


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def test_help_against_a_bare_program(benchmark, capsys, tmp_path: Path):
    program = tmp_path / "bare.py"
    program.write_text(PLAIN)
    ours = [sys.executable, "-m", "cxrshort", "--help"]
    pairs = [(seconds(*ours), seconds(sys.executable, str(program), "--help")) for _ in range(15)]
    benchmark.pedantic(lambda: seconds(*ours), rounds=5)
    ratio = statistics.median(first / second for first, second in pairs[1:])
    benchmark.extra_info["help / bare program"] = round(ratio, 2)
    with capsys.disabled():
        sys.stdout.write(f"\nseconds, cxrshort --help / bare Typer program: {ratio:.2f}\n")
