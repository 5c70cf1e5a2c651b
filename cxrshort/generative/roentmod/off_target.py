"""Labels of edited images: what is true of them besides the finding that was added.

A generator that adds edema often makes the heart larger too, and nobody has looked at the picture. The three schemes
of RoentMod (2025) say what a classifier is then told: that nothing else is there (``negative``, wrong wherever
something is, and taught to a model it makes a shortcut in reverse), nothing at all (``ignore``: empty cells, which
losses mask), or how often readers saw it (a table of co-occurrence, the paper's choice: soft labels). A fourth one,
``exact``, is of editors that know, such as the phantom.

The finding that is added is 1 in every scheme. A sham and a round trip add nothing and keep the labels of their source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.registry import propose_name
from cxrshort.stats.cooccurrence import Cooccurrence, read_cooccurrence
from cxrshort.stats.finding_names import ROUND_TRIPS, SHAMS, canonical, plain

EXACT, NEGATIVE, IGNORE, TABLE = "exact", "negative", "ignore", "table"


@dataclass(frozen=True)
class OffTarget:
    """Say how the labels of edits are filled in besides the finding that was added.

    Args:
        scheme: ``"exact"``, ``"negative"``, ``"ignore"`` or ``"table"``.
        table: shares in which findings come along; None for the other schemes.
    """

    scheme: str
    table: Cooccurrence | None = None


def choose_off_target(text: str | None, *, knows: bool) -> OffTarget:
    """Return the scheme that an option names.

    Args:
        text: a scheme, or the path of a table of co-occurrence; None takes what is known, else nothing.
        knows: whether the editor knows what its pictures show.

    Raises:
        UsageError: ``exact`` of an editor that does not know, or neither a scheme nor a file.
        MissingInputError: there is no such table.
        DataError: the table is damaged.
    """
    if text is None:
        return OffTarget(EXACT if knows else IGNORE)
    if text == EXACT and not knows:
        raise UsageError(
            "--off-target 'exact' is for the phantom, nobody knows what a generator adds besides",
            "ignore, negative, or a table of what readers saw",
        )
    if text in (EXACT, NEGATIVE, IGNORE):
        return OffTarget(text)
    path = Path(text)
    if not (path.suffix or path.exists()):
        raise UsageError(
            f"--off-target is '{text}', it must be negative, ignore or a table of co-occurrence",
            propose_name((NEGATIVE, IGNORE, EXACT), text, otherwise="a table is a CSV file"),
        )
    return OffTarget(TABLE, read_cooccurrence(path))


def check_table(scheme: OffTarget, added: Sequence[str]) -> None:
    """Refuse a table without a row for a finding that is added.

    Args:
        scheme: the scheme.
        added: the added findings.

    Raises:
        DataError: naming what is missing.
    """
    if scheme.table is None:
        return
    rows = {name for name, _ in scheme.table.shares}
    missing = [name for name in added if canonical(name) not in rows]
    if missing:
        listed = ", ".join(f"'{name}'" for name in missing)
        raise DataError(
            f"{scheme.table.source}: no row is of the added finding {listed}",
            "add its row, or --off-target ignore",
        )


def label_edits(rows: pd.DataFrame, labels: Sequence[str], scheme: OffTarget) -> pd.DataFrame:
    """Return the rows of edits with their labels.

    Args:
        rows: with ``edit``, ``edit_label`` and the labels of their sources.
        labels: label columns.
        scheme: how the others are filled in. A finding that the source has stays, whatever the scheme says, except that
            ``ignore`` asserts nothing.

    Example:
        >>> rows = pd.DataFrame({"edit": ["edema", "sham"], "edit_label": ["Edema", ""], "Edema": 0.0, "Mass": 0.0})
        >>> label_edits(rows, ["Edema", "Mass"], OffTarget("ignore"))[["Edema", "Mass"]].values.tolist()
        [[1.0, nan], [0.0, 0.0]]
    """
    values = rows[list(labels)].to_numpy(dtype=np.float32, copy=True)
    added = rows["edit_label"].to_numpy(dtype=str)
    names = np.where(added == "", rows["edit"].to_numpy(dtype=str), added)
    adds = ~rows["edit"].map(plain).isin([*SHAMS, *ROUND_TRIPS]).to_numpy(dtype=bool)
    if scheme.scheme == NEGATIVE:
        values[np.isnan(values)] = 0.0
    elif scheme.scheme == IGNORE:
        values[adds] = np.nan
    elif scheme.table is not None:
        values[adds] = np.fmax(_shares(scheme.table, names[adds], labels), np.where(values[adds] == 1, 1, np.nan))
    values[added[:, np.newaxis] == np.asarray(labels)] = 1.0
    return rows.assign(**{label: values[:, place] for place, label in enumerate(labels)})


def unseen_labels(scheme: OffTarget, added: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the labels that a table does not have, so that they stay empty."""
    if scheme.table is None:
        return []
    return [label for label in labels if all(scheme.table.share([name], label) is None for name in added)]


def _shares(
    table: Cooccurrence, added: "np.ndarray[tuple[int], np.dtype[np.str_]]", labels: Sequence[str]
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return the share of each label in each edit, (n, L), NaN where the table does not say."""
    shares = {name: [table.share([name], label) for label in labels] for name in set(added)}
    values = np.array([shares[name] for name in added], dtype=np.float32)  # None becomes NaN
    return values.reshape(len(added), len(labels))
