"""Synthetic persons: films without findings from a generator, and edits of each, as one dataset.

This is the training cohort of RoentMod (2025): 10,000 films "no acute cardiopulmonary process" from the generator
alone, and two edits of each by every prompt. Each film is a person of its own, and all edits of it are of that person,
so that splits, drawn by person, keep them together.

What would invalidate a training on it: films of findings that are all edits, and films without that are none, since
what editing leaves behind then tells a finding; so a sham edit of each film stands beside the others unless it is left
out. And noise that an edit shares with the draw of its own source: their seeds are unrelated.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.columns import EXCLUDED_COLUMNS, LABELS
from cxrshort.dataset import IMAGES
from cxrshort.datasets.building.edits import Edited, edited_rows, in_batches
from cxrshort.datasets.building.image_source import ImageSource, Record
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.phantom import cohort
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.generative.roentmod.contract import Editor, Picture, Pictures, Prompt
from cxrshort.generative.roentmod.seeds import edit_seed
from cxrshort.images.cache import RowWriter, create_cache, open_cache
from cxrshort.images.raster import ImageError
from cxrshort.images.reduction import reduce_image

REPOSITORY = "synthetic"
"""The repository of every row, so that nobody takes one for a patient's film."""
FRACTIONS = (0.1, 1 / 9)
"""Shares of test persons, and of val persons among the rest: 80 % train, as the paper's 136,000 of 170,000."""
FULL_SIZE = "baselines.npy"
"""Films at the size of the generator, beside the map that holds them reduced; it is removed when edits are made."""
_AT_LEAST = 0.5
"""Seconds below which a batch is timed a second time: the first one loads what the others share."""
_PHANTOMS = "phantom-III"
_OTHER_PERSONS = 1_000_000_007
"""Added to the seed of phantoms, so that no phantom dataset of a usual seed shows the same persons."""
_TAG = 8

Transform = Callable[[Pictures, pd.DataFrame], Edited]


class Generator(Protocol):
    """Draw films from noise and words alone."""

    def generate(self, rows: pd.DataFrame, size: int) -> Sequence[Picture | ImageError]:
        """Return a film for each row, from its ``edit_prompt`` and ``edit_seed``."""
        ...


@dataclass(frozen=True)
class PhantomGenerator:
    """Draw phantoms without findings.

    Args:
        phantoms: parameters by ``image_id``.
    """

    phantoms: Mapping[str, Phantom]

    def generate(self, rows: pd.DataFrame, size: int) -> Sequence[Picture | ImageError]:
        """Return a film for each row."""
        return [Picture(draw_phantom(self.phantoms[str(name)], size=size).pixels) for name in rows["image_id"]]


@dataclass(frozen=True)
class Synthesis:
    """Hold what makes the films of one plan.

    Args:
        rows: of all films: those without findings first, then their edits, prompt by prompt, in the same order.
        baselines: number of films without findings; row r is of the person r % baselines.
        generator: draws them.
        transform: makes edits, as :func:`cxrshort.generative.roentmod.transform.editing` returns it.
        settings: text that changes whenever other pictures would be made.
        batch_size: pictures made at a time.
        size: side of the stored pictures.
        full_size: side at which they are made.
    """

    rows: pd.DataFrame
    baselines: int
    generator: Generator
    transform: Transform
    settings: str
    batch_size: int
    size: int
    full_size: int


def draw_healthy(count: int, *, seed: int) -> list[Phantom]:
    """Return phantoms without findings, one of each person, in the rooms of one hospital.

    Example:
        >>> [phantom.findings for phantom in draw_healthy(2, seed=0)]
        [(), ()]
    """
    phantoms: list[Phantom] = []
    images = 2 * count
    while len(phantoms) < count:  # a person has two films on average
        drawn = cohort.sample_phantoms(_PHANTOMS, images=images, confounding=None, seed=seed + _OTHER_PERSONS)
        phantoms, images = [phantom for phantom in drawn if not phantom.image_index], 2 * images
    return [replace(phantom, findings=()) for phantom in phantoms[:count]]


