"""How well readers agree, as rows of a table: each pair, all together, and each reader with a second reading."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.reader_agreement import Agreement, cohen_kappa, fleiss_kappa, krippendorff_alpha
from cxrshort.verbs.roentmod.answers import Answers, answer_matrix
from cxrshort.verbs.roentmod.sheet_plan import READER, REPETITION

Record = dict[str, Any]
ALL_READERS, EVERY_FINDING = "all readers", "all findings"


def agreement_rows(answers: Answers, *, seed: int) -> list[Record]:
    """Return coefficients for each finding, and for all findings taken together.

    Answers are taken as they were given, 0, 1 and 2, whatever unsure ones count as elsewhere.

    Args:
        answers: of all readers.
        seed: draws the persons of the intervals.
    """
    persons = answers.rows.drop_duplicates("image_id").set_index("image_id")["person_id"]
    matrices = {finding: answer_matrix(answers.rows, finding) for finding in answers.findings}
    seconds = {finding: _repeated(answers.rows, finding) for finding in answers.findings}
    if len(answers.findings) > 1:
        matrices[EVERY_FINDING] = pd.concat(matrices.values())
        seconds[EVERY_FINDING] = pd.concat(seconds.values())
    rows = []
    for finding, matrix in matrices.items():
        rows += _between(finding, matrix, persons.loc[matrix.index], seed)
        rows += _within(finding, seconds[finding], persons.loc[seconds[finding]["image_id"]], seed)
    return rows


def _repeated(rows: pd.DataFrame, finding: str) -> pd.DataFrame:
    """Return both answers of a reader to each image that was read twice."""
    columns = ["image_id", READER, finding]
    both = [rows.loc[rows[REPETITION] == number, columns] for number in (1, 2)]
    return both[0].merge(both[1], on=["image_id", READER]).set_axis(["image_id", READER, "first", "second"], axis=1)


def _between(finding: str, matrix: pd.DataFrame, persons: "pd.Series[str]", seed: int) -> list[Record]:
    """Return the agreement of different readers; nothing where no image was read by two."""
    shared = matrix.notna().sum(axis=1) >= 2
    if not shared.any():
        return []
    rows = []
    names = [str(name) for name in matrix]
    for first, second in combinations(names, 2):
        rng = named_generator(seed, "kappa", finding, first, second)
        agreement = cohen_kappa(matrix[first], matrix[second], persons, rng=rng)
        if agreement.images:
            images = matrix.index[matrix[[first, second]].notna().all(axis=1)].nunique()
            rows.append(_record(finding, f"{first}, {second}", agreement, images=images))
    complete = matrix.notna().all(axis=1)
    if len(names) > 2 and complete.any():
        rng = named_generator(seed, "fleiss", finding)
        agreement = fleiss_kappa(matrix.to_numpy(), persons, rng=rng)
        rows.append(_record(finding, ALL_READERS, agreement, images=matrix.index[complete].nunique()))
    agreement = krippendorff_alpha(matrix.to_numpy(), persons, rng=named_generator(seed, "alpha", finding))
    return [*rows, _record(finding, ALL_READERS, agreement, images=matrix.index[shared].nunique())]


def _within(finding: str, both: pd.DataFrame, persons: "pd.Series[str]", seed: int) -> list[Record]:
    """Return the agreement of each reader's first and second reading."""
    rows = []
    owners = persons.to_numpy(object)
    for reader in sorted(set(both[READER])):
        own = (both[READER] == reader).to_numpy()
        rng = named_generator(seed, "second reading", finding, reader)
        agreement = cohen_kappa(both.loc[own, "first"], both.loc[own, "second"], owners[own], rng=rng)
        rows.append(_record(finding, f"{reader}, twice", agreement, images=both.loc[own, "image_id"].nunique()))
    return rows


def _record(finding: str, readers: str, agreement: Agreement, *, images: int) -> Record:
    """Return a row; of all findings together an image counts once, and its answers once for each finding."""
    return {
        "finding": finding,
        "readers": readers,
        "coefficient": agreement.coefficient,
        "value": agreement.value,
        "low": agreement.low,
        "high": agreement.high,
        "equal": agreement.equal,
        "images": images,
        "answers": agreement.images,
        "persons": agreement.persons,
        "reason": agreement.reason,
    }


def overall_rows(rows: Sequence[Record]) -> list[Record]:
    """Return the rows of all findings taken together; all rows where there is one finding."""
    together = [row for row in rows if row["finding"] == EVERY_FINDING]
    return together or list(rows)
