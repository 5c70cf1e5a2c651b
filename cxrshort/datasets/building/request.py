"""The request of a build: everything that decides what the dataset holds, in one record."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort.datasets import cohorts
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.building.image_source import ImageSource, of_benchmark, of_files, of_phantoms
from cxrshort.datasets.building.options import GivenOptions, check_numbers, check_options
from cxrshort.datasets.building.pixel_recipes import PixelRecipe, pixel_recipe
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.phantom import cohort as phantom_cohort
from cxrshort.datasets.phantom.catalogue import DATASETS as PHANTOMS
from cxrshort.datasets.phantom.planting import Planting, planting_from_options
from cxrshort.datasets.repositories.reading import ReadOptions

SIZE = 224
PHANTOM_IMAGES = 2000


@dataclass(frozen=True)
class BuildRequest:
    """Hold the options of a build as :func:`cxrshort.verbs.build_dataset.build_dataset` takes and explains them.

    What is None, empty or false was not asked for; properties and methods say what is taken in its place.
    """

    dataset: str
    root: Path | None = None
    size: int | None = None
    recipe: str | None = None
    fit: str | None = None
    test_fit: str | None = None
    equalise: bool = False
    replicates: int = 5
    seed: int = 0
    number_of_images: int | None = None
    confounding: float | None = None
    bias: float | None = None
    shortcuts: Sequence[str] = ()
    comorbidities: Sequence[str] = ()
    options: ReadOptions = dataclasses.field(default_factory=ReadOptions)
    confounder_strength: float | None = None
    masks: Path | None = None
    mask_patterns: Sequence[str] = ()
    where: str = ""
    sample: int | None = None
    per: str | None = None
    metadata_only: bool = False
    figures: bool = False

    def check(self, *, shard: str | None, merge: bool, scheduler: str | None) -> None:
        """Refuse numbers out of range, names that do not exist, and options that the dataset has no use for.

        Args:
            shard: as the verb takes it.
            merge: as the verb takes it.
            scheduler: as the verb takes it.

        Raises:
            UsageError: naming the option and its rule.
            MissingInputError: a file that is named is not there.
        """
        check_numbers(size=self.size, replicates=self.replicates, sample=self.sample, per=self.per)
        self.choose_pixel_recipe()  # refuses a name that does not exist
        command = GivenOptions(
            phantom={
                "--images": self.number_of_images,
                "--confounding": self.confounding,
                "--bias": self.bias,
                "--shortcut": tuple(self.shortcuts),
                "--comorbidity": tuple(self.comorbidities),
            },
            benchmark={"--set confounder_strength": self.confounder_strength},
            files={
                "--metadata-only": self.metadata_only,
                "--where": self.where,
                "--sample": self.sample,
                "--masks": self.masks,
                "--mask-pattern": tuple(self.mask_patterns),
                "--scheduler": scheduler,
                "--recipe": self.recipe,
                "--fit": self.fit,
                "--set test_fit": self.test_fit,
                "--equalise": self.equalise,
            },
            downloads={"--root": self.root},
            pixels={"--shard": shard, "--merge": merge, "--masks": self.masks, "--figures": self.figures},
        )
        check_options(self.dataset, command, self.options)
        self.choose_planting()

    def choose_pixel_recipe(self) -> PixelRecipe:
        """Return how files become squares."""
        return pixel_recipe(self.recipe, fit=self.fit, test_fit=self.test_fit, equalise=self.equalise)

    def choose_planting(self) -> Planting | None:
        """Return what a phantom dataset is drawn with; None for any other."""
        if self.dataset not in PHANTOMS:
            return None
        return planting_from_options(
            self.dataset,
            confounding=self.confounding,
            bias=self.bias,
            shortcuts=self.shortcuts,
            comorbidities=self.comorbidities,
        )

    @property
    def images(self) -> int | None:
        """Return the size of a phantom dataset, so that run.json can say it; None for any other."""
        if self.dataset in PHANTOMS and self.number_of_images is None:
            return PHANTOM_IMAGES
        return self.number_of_images

    @property
    def strength(self) -> float:
        """Return the share of the majority among a benchmark's training pictures."""
        return 1.0 if self.confounder_strength is None else self.confounder_strength

    def gather(self, *, root: Path, reading: ReadOptions) -> tuple[Candidates, ImageSource, int]:
        """Return the candidates, what their pixels are made from, and the side of the squares.

        Args:
            root: folder of the raw repositories.
            reading: how these are read.

        Raises:
            MissingInputError: a repository is not there.
            DataError: no radiograph remains.
        """
        if self.dataset in BENCHMARKS:
            return of_benchmark(self.dataset, root=root, size=self.size, strength=self.strength, seed=self.seed)
        side = self.size or SIZE
        if (planting := self.choose_planting()) is not None:
            phantoms = phantom_cohort.sample_planted(self.dataset, planting, images=self.images or 0, seed=self.seed)
            return *of_phantoms(phantoms, size=side), side
        candidates = cohorts.gather(self.dataset, root=root, options=reading, where=self.where)
        if self.sample is not None:
            candidates = cohorts.keep_sample(candidates, self.sample, per=self.per, seed=self.seed)
        return *of_files(candidates, size=side, recipe=self.choose_pixel_recipe()), side

    def planted(self, image_source: ImageSource) -> dict[str, Any]:
        """Return what run.json says about a phantom dataset; nothing about any other."""
        if (planting := self.choose_planting()) is None:
            return {}
        return {"planted": phantom_cohort.describe_planting(self.dataset, planting, image_source.phantoms)}

    def arguments(self, *, name: str, own_patients: str, size: int, reading: ReadOptions) -> Mapping[str, Any]:
        """Return what run.json records as the arguments, which ``resume`` compares.

        Args:
            name: of the dataset.
            own_patients: what its patient ids are of, see :class:`Candidates`.
            size: side of the squares in pixels.
            reading: how repositories are read.
        """
        planting = self.choose_planting()
        return {
            "dataset": self.dataset,
            "name": name,
            "own_patients": own_patients,
            "root": self.root,
            "size": size,
            **self.choose_pixel_recipe().record(),
            "replicates": self.replicates,
            "seed": self.seed,
            "images": self.images,
            **({} if planting is None else planting.arguments()),
            "confounder_strength": self.strength,
            "masks": self.masks,
            "mask_patterns": self.mask_patterns,
            "options": dataclasses.asdict(dataclasses.replace(reading, jobs=1, header_cache=None)),
            "where": self.where,
            "sample": self.sample,
            "per": self.per,
            "metadata_only": self.metadata_only,
            "figures": self.figures,
        }