def baseline_rows(
    count: int, prompt: Prompt, *, identity: str, seed: int, phantoms: Sequence[Phantom] = ()
) -> pd.DataFrame:
    """Return the rows of films without findings: each a person, all labels 0.

    Args:
        count: number of films.
        prompt: the words that the generator is given.
        identity: of the generator; another one, or another seed, draws other persons under other names.
        seed: 0 or more.
        phantoms: what the films show, where they are phantoms.

    Example:
        >>> rows = baseline_rows(2, Prompt("sham", "no finding"), identity="a", seed=0)
        >>> (
        ...     rows["person_id"].tolist() == rows["image_id"].tolist(),
        ...     sorted(set(rows["repository"])),
        ...     rows["Edema"].sum(),
        ... )
        (True, ['synthetic'], np.float32(0.0))
    """
    tag = hashlib.sha256(f"{identity}/{seed}".encode()).hexdigest()[:_TAG]
    names = [f"{REPOSITORY}/{tag}-{number:06d}" for number in range(count)]
    rows = (
        cohort.manifest_rows(phantoms).drop(columns="study_id")
        if phantoms
        else pd.DataFrame({"view": ["UNKNOWN"] * count, "sex": ""})
    )
    rows = rows.assign(
        image_id=names,
        path="",
        repository=REPOSITORY,
        patient_id=names,
        person_id=names,
        source_image_id="",
        edit="",
        edit_prompt=prompt.text,
        edit_label="",
        edit_seed=[edit_seed(seed, f"film/{name}", 0) for name in names],
        edit_repetition=0,
        edit_parameters="",
        **{label: np.float32(0) for label in LABELS},
    )
    first = ["image_id", "path", "repository", "patient_id", "person_id"]
    return rows[[*first, *(name for name in rows if name not in first)]]


def synthetic_rows(
    baselines: pd.DataFrame,
    prompts: Sequence[Prompt],
    *,
    repetitions: int,
    seed: int,
    parameters: Mapping[str, Any],
) -> pd.DataFrame:
    """Return the rows of edits with the labels of their films, prompt by prompt, each in the order of the films.

    Args:
        baselines: of :func:`baseline_rows`.
        prompts: edits of each film.
        repetitions: of each edit, with other noise.
        seed: 0 or more.
        parameters: settings of the editor, which stand in every row.
    """
    edits = [(prompt, number) for number in range(repetitions) for prompt in prompts]
    every = [edit for edit in edits for _ in range(len(baselines))]
    rows = edited_rows(
        baselines,
        [*range(len(baselines))] * len(edits),
        [prompt.edit for prompt, _ in every],
        repetitions=[number for _, number in every],
    )
    numbers = {f"edit_{name}": float(value) for name, value in parameters.items() if type(value) in (int, float)}
    return rows.assign(
        edit_prompt=[prompt.text for prompt, _ in every],
        edit_label=[prompt.label for prompt, _ in every],
        edit_seed=[
            edit_seed(seed, name, number) for name, (_, number) in zip(rows["source_image_id"], every, strict=True)
        ],
        edit_parameters=json.dumps(dict(parameters), sort_keys=True),
        **numbers,
    )


def of_synthesis(
    plan: Synthesis, *, row_of: Callable[[int], int] = lambda film: film, phantoms: Sequence[Phantom] = ()
) -> tuple[Candidates, ImageSource]:
    """Return synthetic films as candidates and image source.

    Args:
        plan: the rows, and what makes them.
        row_of: where the map of this process holds a film without finding, by its number; a shard holds some of them.
        phantoms: parameters of all rows, where they are phantoms.
    """
    names = plan.rows["image_id"].tolist()

    def make(files: Mapping[str, Path], chosen: Sequence[int], rows: Sequence[int], jobs: int, record: Record) -> None:
        films = _Films(plan, files[IMAGES], row_of)
        # The films come first, since their edits begin with them.
        for generate, are_films in ((films.generate, True), (films.edit, False)):
            pairs = [
                (number, row)
                for number, row in zip(chosen, rows, strict=True)
                if (number < plan.baselines) == are_films
            ]
            making = in_batches(generate, names, batch_size=plan.batch_size)
            making(files, [number for number, _ in pairs], [row for _, row in pairs], jobs, record)

    shape = (plan.size, plan.size)
    candidates = Candidates(plan.rows, pd.DataFrame(columns=list(EXCLUDED_COLUMNS)), {REPOSITORY: FRACTIONS})
    fingerprints = [f"{shape} {plan.full_size} {plan.settings}", *plan.rows.to_csv(index=False).splitlines()]
    return candidates, ImageSource(fingerprints, {IMAGES: shape}, make, labels=LABELS, phantoms=phantoms)


