"""Hostile inputs through the command line: does every one of them end in a clear sentence and the right exit code?

    python tests/studies/hostile.py [--count N] [--only FAMILY] [--seed S] [--keep DIR] [--show] [--case TEXT]

Model files, manifests, memory maps, run records, films, tables, options, checkpoints, results and streams are damaged
in 1,600 ways, drawn from some 7,000, and the verbs are run on them. A case runs in a process that is forked off this
one, where what is heavy is imported already, through the real entry point with its error boundary: it has streams and
limits of memory and time of its own, and a crash of the interpreter is seen as such. The table tells faults by family;
--keep keeps the folders of cases with a fault. The sound inputs are twenty films of 32 px and a small network, trained
once; all takes about ten minutes on one core.

A case is at fault where

- its exit code is not among those that its class allows, or a signal ended it,
- it took longer than 20 s,
- ``unexpected`` or ``Traceback`` is printed, or a character that a terminal would obey, or a sentence without an end,
- with ``--json``, stdout is not exactly one JSON document; without, a failure prints on stdout,
- a folder says ``done`` after a failure, or does not after a success; temporary files are left,
- a file that was there before is changed without ``--force`` or ``--resume``.
"""

import argparse
import collections
import contextlib
import importlib
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}

from hostile_inputs import FAMILIES, base
from hostile_inputs.case import Case, Outcome
from hostile_inputs.judge import faults_of, snapshot

HEAVY = (
    "matplotlib.pyplot",
    "rich.console",
    "rich.table",
    "torch._dynamo",  # optimisers ask for it
    "torchvision.models",
    "cxrshort.cli.app",
    "cxrshort.figures.evaluation",
    "cxrshort.verbs.build_dataset",
    "cxrshort.verbs.doctor",
    "cxrshort.verbs.evaluate",
    "cxrshort.verbs.train",
)
SECONDS = 20.0
MEMORY = 3 * 2**30
"""Bytes of address space that a case may take beyond what its imports take."""
LARGEST_FILE = 2**30


def import_everything() -> None:
    """Load what the verbs load, so that forked processes need not."""
    for name in HEAVY:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)  # a process that has started threads for arithmetic cannot be forked


def _streams(case: Case, home: Path) -> None:
    """Give a forked process the standard streams of a case."""
    places = {0: case.stdin_path(home), 1: home / "stdout", 2: home / "stderr"} | case.redirected
    for number, path in places.items():
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(path, flags, 0o666)
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", errors=errors, closefd=False)
        for number, mode, errors in ((0, "r", "strict"), (1, "w", "strict"), (2, "w", "backslashreplace"))
    )
    for number in case.closed:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def _child(case: Case, arguments: Sequence[str], home: Path) -> NoReturn:
    """Run one command in this forked process, as ``cxrshort`` does, and end it."""
    code = 1
    try:
        os.setsid()
        os.chdir(home / case.within)
        _streams(case, home)
        os.environ.update(case.environment)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        for number in (signal.SIGINT, signal.SIGHUP):  # which a shell lets work in the background ignore
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (used + (case.memory or MEMORY),) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        sys.argv = ["cxrshort", *arguments]
        from cxrshort.cli.app import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except Exception:
        code = 120  # as the interpreter does where it cannot flush at its end
    os._exit(code)


