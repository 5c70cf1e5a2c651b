"""Edited images as an image source: counterfactuals and transforms become datasets like any other.

An edited image belongs to the person of its source, keeps its splits, labels, masks and regions, and says which image
it was made from and how. What would invalidate such a dataset: a person whose source is in training and whose edit is
in the test fold; splits are therefore inherited, or drawn by person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort import regions, runs
from cxrshort.columns import EDIT_PREFIX, EXCLUDED_COLUMNS, REGION_COLUMNS
from cxrshort.dataset import IMAGES, Dataset
from cxrshort.datasets.building.image_source import ImageSource, Make, Record
from cxrshort.datasets.building.mask_files import mask_rows
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import DataError, UsageError
from cxrshort.images.cache import RowWriter, checksum, create_cache, keep_rows
from cxrshort.images.raster import ImageError
from cxrshort.json_files import read_json

Pictures = npt.NDArray[np.uint8]


class DescribedPicture(Protocol):
    """Hold a picture, (H, W) or (3, H, W), and the numbers that become columns of its row.

    Attributes:
        pixels: uint8.
        facts: numbers by column; the names begin with ``edit_``.
    """

    @property
    def pixels(self) -> Pictures:
        """Return the picture."""
        ...

    @property
    def facts(self) -> Mapping[str, float]:
        """Return what its row says of it besides."""
        ...


Edited = Sequence[Pictures | DescribedPicture | ImageError]
"""For each row of a batch its picture, (H, W) or (3, H, W), with its facts or without, or why there is none."""
Transform = Callable[[Pictures, pd.DataFrame], Edited]
"""Takes the source images of a batch, (n, H, W) or (n, 3, H, W), and the rows of their edits."""

FRACTIONS = (0.25, 0.15)
"""Shares of test and val persons where splits are drawn again."""
_OF_THE_CACHE = ("cache", "cache_row", "pixels_crc32", "mask_row", "mask_crc32")
_MASKS_AT_ONCE = 64


def edited_rows(
    manifest: pd.DataFrame, positions: Sequence[int], edits: Sequence[str], *, repetitions: Sequence[int] = ()
) -> pd.DataFrame:
    """Return the rows of edited images: those of their sources under new names, without pixels and masks.

    A caller may add columns (``edit_prompt``, ``edit_seed``, ``edit_parameters`` and its own), and change labels where
    an edit adds a finding. In columns of its own, numbers from 0 to 1 are a label, as in every manifest.

    Args:
        manifest: rows of the sources.
        positions: which row each edited image is made from.
        edits: what is changed in each, such as ``cardiomegaly``.
        repetitions: number of the repetition of each, from 0, which stands in ``edit_repetition``; none where nothing
            is repeated.

    Returns:
        Rows numbered from 0; ``source_image_id`` names the source, ``edit`` what was done to it, after what had been
        done to the source itself.

    Raises:
        UsageError: there is nothing to edit, or an image would be made twice.
        DataError: the rows break a rule of manifests: a person in two folds.

    Example:
        >>> manifest = pd.DataFrame({"image_id": ["x/1"], "repository": "x", "patient_id": "p", "person_id": "p"})
        >>> edited_rows(manifest, [0], ["inverted"])[["image_id", "source_image_id", "edit"]].values.tolist()
        [['x/1#inverted', 'x/1', 'inverted']]
    """
    if not len(positions):
        raise UsageError("there is no image to edit", "choose other images, or another edit")
    earlier = [name for name in manifest if name in _OF_THE_CACHE or str(name).startswith(EDIT_PREFIX)]
    rows = manifest.iloc[list(positions)].drop(columns=earlier).reset_index(drop=True)
    earlier_edits = rows["edit"].fillna("").astype(str) if "edit" in rows else pd.Series("", rows.index)
    numbers = list(repetitions) or [0] * len(rows)
    names = pd.Series(
        [
            f"{source}#{edit}" + (f"#{number}" if number else "")
            for source, edit, number in zip(rows["image_id"], edits, numbers, strict=True)
        ]
    )
    if repeated := names[names.duplicated()].tolist():
        raise UsageError(f"'{repeated[0]}' would be made twice", "name each edit of an image differently")
    rows = rows.assign(edit_repetition=numbers) if repetitions else rows
    return manifests.check_manifest(
        rows.assign(
            image_id=names,
            source_image_id=rows["image_id"],
            edit=[f"{old}, {new}" if old else new for old, new in zip(earlier_edits, edits, strict=True)],
        )
    )


def of_edits(
    data: Dataset,
    rows: pd.DataFrame,
    transform: Transform,
    *,
    settings: str,
    batch_size: int = 16,
    carry: bool = True,
    masks: Callable[[pd.DataFrame], Pictures] | None = None,
) -> tuple[Candidates, ImageSource]:
    """Return edits of a dataset's images as candidates and image source.

    Pictures are made in this process, so that a transform may hold a device; several processes make shards.

    Args:
        data: the sources.
        rows: of :func:`edited_rows`.
        transform: makes the pictures of a batch, each from its source and its row alone; :func:`per_image` returns one
            for a function of single pictures.
        settings: text that changes whenever the transform would make other pictures: a model's identity, strengths,
            seeds.
        batch_size: pictures made at a time.
        carry: whether masks and regions of the sources fit their edits too; not where an edit moves things.
        masks: returns the masks of edits, (n, H, W), from their rows, where they are not those of the sources; with
            the bits of the dataset's masks.

    Raises:
        DataError: a source is not in the dataset, or the rows break a rule of manifests.
    """
    rows = manifests.check_manifest(rows.reset_index(drop=True))
    rows = rows if "path" in rows else rows.assign(path="")
    sources, shape = _sources(data, rows), data.pixels.image_shape

    def stamp(candidate: int) -> str:
        return str(checksum(data.pixels.take([sources[candidate]])[0]))

    def generate(chosen: list[int]) -> Edited:
        return transform(data.pixels.take(sources[chosen]), rows.iloc[chosen])

    bits, lost = _carried_bits(data) if carry else ({}, [])
    notes = (f"masks are not carried over where caches differ in what they show: {', '.join(lost)}",) if lost else ()
    return _candidates(data, rows, notes), ImageSource(
        [f"{shape} {settings}", *rows.to_csv(index=False).splitlines()],
        {IMAGES: shape},
        in_batches(generate, rows["image_id"].tolist(), batch_size=batch_size, stamp=stamp),
        mask_bits=bits,
        labels=tuple(manifests.label_columns(rows)),
        carry=lambda finished, target: _carry(data, finished, target, bits=bits, regions_too=carry, masks=masks),
        made_from={data.dataset_id: data.name, **data.made_from},
        stamp=stamp,
    )


def in_batches(
    generate: Callable[[list[int]], Edited],
    names: Sequence[str],
    *,
    batch_size: int,
    stamp: Callable[[int], str] = lambda candidate: "",
) -> Make:
    """Return how an image source makes its pixels where a network makes batches of pictures.

    Every batch has the same number of images, the last one filled up with copies: networks choose their kernels by the
    shape of a batch, and a picture would otherwise depend on where a build was interrupted or cut into shards.

    Args:
        generate: makes the pictures of these candidates; called in this process.
        names: of all candidates, for ``excluded.csv``.
        batch_size: pictures made at a time.
        stamp: as in :class:`cxrshort.datasets.building.image_source.ImageSource`.
    """

    def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        del jobs
        with RowWriter(files[IMAGES]) as writer:
            for start in range(0, len(chosen), batch_size):
                numbers = list(chosen[start : start + batch_size])
                pictures = generate(numbers + numbers[-1:] * (batch_size - len(numbers)))[: len(numbers)]
                placed = zip(rows[start : start + batch_size], numbers, pictures, strict=True)
                record(
                    [
                        {"row": row, **_write(writer, row, picture, name=names[number], stamp=stamp(number))}
                        for row, number, picture in placed
                    ]
                )

    return make


def per_image(function: Callable[[Pictures, "pd.Series[Any]"], Pictures]) -> Transform:
    """Return a transform that makes one picture at a time from the pixels of its source and the row of its edit.

    Args:
        function: raises `ImageError` where no picture can be made; the row is then excluded for that reason.
    """

    def transform(sources: Pictures, rows: pd.DataFrame) -> list[Pictures | ImageError]:
        pictures: list[Pictures | ImageError] = []
        for pixels, (_, row) in zip(sources, rows.iterrows(), strict=True):
            try:
                pictures.append(function(pixels, row))
            except ImageError as error:
                pictures.append(error)
        return pictures

    return transform


def _candidates(data: Dataset, rows: pd.DataFrame, notes: tuple[str, ...]) -> Candidates:
    """Return the rows with what run.json says of the one dataset folder that their sources lie in."""
    folders = data.manifest["cache"].unique().tolist()
    path = Path(folders[0]) / runs.DONE
    record = read_json(path) if len(folders) == 1 and path.is_file() else {}
    return Candidates(
        rows,
        pd.DataFrame(columns=list(EXCLUDED_COLUMNS)),
        dict.fromkeys(rows["repository"].unique(), FRACTIONS),
        notes=notes,
        root=Path(record["root"]) if record.get("root") else None,
        own_patients=str(record.get("own_patients", "")),
    )


def _sources(data: Dataset, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the position of each row's source in the dataset, (N,)."""
    positions = pd.Index(data.manifest["image_id"]).get_indexer(rows["source_image_id"])
    if (positions < 0).any():
        name = rows["source_image_id"].iloc[int(np.argmin(positions))]
        raise DataError(f"{data.name}: there is no image '{name}' to edit", "give the dataset that the rows are of")
    return np.asarray(positions, dtype=np.int64)


