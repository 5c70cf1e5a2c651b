"""Checks of build-dataset's options: those without effect on a dataset are refused rather than ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrshort import columns, registry
from cxrshort.datasets import cohorts
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.building.settings import READER
from cxrshort.datasets.phantom.catalogue import DATASETS as PHANTOMS
from cxrshort.datasets.repositories.parsing.label_maps import UNCERTAIN
from cxrshort.datasets.repositories.reading import AGE_UNITS, COVID_LABELS, LABELERS, ReadOptions
from cxrshort.errors import MissingInputError, UsageError

_BIMCV = ("bimcv+", "bimcv-")
_REPORTED = ("chexpert", "mimic-cxr", "folder")
"""Repositories whose labels may be uncertain."""

_READERS: dict[str, tuple[str, ...]] = {
    "include_other_findings": ("github-covid",),
    "covid_labels": _BIMCV,
    "uncertain": _REPORTED,
    "labeler": ("mimic-cxr",),
    "require_windowing": _BIMCV,
    "require_report": _BIMCV,
    "table": ("folder",),
    "column_map": ("folder",),
    "day_first": ("folder",),
    "views": (),
    "age_unit": (),
    "corrections": (),
}
"""The repositories that each way of reading is about; all of them where it names none."""


@dataclass(frozen=True)
class GivenOptions:
    """Hold what the command line says, by option; what is None, empty or false was not given.

    Args:
        phantom: for phantom datasets alone.
        benchmark: for benchmarks alone.
        files: for whatever is made of image files.
        downloads: for whatever lies below ``--root``: repositories, and the copies that benchmarks are made from.
        pixels: what has no place in a build that touches no image.
    """

    phantom: Mapping[str, object]
    benchmark: Mapping[str, object]
    files: Mapping[str, object]
    downloads: Mapping[str, object]
    pixels: Mapping[str, object]


def check_options(dataset: str, command: GivenOptions, options: ReadOptions) -> None:
    """Refuse the options that would change nothing about this dataset, and those that exclude each other.

    Raises:
        UsageError: naming the first of them, and what it is for.
        MissingInputError: a file that is named is not there.
    """
    is_phantom, is_benchmark = dataset in PHANTOMS, dataset in BENCHMARKS
    drawn = is_phantom or is_benchmark
    sources = [] if drawn else cohorts.source_names(dataset)  # a name that nobody knows is the first thing to say
    reason = f"'{dataset}' is {'drawn, not downloaded' if drawn else 'made of repositories'}"
    _refuse(command.phantom if not is_phantom else {}, "is for phantom datasets", reason)
    _refuse(command.benchmark if not is_benchmark else {}, "is for benchmarks", reason)
    _refuse(command.files if drawn else {}, "is for repositories", reason)
    _refuse(command.downloads if is_phantom else {}, "is for repositories and benchmarks", reason)
    read = {_option(name): _is_changed(options, name) for name in _READERS}
    _refuse(read if drawn else {}, "is for repositories", reason)
    if command.pixels["--shard"] and command.pixels["--merge"]:
        raise UsageError("--shard and --merge exclude each other", "give one of them")
    for option, value in command.pixels.items():
        if value and command.files["--metadata-only"]:
            raise UsageError(f"--metadata-only and {option} exclude each other", "give one of them")
    if command.files["--mask-pattern"] and not command.files["--masks"]:
        raise UsageError("--mask-pattern needs --masks", "such as --masks DIR --mask-pattern {stem}_lungs.png")
    _check_reading(dataset, options, sources)
    for option, path in (
        ("--masks", command.files["--masks"]),
        ("--table", options.table),
        ("--corrections", options.corrections),
    ):
        if isinstance(path, Path) and not path.exists():
            raise MissingInputError(f"'{path}' does not exist", f"{option} takes what is there")


def _is_changed(options: ReadOptions, name: str) -> bool:
    return bool(getattr(options, name) != getattr(ReadOptions(), name))


def _option(name: str) -> str:
    if name in READER:
        return f"--set {name}"
    return "--column" if name == "column_map" else f"--{name.replace('_', '-')}"


def _refuse(values: Mapping[str, object], purpose: str, reason: str) -> None:
    for option, value in values.items():
        if value not in (None, False, "", ()):
            raise UsageError(f"{option} {purpose}", reason)


def _check_reading(dataset: str, options: ReadOptions, sources: Sequence[str]) -> None:
    """Refuse words that no reader knows, and what none of the repositories reads."""
    for view in options.views:
        registry.check_name(columns.VIEWS, view, kind="view")
    registry.check_name(COVID_LABELS, options.covid_labels, kind="kind of COVID-19 label")
    registry.check_name(UNCERTAIN, options.uncertain, kind="reading of uncertain labels")
    registry.check_name(LABELERS, options.labeler, kind="labeler")
    registry.check_name(AGE_UNITS, options.age_unit, kind="reading of ages")
    for name, readers in _READERS.items():
        if _is_changed(options, name) and readers and not set(readers) & set(sources):
            if readers == ("folder",):
                raise UsageError(f"{_option(name)} is for --dataset folder", f"'{dataset}' comes with its own tables")
            raise UsageError(
                f"{_option(name)} is for {', '.join(readers)}", f"'{dataset}' is made of {', '.join(sources)}"
            )


def check_numbers(*, size: int | None, replicates: int, sample: int | None, per: str | None) -> None:
    """Refuse numbers out of range.

    Raises:
        UsageError: naming the number and its range.
    """
    if per is not None and sample is None:
        raise UsageError("--per needs --sample", "such as --sample 500 --per repository")
    if size is not None and not 8 <= size <= 4096:
        raise UsageError(f"--size is '{size}', it must be from 8 to 4096", "the papers use 224")
    if not 1 <= replicates <= 1000:
        raise UsageError(f"--replicates is '{replicates}', it must be from 1 to 1000", "the papers use 5")
