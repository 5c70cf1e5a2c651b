"""Image sources: image files, phantoms, or the pictures of a benchmark."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import registry
from cxrshort.columns import EXCLUDED_COLUMNS, MASK_BITS
from cxrshort.dataset import IMAGES, MASKS
from cxrshort.datasets.benchmarks import BENCHMARKS, rendering
from cxrshort.datasets.benchmarks.plan import Benchmark
from cxrshort.datasets.building.pixel_recipes import FIT, PixelRecipe
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.phantom import cohort as phantom_cohort
from cxrshort.datasets.phantom.drawing import LARGEST, SMALLEST
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.datasets.phantom.rendering import draw_phantoms
from cxrshort.errors import UsageError
from cxrshort.images.decoding import decode_into, file_stamp
from cxrshort.images.raster import Treatment

PHANTOM_FRACTIONS = (0.25, 0.15)
"""Shares of test and val: larger than in the papers, since phantom datasets are small."""

Record = Callable[[list[dict[str, Any]]], None]
Make = Callable[[Mapping[str, Path], Sequence[int], Sequence[int], int, Record], None]


@dataclass(frozen=True)
class ImageSource:
    """Specify how the pixels of candidates are made.

    Args:
        fingerprints: one text per candidate that changes whenever its pixels would.
        caches: the shape of one row of each map that is made, by the map's file name.
        make: ``make(files, chosen, rows, jobs, record)`` makes the pixels of the candidates ``chosen`` in these rows
            of the maps, and records a result for each row.
        mask_bits: names of the bits of masks.npy, where it is made together with the pixels.
        labels: label columns of their own; empty for those of the built-in repositories.
        from_files: whether rows are radiographs of public sources, whose films may stand under two patients.
        phantoms: parameters, one per candidate, where these are phantoms.
        carry: writes the masks of the images that these are made from into a file, and returns the candidates with
            their mask rows, and the boxes of regions; None where images are not made from others.
        made_from: the datasets whose images these are made from, the name of each by its identity.
        stamp: what a candidate's result must say as ``source``, as long as what it was made from is unchanged.
    """

    fingerprints: Sequence[str]
    caches: Mapping[str, tuple[int, ...]]
    make: Make
    mask_bits: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    from_files: bool = False
    phantoms: Sequence[Phantom] = ()
    carry: Callable[[Candidates, Path], tuple[Candidates, pd.DataFrame]] | None = None
    made_from: Mapping[str, str] = field(default_factory=dict)
    stamp: Callable[[int], str] = lambda candidate: ""


def part_of(image_source: ImageSource, chosen: Sequence[int], *, name: str) -> ImageSource:
    """Return the image source of some of the candidates, whose maps hold these alone.

    Args:
        image_source: of all candidates.
        chosen: which of them.
        name: distinguishes this part from the rest; maps of one part cannot be continued as another's.
    """

    def make(files: Mapping[str, Path], indices: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        image_source.make(files, [chosen[index] for index in indices], rows, jobs, record)

    return dataclasses.replace(
        image_source,
        fingerprints=[name, *image_source.fingerprints],
        make=make,
        stamp=lambda index: image_source.stamp(chosen[index]),
    )


def of_files(candidates: Candidates, *, size: int, recipe: PixelRecipe) -> tuple[Candidates, ImageSource]:
    """Return candidates with how each is fitted, and their files as an image source of grey squares."""
    candidates = dataclasses.replace(
        candidates, rows=candidates.rows.assign(**{FIT: recipe.fits(candidates.rows, candidates.fractions)})
    )
    root, paths = candidates.root or Path(), candidates.rows["path"].astype(str).tolist()
    treatments = _treatments(candidates, equalise=recipe.equalise)

    def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        decode_into(
            files[IMAGES],
            [root / paths[candidate] for candidate in chosen],
            rows=rows,
            size=size,
            treatments=[treatments[candidate] for candidate in chosen],
            jobs=jobs,
            record=lambda results: record([dataclasses.asdict(result) for result in results]),
        )

    plan = [f"{path} {treatment}" for path, treatment in zip(paths, treatments, strict=True)]
    return candidates, ImageSource(
        [str(size), *plan],
        {IMAGES: (size, size)},
        make,
        from_files=True,
        stamp=lambda candidate: file_stamp(root / paths[candidate]),
    )


def _treatments(candidates: Candidates, *, equalise: bool) -> list[Treatment]:
    """Return how each file is decoded: its fit, the window or table of its sidecar, its inversion, its corrections."""
    rows, root = candidates.rows, candidates.root or Path()

    def texts(name: str) -> list[str]:
        return rows[name].fillna("").astype(str).tolist() if name in rows else [""] * len(rows)

    return [
        Treatment(
            fit=fit,
            equalise=equalise,
            flip="flip" in actions.split(";"),
            skip_windowing="skip_windowing" in actions.split(";"),
            sidecar=root / sidecar if sidecar else None,
            photometric=photometric,
        )
        for fit, actions, photometric, sidecar in zip(
            texts(FIT), texts("correction"), texts("photometric"), texts("sidecar"), strict=True
        )
    ]


def of_phantoms(phantoms: list[Phantom], *, size: int) -> tuple[Candidates, ImageSource]:
    """Return phantoms as candidates and image source: pixels and masks are drawn.

    Raises:
        UsageError: a size at which phantoms cannot be drawn.
    """
    if not SMALLEST <= size <= LARGEST:
        # Refused here as well as in `draw`: there, the dataset folder would exist already.
        raise UsageError(f"--size is '{size}', for phantoms it must be from {SMALLEST} to {LARGEST}", "try 224")

    def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        drawn = [phantoms[candidate] for candidate in chosen]
        draw_phantoms(files[IMAGES], files[MASKS], drawn, rows=rows, size=size, jobs=jobs, record=record)

    rows = phantom_cohort.manifest_rows(phantoms)
    rows.insert(1, "path", "")
    candidates = Candidates(
        rows,
        pd.DataFrame(columns=list(EXCLUDED_COLUMNS)),
        dict.fromkeys(rows["repository"].unique(), PHANTOM_FRACTIONS),
    )
    bits = {name: MASK_BITS[name] for name in ("lungs", "heart", "mediastinum", "clavicles", "marker")}
    caches = {IMAGES: (size, size), MASKS: (size, size)}
    plan = [str(size), *(phantom.to_json() for phantom in phantoms)]
    return candidates, ImageSource(plan, caches, make, mask_bits=bits, phantoms=phantoms)


def of_benchmark(
    name: str, *, root: Path, size: int | None, strength: float, seed: int
) -> tuple[Candidates, ImageSource, int]:
    """Return a benchmark's pictures as candidates and image source, and the size that they are drawn at.

    Args:
        name: one of ``BENCHMARKS``.
        root: folder of the user's own copies.
        size: side in pixels; None takes the paper's.
        strength: share of the majority among training pictures, 0 to 1.
        seed: chooses backgrounds and colours.

    Raises:
        MissingInputError: a source is not there.
        DataError: too few images of a class or a scene.
    """
    benchmark: Benchmark = registry.load_entry(BENCHMARKS, name, kind="benchmark")
    side = size or benchmark.size
    plan = benchmark.plan(root, confounder_strength=strength, seed=seed)

    def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        rendering.draw_pictures(
            files[IMAGES],
            files[MASKS],
            [plan.pictures[candidate] for candidate in chosen],
            draw=benchmark.draw,
            rows=rows,
            size=side,
            jobs=jobs,
            record=lambda results: record([dataclasses.asdict(result) for result in results]),
        )

    candidates = Candidates(plan.rows, plan.excluded, {}, notes=plan.notes, root=plan.root)
    caches = {IMAGES: (3, side, side), MASKS: (side, side)}
    image_source = ImageSource(
        [str(side), *plan.keys()], caches, make, mask_bits=benchmark.mask_bits, labels=benchmark.labels
    )
    return candidates, image_source, side
