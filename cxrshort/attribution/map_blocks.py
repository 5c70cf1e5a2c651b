"""Maps of a whole population, block by block on the disk, and with them what only the scan knows.

Each map is a function of its image, the seed and the batches that images are cut into, which are the same for any
number of processes and after any interruption: so are its bytes. What is read off a map later (shares, contributions)
needs no second explanation; what is gone with the scan is written beside it: the logit, that of the start of the path,
and the standard error of each region's share over the random draws.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import distributed, files, runs
from cxrshort.attribution.background import Background
from cxrshort.attribution.completeness import image_logits, start_logits
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.draws import standard_errors
from cxrshort.attribution.explained_images import ExplainedImages
from cxrshort.attribution.explained_regions import ExplainedRegions
from cxrshort.attribution.method_settings import check_gradients
from cxrshort.compute import Compute, seeded_generator
from cxrshort.images.cache import RowWriter, create_cache, open_array
from cxrshort.images.prefetch import Indices, Source, prefetched
from cxrshort.models.blocks import BlockArray, fill_blocks, forget_blocks
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import class_log_odds
from cxrshort.models.scoring import scan
from cxrshort.models.sources.opening import Reference, open_model
from cxrshort.stats.midranks import Floats

MAPS = "maps.npy"
NUMBERS = ".numbers.npy"
"""The rows of what only the scan knows: logit, logit at the start, standard errors; removed when the run is done."""
STREAMED = 8
"""Images of a batch where each takes many passes through the network: enough to fill the batches of passes."""
BATCHES = 8
"""Batches of a block, whose work an interruption loses; several processes share them."""

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class MapJob:
    """Hold what maps are made of.

    Args:
        classifier: the model, on the device.
        pixels: the images as the model is shown them.
        explained: a row per map.
        method: how maps are made.
        settings: of the method.
        backgrounds: the references by output; empty for methods that take none.
        regions: whose shares' errors are wanted.
        seed: of the random draws.
        batch_size: images, or pairs of an image and a reference, that are in the network at the same time.
        compute: device and processes.
    """

    classifier: nn.Module
    pixels: Source
    explained: ExplainedImages
    method: AttributionMethod
    settings: Any
    backgrounds: Mapping[int, Background]
    regions: ExplainedRegions
    seed: int
    batch_size: int
    compute: Compute

    @property
    def images_at_once(self) -> int:
        """Return how many images make a batch."""
        single = self.method.requires.gradients and self.method.starts is None and not self.method.draws
        return self.batch_size if single else min(self.batch_size, STREAMED)

    @property
    def array(self) -> BlockArray:
        """Return the file of the maps and its blocks."""
        shape = (len(self.explained.table), *self.pixels.image_shape[-2:])
        return BlockArray(MAPS, shape, block=BATCHES * self.images_at_once, unit="maps")


@dataclass(frozen=True, eq=False)
class Maps:
    """Hold the maps of a population and what only the scan knows; without rows in all processes but the first.

    Args:
        maps: (N, H, W) float32, a memory map.
        logits: (N,).
        starts: (N,) logits at the start of the paths; NaN where the method has none.
        errors: (N, R) standard error of each region's share over random draws; NaN where the method draws nothing.
    """

    maps: npt.NDArray[np.float32]
    logits: Floats
    starts: Floats
    errors: Floats


class _MapSource:
    """Cut the image of each map.

    Args:
        pixels: of the images.
        images: (N,) the image of each map.
    """

    def __init__(self, pixels: Source, images: Indices) -> None:
        self._pixels, self._images = pixels, images

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image."""
        return tuple(self._pixels.image_shape)

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self._images)

    def take(self, indices: Indices) -> npt.NDArray[Any]:
        """Return the images of these maps."""
        return self._pixels.take(self._images[indices])


class LogOdds(Classifier):
    """Return the log-odds of each class of a softmax, since a class's own logit says nothing without the others'.

    Args:
        classifier: whose network returns the logits of exclusive classes.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier.network, labels=classifier.labels, spec=classifier.spec, head=classifier.head)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-odds (N, L)."""
        return class_log_odds(super().forward(images))


def open_classifier(reference: Reference, method: AttributionMethod, pixels: Source, *, compute: Compute) -> Classifier:
    """Return the network that is explained, on its device; of exclusive classes, their log-odds.

    Args:
        reference: the model.
        method: that is to look into it.
        pixels: of the images, of which the first is tried.
        compute: the device.

    Raises:
        UsageError: the method needs gradients, and the model has none.
    """
    classifier = open_model(reference, compute).classifier
    if reference.outputs.name == "multiclass":
        classifier = LogOdds(classifier).to(compute.torch_device).eval()
    _, image = next(prefetched(pixels, [np.arange(1)], device=compute.torch_device))
    check_gradients(method, classifier, image, name=reference.title)
    return classifier