def execute(case: Case, arguments: Sequence[str], home: Path) -> Outcome:
    """Run a case to its end, or to the limit of time."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(case, arguments, home)
    watch = os.pidfd_open(pid)
    try:
        if case.signal and not select.select([watch], [], [], case.signal[0])[0]:
            os.kill(pid, case.signal[1])
        hung = not select.select([watch], [], [], SECONDS)[0]
    finally:
        os.close(watch)
    with contextlib.suppress(ProcessLookupError):
        if hung:
            os.killpg(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    texts = [(home / name).read_bytes() if (home / name).exists() else b"" for name in ("stdout", "stderr")]
    return Outcome(os.waitstatus_to_exitcode(status), hung, *texts, seconds=time.monotonic() - started)


def attempt(case: Case, home: Path, bases: Path) -> tuple[Outcome, list[str], list[str]]:
    """Prepare a case, run it, and return what came of it, its faults and its arguments."""
    home.mkdir(parents=True)
    arguments = [str(argument) for argument in case.prepare(home)]
    before = snapshot(home) | snapshot(bases)
    outcome = execute(case, arguments, home)
    after = snapshot(home) | snapshot(bases)
    return outcome, faults_of(case, arguments, outcome, before=before, after=after, home=home), arguments


def cases(bases: Path, *, seed: int, only: Sequence[str], share: float) -> list[Case]:
    """Return the cases to run: of every family a sample of its usual size times ``share``."""
    chosen = []
    for name, family in FAMILIES.items():
        if only and name not in only:
            continue
        rng = random.Random(f"{seed} {name}")
        made = list(family.cases(bases, rng))
        count = min(len(made), round(share * family.count))
        chosen += [replace(made[place], family=name) for place in sorted(rng.sample(range(len(made)), count))]
    return chosen


def run_all(
    work: Path, chosen: Sequence[Case], *, keep: Path | None, show: bool
) -> Iterator[tuple[Case, Outcome, list[str]]]:
    """Run the cases one after another."""
    for number, case in enumerate(chosen):
        home = work / f"{number:04d}"
        outcome, faults, arguments = attempt(case, home, work / "base")
        if faults or show:
            report(number, case, outcome, faults, arguments)
        if faults and keep:
            shutil.copytree(home, keep / home.name, symlinks=True, ignore=_special, dirs_exist_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        yield case, outcome, faults


def _special(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (path := Path(folder, name)).is_fifo() or path.is_socket()]


def report(number: int, case: Case, outcome: Outcome, faults: Sequence[str], arguments: Sequence[str]) -> None:
    """Say what a case came to."""
    shown = " ".join(argument if len(argument) < 80 else f"{argument[:77]}..." for argument in arguments).encode(
        "unicode_escape"
    )
    lines = outcome.stderr.decode("utf-8", "backslashreplace").splitlines()
    error = next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "")
    sys.stdout.write(
        f"{number:04d} {case.family}: {case.name}: {'; '.join(faults) or 'right'} [exit {outcome.code}, "
        f"{outcome.seconds:.1f} s]\n     {shown.decode()[:300]}\n     {error[:300].encode('unicode_escape').decode()}\n"
    )
    sys.stdout.flush()


def table(results: Sequence[tuple[Case, Outcome, list[str]]]) -> str:
    """Return cases, faults and exit codes by family."""
    lines = ["| family | cases | faults | exit codes | seconds |", "|---|---|---|---|---|"]
    families = dict.fromkeys(case.family for case, _, _ in results)
    for family in (*families, ""):
        own = [result for result in results if family in ("", result[0].family)]
        codes = collections.Counter(outcome.code for _, outcome, _ in own)
        told = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
        seconds = sum(outcome.seconds for _, outcome, _ in own)
        faulty = sum(bool(faults) for _, _, faults in own)
        lines.append(f"| {family or 'all'} | {len(own)} | {faulty} | {told} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the campaign; the exit code is 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, help="cases in total; default 1,600")
    parser.add_argument("--only", action="append", choices=list(FAMILIES), help="run one family; repeatable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the folders of cases with a fault here")
    parser.add_argument("--show", action="store_true", help="show every case")
    parser.add_argument("--case", default="", help="run the cases whose name holds this text")
    options = parser.parse_args()
    import_everything()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        work = Path(name)
        os.environ["CXRSHORT_CACHE"] = str(work / "cache")
        base.make(work / "base", lambda case, arguments, home: execute(case, arguments, home))
        total = sum(family.count for name, family in FAMILIES.items() if not options.only or name in options.only)
        share = 1.0 if options.count is None else options.count / total
        chosen = cases(work / "base", seed=options.seed, only=options.only or (), share=share)
        chosen = [case for case in chosen if options.case in case.name]
        results = list(run_all(work, chosen, keep=options.keep, show=options.show))
    sys.stdout.write(f"\n{table(results)}")
    slowest = sorted(results, key=lambda phantom: -phantom[1].seconds)[:5]
    sys.stdout.write(
        "slowest: " + ", ".join(f"{case.name} {outcome.seconds:.1f} s" for case, outcome, _ in slowest) + "\n"
    )
    raise SystemExit(any(faults for _, _, faults in results))


if __name__ == "__main__":
    main()
