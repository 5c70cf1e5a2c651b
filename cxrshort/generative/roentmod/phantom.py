"""The phantom as an editor: exact counterfactuals, of which everything is known.

A phantom's picture is drawn again from its parameters with a finding more. Nothing else changes but the quantum noise,
which is drawn anew, as in a second exposure of the same moment: that is what the noise of a generator is for its edits,
so that here too a sham edit differs from its source, and an edit from its sham by the finding alone. With ``kept``
noise an edit differs from its source by the finding alone, and a sham not at all. The round trip is the source.

What would invalidate the edits: a source that is not what its parameters draw, such as a transformed picture; it is
compared with the redrawn one and refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.columns import LABELS
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.assembly import PHANTOMS
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_finding
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.contract import Picture, Pictures
from cxrshort.images.raster import ImageError
from cxrshort.registry import propose_name

SEVERITY = 0.7
BATCH = 16
NOISES = ("redrawn", "kept")
_ROUNDING = 1
"""Grey levels by which another machine's arithmetic may differ."""
_HINT = "build one with cxrshort build-dataset --dataset phantom-III"


@dataclass(frozen=True)
class PhantomEditor:
    """Draw phantoms with a finding more; see :class:`cxrshort.generative.roentmod.contract.Editor`.

    Args:
        phantoms: parameters by ``image_id``.
        size: side of the pictures in pixels.
        severity: of the findings that are added, above 0 and at most 1.
        noise: ``"redrawn"`` or ``"kept"``.
        batch_size: pictures made at a time.
    """

    phantoms: Mapping[str, Phantom]
    size: int
    severity: float = SEVERITY
    noise: str = "redrawn"
    batch_size: int = BATCH
    moves: bool = field(default=False, init=False)

    @property
    def identity(self) -> str:
        """Return what changes whenever other pictures would be made."""
        return f"phantom severity={self.severity!r} noise={self.noise}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what people are told."""
        return {"editor": "phantom", "severity": self.severity, "noise": self.noise}

    def __call__(self, sources: Pictures, rows: pd.DataFrame) -> Sequence[Picture | ImageError]:
        """Return the edits of a batch."""
        refusals = self._refusals(sources, rows)
        return [
            refusals.get(str(row["source_image_id"])) or Picture(draw_phantom(self.edited(row), size=self.size).pixels)
            for _, row in rows.iterrows()
        ]

    def round_trip(self, sources: Pictures) -> Sequence[Picture]:
        """Return the sources: a phantom has no encoder that could lose anything."""
        return [Picture(pixels) for pixels in sources]

    def masks(self, rows: pd.DataFrame) -> Pictures:
        """Return the masks of edits, (n, H, W): a larger heart moves the borders of heart and lungs."""
        return np.stack([draw_phantom(self.edited(row), size=self.size).masks for _, row in rows.iterrows()])

    def edited(self, row: "pd.Series[Any]") -> Phantom:
        """Return the parameters of an edit, from its row.

        Raises:
            DataError: its source is no phantom of these.
        """
        phantom = self._source(str(row["source_image_id"]))
        if row["edit_label"]:
            phantom = with_finding(phantom, str(row["edit_label"]), self.severity)
        if self.noise == "redrawn" and row["edit_prompt"]:
            phantom = replace(phantom, noise_seed=int(row["edit_seed"]))
        return replace(phantom, phantom_id=str(row["image_id"]))

    def _source(self, name: str) -> Phantom:
        if name not in self.phantoms:
            raise DataError(f"'{name}' is no phantom of {PHANTOMS}", _HINT)
        return self.phantoms[name]

    def _refusals(self, sources: Pictures, rows: pd.DataFrame) -> dict[str, ImageError]:
        """Return why pictures are not those that their parameters draw, by ``image_id``."""
        refusals = {}
        for name, pixels in dict(zip(rows["source_image_id"].astype(str), sources, strict=True)).items():
            drawn = draw_phantom(self._source(name), size=self.size).pixels
            difference = int(np.abs(drawn.astype(np.int16) - pixels).max())
            if difference > _ROUNDING:
                refusals[name] = ImageError(
                    "not a phantom's own picture", f"differs from what its parameters draw by {difference} grey levels"
                )
        return refusals


def open_editor(
    *, data: Dataset, severity: float = SEVERITY, noise: str = "redrawn", batch_size: int = BATCH
) -> PhantomEditor:
    """Return the editor of a phantom dataset.

    Args:
        data: the sources, or rows of them.
        severity: of the findings that are added, above 0 and at most 1.
        noise: ``"redrawn"`` (as the noise of a generator) or ``"kept"`` (only the finding changes).
        batch_size: pictures made at a time.

    Raises:
        UsageError: a severity or a noise that there is not.
        DataError: the dataset is not of phantoms.
    """
    if not 0 < severity <= 1:
        raise UsageError(f"--severity is '{severity:g}', it must be above 0 and at most 1", "0.7 is easily seen")
    if noise not in NOISES:
        raise UsageError(f"noise is '{noise}'", f"one of: {', '.join(NOISES)}")
    shape = data.pixels.image_shape
    phantoms = _read_phantoms(data)
    missing = [name for name in data.manifest["image_id"].astype(str) if name not in phantoms]
    if missing or len(shape) != 2:
        raise DataError(f"{data.name}: '{missing[0] if missing else shape}' is no phantom", _HINT)
    return PhantomEditor(phantoms, shape[0], severity, noise, batch_size)


def check_labels(edits: Mapping[str, str]) -> None:
    """Refuse edits whose finding the phantom cannot draw.

    Args:
        edits: label of each edit by its name.

    Raises:
        UsageError: naming the first one.
    """
    for edit, label in edits.items():
        if label not in LABELS:
            raise UsageError(
                f"the phantom has no finding '{label or edit}'",
                propose_name(LABELS, label or edit, otherwise=f"one of: {', '.join(LABELS)}"),
            )


def _read_phantoms(data: Dataset) -> dict[str, Phantom]:
    """Return the parameters of all phantoms in the folders that the images lie in."""
    phantoms: dict[str, Phantom] = {}
    for folder in sorted(set(data.manifest["cache"])):
        path = Path(folder) / PHANTOMS
        if not path.is_file():
            raise DataError(f"{data.name} is no phantom dataset: there is no {PHANTOMS} in '{folder}'", _HINT)
        lines = path.read_text(encoding="utf-8").splitlines()
        phantoms |= {phantom.phantom_id: phantom for phantom in map(Phantom.from_json, lines)}
    return phantoms
