"""Writing edited datasets: in one process, as a shard of several, or merged from shards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cxrshort import distributed, runs
from cxrshort.compute import Compute
from cxrshort.dataset import IMAGES
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.overview import shard_result
from cxrshort.results import Result
from cxrshort.verbs.roentmod.edited_films import edit_blocks, edits_table

Report = Callable[[Mapping[str, Any]], None]

VERB = "roentmod edit"
SHEET = "edits.png"


@dataclass(frozen=True)
class EditOutput:
    """Hold where edits are written, and how a folder that exists is treated.

    Args:
        folder: the dataset folder.
        arguments: what the user asked for.
        inputs: what is read, by name.
        part: the shard that is made here; None makes all edits.
        merge: write the dataset from its shards.
        force: start over where a dataset exists.
        resume: go on where edits were interrupted.
        verb: the command that makes the dataset.
        describe: returns what people see of the finished dataset, from its summary and folder; None describes edits.
    """

    folder: Path
    arguments: Mapping[str, Any]
    inputs: Mapping[str, Path]
    part: shards.Shard | None
    merge: bool
    force: bool
    resume: bool
    verb: str = VERB
    describe: Callable[[Mapping[str, Any], Path], Result] | None = None

    def rows(self, count: int) -> range:
        """Return which edits are made here."""
        return self.part.rows(count) if self.part else range(count)

    def preview(self) -> dict[str, str]:
        """Return what would become of the folder."""
        return shards.preview_dataset_folder(
            self.folder,
            inputs=self.inputs.values(),
            force=self.force,
            resume=self.resume,
            part=self.part is not None,
            merge=self.merge,
            verb=self.verb,
        )


def write_edits(
    output: EditOutput,
    candidates: Candidates,
    source: ImageSource,
    *,
    settings: DatasetSettings,
    draw: Callable[..., None],
    compute: Compute,
    report: Report,
) -> Result:
    """Make all edits, or those of a shard; several processes make a shard each, and the first one merges them.

    Args:
        output: where to.
        candidates: the edits.
        source: makes their pixels.
        settings: name, recipe and facts of the dataset.
        draw: draws the contact sheet of a manifest into ``path``.
        compute: says how many processes there are.
        report: takes progress events.

    Raises:
        MissingInputError: shards to merge are not complete.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted.
    """
    count, folder = len(candidates.rows), output.folder
    if output.part is not None:
        return _make_shard(output, output.part, source, count, report=report)
    merge = output.merge
    if compute.processes > 1 and not merge:
        _make_shard(output, shards.Shard(compute.rank + 1, compute.processes), source, count, report=report)
        distributed.any_rank(torch.zeros(1), compute)  # waits for all
        merge = True
    if compute.rank:
        return Result()
    from_scratch = output.force or not (folder / runs.DONE).exists()  # otherwise refused by what follows
    finished = shards.read_shards(folder, image_source=source, count=count) if merge and from_scratch else None
    with shards.open_whole(
        folder,
        output.verb,
        arguments=output.arguments,
        inputs=output.inputs,
        force=output.force,
        resume=output.resume,
        merge=merge,
    ) as run:
        summary = write_dataset(
            run,
            candidates,
            source,
            settings=settings,
            report=_image_reporter(report),
            draw=partial(draw, path=run.path(SHEET)),
            finished=finished,
        )
    return (output.describe or edit_result)(summary, folder)


def _make_shard(output: EditOutput, part: shards.Shard, source: ImageSource, count: int, *, report: Report) -> Result:
    inputs = output.inputs.values()
    with shards.opened(
        part, output.folder, arguments=output.arguments, inputs=inputs, force=output.force, verb=output.verb
    ) as run:
        build = assembly.Build(run, part.image_source(source, count), source.caches[IMAGES][-1], 1)
        return shard_result(shards.make_shard(part, build, count, report=_image_reporter(report)), run.folder)


def _image_reporter(report: Report) -> Callable[[int, int], None]:
    return lambda done, count: report({"event": "edits", "done": done, "of": count})


def edit_result(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return what was made, the same for a finished run that --resume finds."""
    table = edits_table(folder)
    sheet = folder / SHEET
    return Result(
        {**summary, "edits": table},
        edit_blocks(summary, table),
        [sheet] if sheet.is_file() else [],
        summary["notes"],
        folder,
        kind="dataset",
    )