def make_maps(
    job: MapJob, run: runs.Run, *, settings: Mapping[str, Any], resume: bool = False, report: Report = runs.ignore_event
) -> Maps:
    """Explain every image, in blocks that an interruption does not lose.

    Args:
        job: what is explained, and how.
        run: the run folder.
        settings: everything that the maps depend on, as JSON values.
        resume: go on where an interrupted run has stopped.
        report: takes events of the progress.

    Raises:
        UsageError: the interrupted run had other settings.
        OutputError: the maps cannot be written.
    """
    array, width = job.array, 2 + len(job.regions.names)
    numbers = run.path(NUMBERS)
    explain = _Explainer(job)
    source = _MapSource(job.pixels, job.explained.images)

    def work(positions: Indices) -> npt.NDArray[Any]:
        done = 0

        def explain_batch(images: Tensor, indices: Indices) -> npt.NDArray[np.float32]:
            nonlocal done
            rows = explain(images, indices)
            done = min(done + job.compute.processes * len(indices), len(positions))
            report({"event": array.unit, "done": int(positions[0]) + done, "of": array.shape[0]})
            return rows

        scanned = scan(
            explain_batch,
            source,
            model=job.classifier,
            compute=job.compute,
            batch_size=job.images_at_once,
            rows=positions,
            gradients=True,
            shrink=True,
        )
        write = partial(_write_numbers, numbers, positions, scanned[:, :width], count=array.shape[0])
        distributed.on_first_rank(write, job.compute)
        return scanned[:, width:].reshape(-1, *array.shape[1:])

    maps = fill_blocks(run, array, work, settings=settings, compute=job.compute, resume=resume, report=report)
    rows = np.zeros((0, width)) if run.read_only else _read_numbers(numbers).astype(np.float64)
    return Maps(maps, rows[:, 0], rows[:, 1], rows[:, 2:])


def forget_scan(run: runs.Run, job: MapJob) -> None:
    """Remove what only an interrupted run needs, right before the run is finished."""
    forget_blocks(run, job.array)
    if not run.read_only:
        run.path(NUMBERS).unlink(missing_ok=True)


class _Explainer:
    """Explain batches: logit, start, errors of shares and map of each image in one row.

    Args:
        job: what is explained, and how.
    """

    def __init__(self, job: MapJob) -> None:
        self._job = job
        self._output = -1
        self._references: Tensor | None = None
        self._start: Tensor | None = None

    def __call__(self, images: Tensor, indices: Indices) -> npt.NDArray[np.float32]:
        """Return a row per image: (n, 2 + R + H W)."""
        outputs = self._job.explained.outputs[indices]
        parts = []
        for output in dict.fromkeys(outputs.tolist()):  # maps are in the order of labels
            places = np.flatnonzero(outputs == output)
            parts.append(self._explain(images[torch.from_numpy(places).to(images.device)], indices[places], output))
        return np.concatenate(parts)

    def _explain(self, images: Tensor, indices: Indices, output: int) -> npt.NDArray[np.float32]:
        job = self._job
        self._open(output)
        outputs = torch.full((len(images),), output)
        positions = job.explained.positions[job.explained.images[indices]]
        options: dict[str, Any] = {
            "settings": job.settings,
            "references": self._references,
            "batch_size": job.batch_size,
            "generators": [seeded_generator(job.seed, int(position)) for position in positions]
            if job.method.requires.generators
            else [],
        }
        if job.method.draws:
            groups = job.method.groups(job.classifier, images, outputs, **options)
            errors = self._share_errors(groups, job.explained.images[indices])
            maps = groups.sum(dim=1)
        else:
            maps = job.method(job.classifier, images, outputs, **options)
            errors = np.full((len(images), len(job.regions.names)), np.nan, np.float32)
        logits = image_logits(job.classifier, images, outputs, batch_size=job.batch_size)
        starts = self._starts(images, outputs)
        columns = [logits.float().cpu().numpy()[:, None], starts[:, None], errors, maps.flatten(1).cpu().numpy()]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _open(self, output: int) -> None:
        """Hold the references of one label at a time; each is opened once, since maps are in the order of labels."""
        background = self._job.backgrounds.get(output)
        if output != self._output:
            device = self._job.compute.torch_device
            self._references = None if background is None else background.images(device)
            self._output, self._start = output, None

    def _starts(self, images: Tensor, outputs: Tensor) -> npt.NDArray[np.float32]:
        """Return the logit at the start of each path; where references are the start, they are looked at once."""
        job = self._job
        if job.method.starts is None:
            return np.full(len(images), np.nan, np.float32)
        find = partial(start_logits, job.method, job.classifier, settings=job.settings, batch_size=job.batch_size)
        if job.method.requires.references:
            if self._start is None:
                self._start = find(images[:1], outputs[:1], references=self._references)
            return self._start.expand(len(images)).float().cpu().numpy()
        return find(images, outputs).float().cpu().numpy()

    def _share_errors(self, groups: Tensor, images: Indices) -> npt.NDArray[np.float32]:
        """Return the standard error of each region's share, (n, R); NaN where the region is unknown."""
        areas, available = self._job.regions.take(images)
        weights = torch.from_numpy(areas).to(groups.device).flatten(2).to(groups.dtype)

        def shares(maps: Tensor) -> Tensor:
            absolute = maps.abs().flatten(1)
            return torch.einsum("nrp,np->nr", weights, absolute) / absolute.sum(dim=1, keepdim=True)

        errors = standard_errors(groups, shares).float().cpu().numpy()
        return np.where(available, errors, np.float32(np.nan)).astype(np.float32)


def _write_numbers(path: Any, positions: Indices, rows: npt.NDArray[np.float32], *, count: int) -> None:
    """Write the rows of a block, and sync them before the journal counts the block."""
    shape = (count, rows.shape[1])
    if positions[0] == 0 or not path.exists():
        create_cache(path, shape, np.float32)
    with files.writing(path):
        with RowWriter(path) as writer:
            for position, row in zip(positions.tolist(), rows, strict=True):
                writer.write(position, np.ascontiguousarray(row, np.float32))
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())


def _read_numbers(path: Any) -> npt.NDArray[np.float32]:
    again = "--force starts over"
    return cast("npt.NDArray[np.float32]", open_array(path, kind="a whole .npy array", missing=again, damaged=again))