def _write(
    writer: RowWriter, row: int, picture: Pictures | DescribedPicture | ImageError, *, name: str, stamp: str
) -> dict[str, Any]:
    """Write one picture and return its result; one image may have many edits, so that a failed one is named."""
    if isinstance(picture, ImageError):
        return {"reason": picture.reason, "detail": f"{name}: {picture.detail}"}
    if isinstance(picture, np.ndarray):
        return {"source": stamp, "crc32": [writer.write(row, picture)]}
    facts = {fact: float(value) for fact, value in picture.facts.items()}
    if misnamed := [fact for fact in facts if not fact.startswith(EDIT_PREFIX)]:
        raise ValueError(f"a fact of an edit is called '{misnamed[0]}', not {EDIT_PREFIX}...")
    return {"source": stamp, "crc32": [writer.write(row, picture.pixels)], "facts": facts}


def _carried_bits(data: Dataset) -> tuple[dict[str, int], list[str]]:
    """Return the bits of structures that mean the same in all masks, and the names of the other structures."""
    masked = data.has_mask
    bits = {name: set(bit[masked].tolist()) for name, bit in data.structures.items()}
    return (
        {name: next(iter(values)) for name, values in bits.items() if len(values) == 1},
        [name for name, values in bits.items() if len(values) > 1],
    )


