"""How often findings come together: the share of edits that add one finding in which another is seen too.

A table has a row for each added finding and a column for each finding that was looked for; cells are shares from 0 to
1, empty where nobody looked. The diagonal is the adherence: how often the finding that was asked for is there. This is
what readers of edited images find, what soft labels of edited images are made of, and what a change of a prediction
must exceed before it is called a shortcut.

What would invalidate a table: shares in percent, and readers of images of another editor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrshort import places
from cxrshort.errors import DataError, MissingInputError
from cxrshort.stats.finding_names import canonical
from cxrshort.tables import read_header, read_table, sniff_separator

ADDED = "added"
"""The column of added findings."""
_FORM = f"such as: {ADDED},Cardiomegaly,Edema and below it Edema,0.92,0.97"


@dataclass(frozen=True, slots=True)
class Cooccurrence:
    """Hold shares of edits by added finding and finding that is seen.

    Args:
        shares: 0 to 1 by (added, seen), without the cells that are not known; names as
            :func:`~cxrshort.stats.finding_names.canonical` has them.
        source: what messages call the table.
    """

    shares: Mapping[tuple[str, str], float]
    source: str

    def share(self, added: Sequence[str], seen: str) -> float | None:
        """Return the share of edits that show a finding; None where the table does not say.

        Args:
            added: names of the added finding, of which the first that the table has is taken.
            seen: the finding that was looked for.
        """
        keys = [(canonical(name), canonical(seen)) for name in added]
        return next((self.shares[key] for key in keys if key in self.shares), None)

    def adherence(self, label: str) -> float:
        """Return how often a finding is there that was asked for; 1 where the table does not say."""
        share = self.share([label], label)
        return 1.0 if share is None or share <= 0 else share


def read_cooccurrence(path: Path) -> Cooccurrence:
    """Read a table of co-occurrence.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no such table, a finding stands twice, or a share is not from 0 to 1.
    """
    if not places.exists(path):
        raise MissingInputError(f"'{path}' does not exist", f"a table of co-occurrence is {_FORM}")
    separator = sniff_separator(path)
    header = read_header(path, separator=separator)
    seen = [name for name in header if name and canonical(name) != ADDED]
    if len(seen) + 1 != len([name for name in header if name]) or not seen:
        raise DataError(f"{path.name}: a table of co-occurrence has a column '{ADDED}' and one for each finding", _FORM)
    table, _ = read_table(path, [ADDED, *seen], separator=separator)
    shares: dict[tuple[str, str], float] = {}
    for row in table.to_dict(orient="records"):
        added = canonical(str(row[ADDED]))
        if any(key[0] == added for key in shares):
            raise DataError(f"{path.name}: '{row[ADDED]}' stands in two rows", "keep one of them")
        for name in seen:
            if text := str(row[name]):
                shares[added, canonical(name)] = _share(text, path.name, name)
    return Cooccurrence(shares, path.name)


def _share(text: str, table: str, column: str) -> float:
    """Return a share of a table.

    Raises:
        DataError: it is no number from 0 to 1.
    """
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise DataError(f"{table}: column '{column}' holds '{text}', not a share from 0 to 1", "write 0.92 for 92 %")
    return share
