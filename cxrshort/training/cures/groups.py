"""Groups of validation images, cells of group and class, and draws that give each cell as many persons."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import categories

Names = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]

_LISTED = 3


def label_groups(manifest: pd.DataFrame, group: str, label: str) -> Names:
    """Return each row's group for one label, (N,), ``""`` where it is empty.

    The label itself is no part of it, where several columns name the groups: classes are balanced within groups anyway.

    Args:
        manifest: rows of a dataset.
        group: a column, columns joined by commas, or an expression.
        label: name of an output.

    Raises:
        UsageError: the groups are the label, or it is neither a column nor an expression.

    Example:
        >>> rows = pd.DataFrame({"view": ["AP", "PA"], "Edema": [0, 1]})
        >>> label_groups(rows, "view,Edema", "Edema").tolist()
        ['AP', 'PA']
    """
    parts = [part.strip() for part in group.split(",")]
    others = [part for part in parts if part.strip("`") != label]
    if not others:
        raise UsageError(
            f"--group is the label '{label}', whose classes are balanced anyway",
            "--group takes a column such as repository or view, or an expression",
        )
    return categories(manifest, ",".join(others) if len(others) < len(parts) else group).to_numpy(dtype=object)


class Cells:
    """Hold the cells of group and class that one label's images are in; images without either are in none.

    Args:
        groups: (N,) names, ``""`` where empty.
        targets: (N,) 0, 1, or anything else where there is no class.
        persons: (N,) ids.
    """

    def __init__(self, groups: Names, targets: npt.NDArray[np.float32], persons: npt.NDArray[np.object_]) -> None:
        self.rows: Rows = np.flatnonzero((groups != "") & np.isin(targets, (0, 1)))
        self.groups, self.persons = groups[self.rows], persons[self.rows]
        self.classes = targets[self.rows].astype(np.int64)
        self.names = sorted(set(self.groups))
        position = {name: place for place, name in enumerate(self.names)}
        self.codes: Rows = np.array([2 * position[name] for name in self.groups], np.int64) + self.classes

    def subset(self, kept: npt.NDArray[np.bool_]) -> "Cells":
        """Return the same cells with some of the rows alone."""
        part = object.__new__(Cells)
        part.rows, part.groups, part.persons = self.rows[kept], self.groups[kept], self.persons[kept]
        part.classes, part.names, part.codes = self.classes[kept], self.names, self.codes[kept]
        return part

    def persons_by_cell(self) -> list[int]:
        """Return the number of persons in each of the 2 G cells, group by group, negatives first."""
        return [len(set(self.persons[self.codes == code])) for code in range(2 * len(self.names))]

    def check(self, label: str, *, method: str, fewest: int) -> None:
        """Refuse cells of which one holds too few persons.

        Raises:
            UsageError: there is one group alone.
            DataError: a cell is empty or too small.
        """
        if len(self.names) < 2:
            raise UsageError(
                f"'{method}' needs two groups or more, all val images with a word on '{label}' are in one",
                "--group takes a column such as repository or view, or an expression",
            )
        small = [
            (self.names[code // 2], code % 2, count)
            for code, count in enumerate(self.persons_by_cell())
            if count < fewest
        ]
        if small:
            name, value, count = small[0]
            more = f", and {len(small) - 1} more such cells" if len(small) > 1 else ""
            raise DataError(
                f"group '{name}' has {count} val persons with {label} = {value}, '{method}' needs {fewest}{more}",
                "--group with fewer, larger groups, or --dataset with other validation persons",
            )

    def halves(self, generator: np.random.Generator) -> tuple["Cells", "Cells"]:
        """Return the rows of two halves of the persons; the rarest cell that a person is in is divided evenly."""
        sizes = self.persons_by_cell()
        rarest: dict[str, int] = {}
        for person, code in zip(self.persons, self.codes.tolist(), strict=True):
            if person not in rarest or (sizes[code], code) < (sizes[rarest[person]], rarest[person]):
                rarest[person] = code
        first: set[str] = set()
        for code in range(len(sizes)):
            members = sorted(person for person, cell in rarest.items() if cell == code)
            order = generator.permutation(len(members))
            first |= {members[place] for place in order[::2]}
        is_first = np.array([person in first for person in self.persons], bool)
        return self.subset(is_first), self.subset(~is_first)

    def balanced(self, generator: np.random.Generator) -> Rows:
        """Return positions in ``rows``: one image each of as many persons of every cell as the smallest cell has."""
        count, chosen = min(self.persons_by_cell()), []
        for code in range(2 * len(self.names)):
            places = np.flatnonzero(self.codes == code)
            places = places[generator.permutation(len(places))]
            _, firsts = np.unique(self.persons[places].astype(str), return_index=True)
            drawn = generator.permutation(len(firsts))[:count]
            chosen.append(places[firsts[drawn]])
        return np.sort(np.concatenate(chosen))

    def worst_accuracy(self, logits: npt.NDArray[np.float64]) -> float:
        """Return the lowest share of right answers of a cell, at a logit of 0; logits are of ``rows``."""
        right = (logits > 0) == (self.classes == 1)
        return min(float(right[self.codes == code].mean()) for code in np.unique(self.codes))

    def worst_auc(self, logits: npt.NDArray[np.float64]) -> float:
        """Return the lowest AUC of a group, of those with both classes; logits are of ``rows``."""
        from cxrshort.stats.auc import auc

        areas = [auc(self.classes[members], logits[members]) for members in self._members()]
        return min((area for area in areas if area is not None), default=float("nan"))

    def _members(self) -> Sequence[npt.NDArray[np.bool_]]:
        return [self.codes // 2 == place for place in range(len(self.names))]
