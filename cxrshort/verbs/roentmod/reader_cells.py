"""Readers' answers as rows of tables: co-occurrence, adherence and realism, of all readers and of each.

An added finding is asked for by one prompt or by several; rows of co-occurrence are of the finding, rows of adherence
of the edit. Second readings of one reader count for agreement alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cxrshort import manifest as manifests
from cxrshort.dataset import Dataset
from cxrshort.stats.changes import Interval
from cxrshort.stats.finding_names import canonical, label_of
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.reader_shares import Share, seen_share, share_difference
from cxrshort.verbs.roentmod.answers import Answers
from cxrshort.verbs.roentmod.sheet_plan import ADDED, ORIGINAL, PROMPT, READER, REPETITION, ROLE

Record = dict[str, Any]
ROW = "row"
"""What a row of co-occurrence is called: the added finding, or the control."""
LOW_ADHERENCE = 0.8
"""RoentMod 2025 dropped the findings that readers saw in less than this share of their edits: 0.76 and 0.70."""


def first_readings(answers: Answers) -> pd.DataFrame:
    """Return the first reading of each image by each reader, with the name of its row of co-occurrence."""
    rows = answers.rows[answers.rows[REPETITION] == 1]
    names = [
        (findings_name(added, answers.findings) if role == "edit" else ORIGINAL if role == ORIGINAL else edit)
        for added, role, edit in zip(rows[ADDED], rows[ROLE], rows["edit"], strict=True)
    ]
    return rows.assign(**{ROW: names})


def findings_name(added: str, findings: Sequence[str]) -> str:
    """Return the name that the sheets give an added finding; its own where they do not ask about it."""
    return label_of(added, findings) or added


def cooccurrence_cells(
    readings: pd.DataFrame, findings: Sequence[str], *, rule: str, cohort: Mapping[tuple[str, str], float] | None = None
) -> list[Record]:
    """Return a row for each added finding or control and each finding that readers were asked about.

    Args:
        readings: of :func:`first_readings`, of all readers or of one.
        findings: the questions.
        rule: what unsure answers count as.
        cohort: shares in real images, by (finding that is there, other finding); None where none are wanted.
    """
    cells = []
    for name in row_names(readings, findings):
        own = readings[readings[ROW] == name]
        for finding in findings:
            share = seen_share(own[finding], own["image_id"], own["person_id"], rule=rule)
            cells.append(
                {
                    "added": name,
                    "role": own[ROLE].iloc[0],
                    "seen": finding,
                    "on_target": canonical(name) == canonical(finding),
                    **share_record(share),
                    **({} if cohort is None else {"cohort": cohort.get((canonical(name), canonical(finding)))}),
                }
            )
    return cells


def row_names(readings: pd.DataFrame, findings: Sequence[str]) -> list[str]:
    """Return the rows of co-occurrence: findings in the order of the sheets, other findings, controls."""
    roles = readings.drop_duplicates(ROW).sort_values(ROW).set_index(ROW)[ROLE].to_dict()
    edits = [str(name) for name, role in roles.items() if role == "edit"]
    controls = [str(name) for name, role in roles.items() if role != "edit"]
    return [*(name for name in findings if name in edits), *(name for name in edits if name not in findings), *controls]


def share_record(share: Share) -> Record:
    """Return a share as columns of a table; None where nobody answered."""
    return {
        **interval_record("share", share.interval),
        "images": share.images,
        "persons": share.persons,
        "readings": share.readings,
        "unsure": share.unsure,
    }


def interval_record(name: str, interval: Interval) -> Record:
    """Return an interval as three columns, None where a number is missing."""
    numbers = {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {key: round(float(value), 6) if math.isfinite(value) else None for key, value in numbers.items()}


def adherence_rows(readings: pd.DataFrame, findings: Sequence[str], *, rule: str, seed: int) -> list[Record]:
    """Return a row for each edit: how often readers see what was asked for, and how often in the sham edits.

    Args:
        readings: of :func:`first_readings`.
        findings: the questions.
        rule: what unsure answers count as.
        seed: draws the persons of the difference to the sham edits.
    """
    shams = readings[readings[ROLE] == "sham"]
    rows = []
    order = row_names(readings, findings)
    edits = sorted(
        readings[readings[ROLE] == "edit"].groupby("edit"), key=lambda pair: order.index(pair[1][ROW].iloc[0])
    )
    for edit, own in edits:
        name = str(own[ROW].iloc[0])
        row: Record = {"edit": str(edit), "prompt": own[PROMPT].iloc[0], "added": name}
        if name not in findings:
            rows.append({**row, "reason": "readers were not asked about it"})
            continue
        share = seen_share(own[name], own["image_id"], own["person_id"], rule=rule)
        row |= {**share_record(share), "low_adherence": share.interval.value < LOW_ADHERENCE}
        if len(shams):
            false = seen_share(shams[name], shams["image_id"], shams["person_id"], rule=rule)
            both = pd.concat([own, shams])
            beyond = share_difference(
                both[name],
                both["image_id"],
                both["person_id"],
                in_first=(both[ROLE] == "edit").to_numpy(),
                rule=rule,
                rng=named_generator(seed, "adherence", str(edit)),
            )
            row |= {**interval_record("sham", false.interval), "sham_images": false.images}
            row |= interval_record("beyond_sham", beyond)
        row["by_reader"] = {
            str(reader): interval_record(
                "share", seen_share(part[name], part["image_id"], part["person_id"], rule=rule).interval
            )
            for reader, part in own.groupby(READER, sort=True)
        }
        rows.append(row)
    return rows


def realism_rows(readings: pd.DataFrame, questions: Sequence[str], *, rule: str) -> list[Record]:
    """Return how often images look artificial, or show a finding without a column, over all edits and by edit."""
    edited = readings[readings[ROLE] != ORIGINAL]
    names = row_names(readings, [])
    groups = [("all edits", edited), *((name, readings[readings[ROW] == name]) for name in names)]
    return [
        {
            "images_of": name,
            "question": question,
            **share_record(seen_share(part[question], part["image_id"], part["person_id"], rule=rule)),
        }
        for question in questions
        for name, part in groups
        if len(part)
    ]


def cohort_shares(data: Dataset, names: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return how often findings come together in real images: the share of those with one that have another.

    Args:
        data: real images with labels; edits among them are left out.
        names: findings.

    Returns:
        Shares by the canonical names of the one that is there and of the other; without those that no image tells.
    """
    manifest = data.manifest
    if "edit" in manifest:
        manifest = manifest[manifest["edit"].isna() | (manifest["edit"] == "")]
    labels = manifests.label_columns(manifest)
    columns = {canonical(name): label for name in names if (label := label_of(name, labels))}
    shares = {}
    for present, label in columns.items():
        positive = manifest[manifest[label] == 1]
        for other, column in columns.items():
            stated = positive[column][positive[column].isin([0, 1])]
            if len(stated):
                shares[present, other] = float(stated.mean())
    return shares


def cooccurrence_table(cells: Sequence[Record], findings: Sequence[str]) -> list[Record]:
    """Return the table that ``stress-test --expected`` and ``edit --off-target`` read: a row for each added finding."""
    rows: dict[str, Record] = {}
    for cell in cells:
        if cell["role"] == "edit":
            rows.setdefault(cell["added"], {ADDED: cell["added"]})[cell["seen"]] = cell["share"]
    return [{ADDED: row[ADDED], **{name: row.get(name) for name in findings}} for row in rows.values()]
