"""Does a study follow the recommendations for evaluations: each checked against the files that it has left."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort import files, registry
from cxrshort.errors import DataError, MissingInputError
from cxrshort.results import UNLESS_QUIET, Block, Listing, Result, Text
from cxrshort.verbs.stats.checklist.outcome import NOT_ASSESSABLE, SEPARATOR, STATUSES, Outcome
from cxrshort.verbs.stats.checklist.recommendations import SECTIONS, all_checks
from cxrshort.verbs.stats.checklist.study import Study, load_study
from cxrshort.verbs.stats.output import write_result
from cxrshort.verbs.stats.run_folders import collect_runs

KIND = "stats-checks"
VERB = "stats checks"
_WHERE = "Where the facts stand"
_SHOWN_SOURCES = 2
"""Files of one fact that are listed on the terminal; checks.csv has all."""
ATTESTED = "attested, not verified"


def checks(
    paths: Sequence[str | Path],
    *,
    label: str | None = None,
    attest: Path | None = None,
    out: Path | None = None,
    force: bool = False,
) -> Result:
    """Check a study against the recommendations of Varoquaux & Cheplygina (2022).

    Args:
        paths: run folders, folders of runs, tables of predictions or of results.
        label: the finding that is judged; None for that of the first evaluation.
        attest: a TOML file of statements by the name of a check, for what no file can show. They never pass a check.
        out: a folder for checks.csv, summary.json and run.json; None writes nothing.
        force: overwrite an earlier result.

    Raises:
        DataError: nothing to read, a label that no predictions have, or a statement on an unknown check.
        MissingInputError: a path does not exist.
    """
    folders = collect_runs(paths)
    statements = _read_statements(attest) if attest is not None else {}
    study = load_study(folders, label=label)
    rows = [row for section in SECTIONS for row in _judge_section(section, study, statements)]
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    arguments = {"paths": list(map(str, paths)), "label": label, "attest": None if attest is None else str(attest)}
    summary = {**arguments, "label": study.label or None, "counts": counts, "checks": rows}
    result = Result(
        summary, _blocks(rows, counts), notes=folders.notes, kind=KIND, verdicts=[row["status"] for row in rows]
    )
    return write_result(
        result, VERB, source=None, arguments=arguments, out=out, tables={"checks.csv": rows}, force=force
    )


def _judge_section(section: str, study: Study, statements: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for check in SECTIONS[section]:
        outcome = check.judge(study)
        if outcome.status == NOT_ASSESSABLE and check.name in statements:
            outcome = Outcome(NOT_ASSESSABLE, f"{ATTESTED}: {statements[check.name]}", "--attest")
        rows.append(
            {
                "section": section,
                "check": check.name,
                "recommendation": check.recommendation,
                "status": outcome.status,
                "fact": outcome.fact,
                "source": outcome.source,
            }
        )
    return rows


def _read_statements(path: Path) -> dict[str, str]:
    """Return the statements of a study.

    Raises:
        DataError: the file is no TOML, a statement is no text, or there is no such check.
        MissingInputError: it cannot be read.
    """
    hint = 'write lines such as label-errors = "two radiologists read 200 films again"'
    files.require_regular(path, hint=hint)
    try:
        statements = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingInputError(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}", hint) from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise DataError(f"'{path}' is not readable as TOML", hint) from error
    for name, statement in statements.items():
        if name not in all_checks():
            near = registry.propose_name(all_checks(), name, otherwise=hint)
            raise DataError(f"'{path}': there is no check '{name}'", near)
        if not isinstance(statement, str):
            raise DataError(f"'{path}': the statement on '{name}' is not a text", hint)
    return statements


def _blocks(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[Block]:
    """Return what people see: each check with its fact, then the files that hold the facts, by number."""
    numbers: dict[str, int] = {}
    sections: dict[str, list[list[str]]] = {}
    for row in rows:
        sources = row["source"].split(SEPARATOR) if row["source"] else []
        marks = [str(numbers.setdefault(source, len(numbers) + 1)) for source in sources[:_SHOWN_SOURCES]]
        marks += ["..."] if len(sources) > _SHOWN_SOURCES else []
        fact = row["fact"] + (f" [{', '.join(marks)}]" if marks else "")
        sections.setdefault(row["section"], []).append([row["status"], row["check"], fact])
    listed = ", ".join(f"{status} {count}" for status, count in counts.items())
    blocks: list[Block] = [Listing(sections)]
    if numbers:
        blocks.append(Text(""))
        blocks.append(Listing({_WHERE: [[f"[{number}]", source] for source, number in numbers.items()]}, UNLESS_QUIET))
    return [*blocks, Text(f"\n{len(rows)} checks: {listed}")]
