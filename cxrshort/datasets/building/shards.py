"""Builds cut into shards: several processes, on one machine or on many, make the pixels of one dataset.

Shard i of n makes every n-th candidate, beginning with the i-th, in a run folder of its own within the dataset folder.
No shard looks at another one, so that they need no order. What makes a merged dataset invalid would
be shards of different plans: each journal carries the whole plan, and another one is refused.
"""

import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort import files, forecasts, locks, runs
from cxrshort.datasets.building import assembly
from cxrshort.datasets.building.assembly import Build
from cxrshort.datasets.building.image_source import ImageSource, part_of
from cxrshort.datasets.building.journal import Journal, read_journal
from cxrshort.errors import DataError, MissingInputError, OutputError, UsageError
from cxrshort.images.cache import open_cache

SHARDS = ".shards"
_COPY_ROWS = 256


@dataclass(frozen=True)
class Shard:
    """Name one part of a build.

    Args:
        number: which part, 1 to ``of``.
        of: number of parts.
    """

    number: int
    of: int

    def __str__(self) -> str:
        """Return the shard as users write it."""
        return f"{self.number}/{self.of}"

    def rows(self, count: int) -> range:
        """Return which of ``count`` candidates belong to this shard."""
        return range(self.number - 1, count, self.of)

    def folder(self, dataset: Path) -> Path:
        """Return where the shard lies in a dataset folder."""
        return dataset / SHARDS / f"{self.number}-of-{self.of}"

    def image_source(self, whole: ImageSource, count: int) -> ImageSource:
        """Return the image source of this shard's candidates."""
        return part_of(whole, self.rows(count), name=f"shard {self}")


