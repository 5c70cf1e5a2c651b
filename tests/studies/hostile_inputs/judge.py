"""What is wrong with the outcome of a case."""

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from .case import Case, Outcome

_LONGEST = 2500
"""Characters of an error or a hint beyond which nobody reads it; names of files may take most of them."""
_TEMPORARY = re.compile(r"^\..+\.[0-9]+\.tmp$|^\.lock$")
_UNEXPECTED = re.compile(r"unexpected \w*(Error|Exception|Interrupt|Warning|Exit)\b|Traceback \(most recent")
"""An error of an expression says "unexpected '('", which is none of these."""
_OWN = ("stdout", "stderr", "stdin")
Snapshot = dict[str, tuple[int, ...]]


def snapshot(folder: Path) -> Snapshot:
    """Return what lies below a folder: kind, size and time of each file."""
    actual = {}
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            facts = path.lstat()
            size, when = (0, 0) if stat.S_ISDIR(facts.st_mode) else (facts.st_size, facts.st_mtime_ns)
            actual[str(path)] = (stat.S_IFMT(facts.st_mode), size, when)
    return actual


def faults_of(
    case: Case, arguments: Sequence[str], outcome: Outcome, *, before: Snapshot, after: Snapshot, home: Path
) -> list[str]:
    """Return the faults of a case, none where it is as it should be."""
    if outcome.hung:
        return ["hangs"]
    faults = []
    if outcome.code not in case.codes:
        faults.append(f"exit {outcome.code}, right is {' or '.join(map(str, case.codes))}")
    if not case.silent:
        faults += _printed(arguments, outcome)
    again = not case.kept and bool({"--force", "--resume", "--shard", "--merge"} & set(arguments))
    return faults + _folders(case, arguments, outcome, before=before, after=after, home=home, again=again)


def _printed(arguments: Sequence[str], outcome: Outcome) -> list[str]:
    faults = []
    try:
        stdout, stderr = outcome.stdout.decode(), outcome.stderr.decode()
    except UnicodeDecodeError:
        return ["prints what is no UTF-8"]
    both = stdout + stderr
    faults += [f"prints '{found[0]}'" for found in [_UNEXPECTED.search(both)] if found]
    raw = {phantom for phantom in both if not (phantom.isprintable() or phantom in "\n\u00a0")}
    faults += [f"prints {sorted(raw)!r}"] if raw else []
    faults += ["a sentence without an end"] if any(len(line) > _LONGEST for line in stderr.splitlines()) else []
    warned = [line for line in stderr.splitlines() if re.search(r"\b\w*Warning: ", line)]
    faults += [f"prints a warning of a library: {warned[0][:160]}"] if warned else []
    if outcome.code and not re.search(r"^(error: |Error: |Usage: )", stderr, re.MULTILINE):
        faults.append("fails without an error")
    if "--json" in arguments:
        faults += _document(stdout, outcome)
    elif outcome.code and stdout.strip():
        faults.append("prints on stdout although it fails")
    return faults


def _document(stdout: str, outcome: Outcome) -> list[str]:
    try:
        document = json.loads(stdout, parse_constant=_refuse)
    except ValueError:
        return ["stdout is not one JSON document"]
    if not isinstance(document, dict) or not str(document.get("schema", "")).startswith("cxrshort."):
        return ["the JSON document has no schema"]
    if (outcome.code != 0) != ("error" in document):
        return ["the JSON document does not say whether it failed"]
    if outcome.code and document["error"]["exit_code"] != outcome.code:
        return ["the JSON document has another exit code"]
    return []


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _folders(
    case: Case,
    arguments: Sequence[str],
    outcome: Outcome,
    *,
    before: Snapshot,
    after: Snapshot,
    home: Path,
    again: bool,
) -> list[str]:
    faults = []
    own = {str(home / name) for name in _OWN}
    within_out = f"{home / 'out'}/"
    changed = [
        path
        for path, facts in before.items()
        if after.get(path) != facts and path not in own and not (again and path.startswith(within_out))
    ]
    # What a killed run left behind is removed by the next one.
    changed = [path for path in changed if not _TEMPORARY.match(Path(path).name)]
    if changed:
        faults.append(f"changes what was there: {_below(changed[0], home)}")
    new = [path for path in after if path not in before]
    if any(_TEMPORARY.match(Path(path).name) for path in new) and outcome.code >= 0:
        faults.append(f"leaves {next(Path(path).name for path in new if _TEMPORARY.match(Path(path).name))}")
    written = [path for path in after if path.endswith("/run.json") and after[path] != before.get(path)]
    # Where only the printing fails, the files are complete, and the error says so.
    if outcome.code and written and not case.silent:
        faults.append(f"{_below(written[0], home)} is written although it fails")
    completed = home / case.out / "run.json"
    if (
        outcome.code == 0
        and case.out
        and not {"--dry-run", "help", "--help"} & set(arguments)
        and not _is_done(completed)
    ):
        faults.append("ends well, and its folder is not done")
    return faults


def _below(path: str, home: Path) -> str:
    return path.removeprefix(f"{home}/")


def _is_done(path: Path) -> bool:
    try:
        record: Mapping[str, object] = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return record.get("state") == "done"