class _Films:
    """Make films and their edits; an edit begins with the film that the map holds, at the size of the generator.

    Args:
        plan: what makes them.
        path: the map of the stored pictures.
        row_of: where it holds a film without finding.
    """

    def __init__(self, plan: Synthesis, path: Path, row_of: Callable[[int], int]) -> None:
        self._plan, self._path, self._row_of = plan, path, row_of
        self._is_reduced = plan.full_size != plan.size
        if self._is_reduced:
            self._path = path.with_name(FULL_SIZE)
            if not self._path.exists():
                count = len(open_cache(path)) * plan.baselines // len(plan.rows)
                create_cache(self._path, (count, plan.full_size, plan.full_size))

    def generate(self, numbers: list[int]) -> Edited:
        """Return films without findings by their numbers."""
        drawn = self._plan.generator.generate(self._plan.rows.iloc[numbers], self._plan.full_size)
        films = [_refuse_blank(film) for film in drawn]
        if self._is_reduced:
            with RowWriter(self._path) as writer:
                for number, film in zip(numbers, films, strict=True):
                    if isinstance(film, Picture):
                        writer.write(self._row_of(number), film.pixels)
        return [self._stored(film) for film in films]

    def edit(self, numbers: list[int]) -> Edited:
        """Return edits by their numbers, each of the film that is its source."""
        films = [number % self._plan.baselines for number in numbers]
        sources = self._sources(films)
        present = sources.reshape(len(sources), -1).max(axis=1) > 0
        if not present.any():
            return [ImageError("no film to edit", "its source could not be made")] * len(numbers)
        # Filled up with copies: a network chooses its kernels by the shape of a batch.
        places = np.flatnonzero(present)
        filled = np.concatenate([places, np.repeat(places[-1:], len(numbers) - len(places))])
        made = list(self._plan.transform(sources[filled], self._plan.rows.iloc[[numbers[place] for place in filled]]))
        outcomes: list[Any] = [ImageError("no film to edit", "its source could not be made")] * len(numbers)
        for place, outcome in zip(places, made, strict=False):
            outcomes[place] = outcome if isinstance(outcome, ImageError) else self._stored(outcome)
        return outcomes

    def _sources(self, films: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Return the films, (n, H, W); black where one could not be made."""
        rows = [self._row_of(film) for film in films]
        sources = np.array(open_cache(self._path)[rows])
        lost = [place for place, film in enumerate(sources) if not film.any()] if self._is_reduced else []
        if lost:  # the full size of an interrupted build is gone, or the film was never made
            self.generate([films[place] for place in lost])
            sources = np.array(open_cache(self._path)[rows])
        return sources

    def _stored(self, film: Any) -> Any:
        """Return a picture at the size that is stored; why there is none stays as it is."""
        if isinstance(film, ImageError) or not self._is_reduced:
            return film
        return Picture(reduce_image(film.pixels, self._plan.size), film.facts)


def _refuse_blank(film: Picture | ImageError) -> Picture | ImageError:
    if isinstance(film, ImageError) or film.pixels.min() < film.pixels.max():
        return film
    return ImageError("blank picture", f"every pixel is {int(film.pixels.min())}")


def generator_of(editor: Editor, phantoms: Mapping[str, Phantom]) -> Generator:
    """Return what draws films from noise: phantoms, or the generator within an editor."""
    if phantoms:
        return PhantomGenerator(phantoms)
    return cast(Generator, editor)


def time_synthesis(plan: Synthesis) -> tuple[float, float]:
    """Return the seconds of a film and of an edit, from one batch of each; the second of two where they are short."""
    count = min(plan.batch_size, plan.baselines)
    films, edits = plan.rows.iloc[:count], plan.rows.iloc[plan.baselines : plan.baselines + count]
    pictures: list[Any] = []

    def generate() -> None:
        pictures[:] = plan.generator.generate(films, plan.full_size)

    def transform() -> None:
        blank = np.zeros((plan.full_size, plan.full_size), np.uint8)
        sources = [film.pixels if isinstance(film, Picture) else blank for film in pictures]
        plan.transform(np.stack(sources), edits)

    return _time(generate) / count, _time(transform) / count


def _time(work: Callable[[], None]) -> float:
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        if seconds > _AT_LEAST:
            break
    return max(seconds, 1e-6)