def parse_shard(text: str) -> Shard:
    """Read a shard written as ``i/n``.

    Raises:
        UsageError: the text is not of that form, or i is not within 1 to n.

    Example:
        >>> parse_shard("2/4").rows(11)
        range(1, 11, 4)
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise UsageError(f"--shard is '{text}', it must be I/N with I from 1 to N", "such as --shard 1/4")


@contextlib.contextmanager
def opened(
    shard: Shard,
    folder: Path,
    *,
    arguments: Mapping[str, Any],
    inputs: Iterable[Path] = (),
    force: bool,
    verb: str = "build-dataset",
) -> Iterator[runs.Run]:
    """Open the run folder of a shard, new or begun before, while others may be at work in the same dataset folder.

    Args:
        shard: which part.
        folder: the dataset folder.
        arguments: what the user asked for.
        inputs: files and folders that are read.
        force: start this shard over; a finished dataset stays until the merge.
        verb: the command that makes the dataset.

    Yields:
        The run of the shard, which no other process writes meanwhile.

    Raises:
        OutputError: the dataset folder holds something else or an input, cannot be written, or another process is at
            work on this shard.
    """
    runs.share_folder(folder, verb, arguments=arguments, output=SHARDS, inputs=inputs, force=force)
    shard_arguments = {**arguments, "shard": str(shard)}
    with runs.open_run(shard.folder(folder), verb, arguments=shard_arguments, force=force, resume=not force) as run:
        yield run


def open_whole(
    folder: Path,
    verb: str,
    *,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Path],
    force: bool,
    resume: bool,
    merge: bool,
) -> AbstractContextManager[runs.Run]:
    """Open the dataset folder for one process that makes all images, or that merges the shards of others.

    Args:
        folder: the dataset folder.
        verb: the command that makes the dataset.
        arguments: what the user asked for.
        inputs: what is read, by name.
        force: start over where a dataset exists.
        resume: go on where one was interrupted.
        merge: build the dataset from its shards.

    Raises:
        OutputError: the folder holds something else, or shards that would be lost; or it cannot be written.
    """
    if merge:
        # The shards made the folder an unfinished run, or stand beside a finished one that --force is to replace.
        replace = force and (folder / runs.DONE).exists()
        force, resume = replace, not replace
    elif not force:
        refuse_unmerged(folder)
    return runs.open_run(folder, verb, arguments=arguments, inputs=inputs, force=force, resume=resume)


def make_shard(shard: Shard, build: Build, count: int, *, report: Callable[[int, int], None]) -> dict[str, Any]:
    """Make the pixels of one shard.

    Args:
        shard: which part.
        build: the shard's own run and image source.
        count: number of all candidates.
        report: takes (done, all) of this shard as work proceeds.

    Returns:
        ``shard``, ``images``, ``refused`` (reason to count) and ``folder``.
    """
    journal = assembly.fill(build, len(shard.rows(count)), report=report)
    reasons = Counter(result["reason"] for result in journal.results.values() if result.get("reason"))
    return {
        "shard": str(shard),
        "images": len(journal.results) - reasons.total(),
        "refused": dict(sorted(reasons.items())),
        "folder": str(build.run.folder),
    }


def read_shards(folder: Path, *, image_source: ImageSource, count: int) -> dict[Shard, dict[int, dict[str, Any]]]:
    """Return the shards of a dataset folder and their results, once all of them are there and finished.

    Args:
        folder: the dataset folder.
        image_source: of all candidates.
        count: number of all candidates.

    Raises:
        MissingInputError: there are none, or some are missing or not finished; the message names them.
        DataError: there are shards of several cuts.
        UsageError: a shard was made from other images or settings.
    """
    of = _number_of_shards(folder)
    results, lacking = {}, []
    for shard in (Shard(number, of) for number in range(1, of + 1)):
        expected = len(shard.rows(count))
        try:
            fingerprints = shard.image_source(image_source, count).fingerprints
            results[shard] = read_journal(shard.folder(folder) / assembly.JOURNAL, fingerprints=fingerprints)
        except MissingInputError:
            lacking.append(f"{shard} (not begun)")
            continue
        if len(results[shard]) < expected:
            lacking.append(f"{shard} ({len(results[shard])} of {expected} images)")
    if lacking:
        listed = ", ".join(lacking[:10]) + (", ..." if len(lacking) > 10 else "")
        raise MissingInputError(
            f"{len(lacking)} of the {of} shards of '{folder}' are not complete: {listed}",
            f"run the same command with --shard {lacking[0].split()[0]} instead of --merge",
        )
    return results


def _number_of_shards(folder: Path) -> int:
    """Return into how many shards the dataset was cut."""
    home = folder / SHARDS
    names = [entry.name for entry in home.iterdir()] if home.is_dir() else []
    cuts = sorted({int(match[1]) for name in names if (match := re.fullmatch(r"[0-9]+-of-([0-9]+)", name))})
    if not cuts:
        raise MissingInputError(f"'{folder}' holds no shards", "make them with --shard 1/N to --shard N/N")
    if len(cuts) > 1:
        listed = " and ".join(map(str, cuts))
        raise DataError(f"'{folder}' is cut in several ways, into {listed} shards", f"remove one kind from '{home}'")
    return cuts[0]


def merge_shards(
    build: Build,
    shards: Mapping[Shard, Mapping[int, Mapping[str, Any]]],
    count: int,
    *,
    report: Callable[[int, int], None],
) -> Journal:
    """Put the rows of all shards into the maps of a build, as if it had made them itself.

    Args:
        build: where the whole dataset is made.
        shards: from `read_shards`.
        count: number of all candidates.
        report: takes (done, all) as work proceeds.
    """
    assembly.create_maps(build, count)
    journal = Journal(build.journal, fingerprints=build.image_source.fingerprints)
    for shard, results in shards.items():
        rows = shard.rows(count)
        with locks.only_writer(shard.folder(build.run.folder)):
            for name in build.image_source.caches:
                _copy(build, shard, name, rows)
        journal.append([{**results[row], "row": rows[row]} for row in range(len(rows))])
        report(len(journal.results), count)
    return journal


def _copy(build: Build, shard: Shard, name: str, rows: range) -> None:
    source = open_cache(shard.folder(build.run.folder) / build.partial(name).name)
    target = open_cache(build.partial(name), "r+")
    for start in range(0, len(rows), _COPY_ROWS):
        block = rows[start : start + _COPY_ROWS]
        target[block.start : block.stop : block.step] = source[start : start + _COPY_ROWS]
    target.flush()


def refuse_unmerged(folder: Path) -> None:
    """Refuse to build from scratch what shards have begun.

    Raises:
        OutputError: the dataset folder holds shards and no dataset.
    """
    if (folder / SHARDS).exists() and not (folder / runs.DONE).exists():
        raise OutputError(f"'{folder}' holds shards", "--merge builds the dataset from them, --force starts over")


def preview_dataset_folder(
    folder: Path,
    *,
    inputs: Iterable[Path],
    force: bool,
    resume: bool,
    part: bool,
    merge: bool,
    verb: str = "build-dataset",
) -> dict[str, str]:
    """Return what a build would do with the dataset folder, as :func:`cxrshort.forecasts.preview_folder` does."""
    if part or merge:  # goes on with what other shards have begun, and never with what is finished
        resume = not (folder / runs.DONE).exists()
    elif not force:
        try:
            refuse_unmerged(folder)
        except OutputError as error:
            return {"folder": str(folder), "fate": "refused", "reason": error.message, "hint": error.hint}
    return forecasts.preview_folder(folder, verb, inputs=inputs, force=force, resume=resume)


def discard(folder: Path) -> None:
    """Remove the shards of a dataset folder that is complete."""
    if (folder / SHARDS).exists():
        with files.writing(folder):
            shutil.rmtree(folder / SHARDS)