def _carry(
    data: Dataset,
    candidates: Candidates,
    target: Path,
    *,
    bits: Mapping[str, int],
    regions_too: bool,
    masks: Callable[[pd.DataFrame], Pictures] | None,
) -> tuple[Candidates, pd.DataFrame]:
    """Write the masks of the edits or of their sources, and return the edits with their mask rows, and the boxes."""
    rows = candidates.rows
    boxes = _boxes(data, rows) if regions_too else pd.DataFrame(columns=list(REGION_COLUMNS))
    sources = _sources(data, rows)
    masked = np.flatnonzero(data.has_mask[sources])
    if data.masks is None or not bits or not len(masked):
        return candidates, boxes
    temporary = target.with_name(f".partial.{target.name}")
    create_cache(temporary, (len(masked), *data.masks.image_shape))
    kept_bits = np.uint8(np.bitwise_or.reduce(list(bits.values())))
    crc32: list[int] = []
    with RowWriter(temporary) as writer:
        for start in range(0, len(masked), _MASKS_AT_ONCE):
            chosen = masked[start : start + _MASKS_AT_ONCE]
            fields = data.masks.take(sources[chosen]) if masks is None else masks(rows.iloc[chosen])
            crc32 += [writer.write(start + number, field & kept_bits) for number, field in enumerate(fields)]
    keep_rows(temporary, range(len(masked)), target)
    return replace(candidates, rows=rows.join(mask_rows(rows, rows.index[masked], crc32))), boxes


def _boxes(data: Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of the sources under the names of their edits."""
    pairs = rows[["source_image_id", "image_id"]].rename(columns={"image_id": "edited"})
    boxes = pairs.merge(regions.boxes_of(data), left_on="source_image_id", right_on="image_id")
    return boxes.assign(image_id=boxes["edited"])[list(REGION_COLUMNS)]
