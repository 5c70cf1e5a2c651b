"""A tiny audit: a dataset whose positives are brighter in one place, a painter in a CycleGAN's place, a classifier."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.attribution.explained_regions import RegionSources, read_regions
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.generative.cyclegan.audit.images import AuditedImages, choose_images
from cxrshort.generative.cyclegan.audit.regions import TransformedRegions
from cxrshort.generative.cyclegan.audit.run import AuditPlan
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import describe_model
from cxrshort.verbs.train import train

from ....training.tiny import tiny_dataset

COMPUTE = Compute("cpu", "fp32", 1)
CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
EXPRESSIONS = {"from": "COVID-19 == 0", "to": "COVID-19 == 1"}
PLANTED, INNOCENT = (0, 0, 12, 12), (18, 18, 30, 30)
SIZE, SIGNAL = 32, 25


def description(**changes: object) -> Description:
    """Return the description of a CycleGAN that was trained on nobody."""
    fields: dict = {"dataset": "other", "recipe": {"width": 4, "blocks": 1, "discriminator_width": 4}, **changes}
    labels = fields.pop("labels", (EXPRESSIONS["from"], EXPRESSIONS["to"]))
    return Description("cyclegan", "cyclegan", labels, InputSpec(SIZE, 1, (0.5,), (0.5,)), **fields)


@dataclass
class Painter:
    """Brighten the planted box in one direction and darken it in the other, of images that need it alone.

    Args:
        amount: of 255; an image counts as bright where its box is brighter than the rest by half of it.
        careless: whether images that need no change are changed all the same.
    """

    amount: int = SIGNAL
    careless: bool = False
    size: int = SIZE

    def transform_pixels(self, pixels: np.ndarray, direction: str) -> np.ndarray:
        """Return painted images."""
        x0, y0, x1, y1 = PLANTED
        painted = pixels.astype(np.int64)
        for image in painted:
            bright = image[y0:y1, x0:x1].mean() - image[16:, 16:].mean() > self.amount / 2
            if self.careless or bright == (direction == "from"):
                image[y0:y1, x0:x1] += self.amount if direction == "to" else -self.amount
        return np.clip(painted, 0, 255).astype(np.uint8)


def make_home(folder: Path, *, people: int = 100) -> Path:
    """Write the dataset ``tiny``, a classifier ``run`` of it, and ``boxes.csv`` with a planted and an innocent box."""
    tiny_dataset(folder / "tiny", people=people, signal=SIGNAL, size=SIZE)
    train(str(folder / "tiny"), arch="small-cnn", overrides={"epochs": 4}, out=folder / "run", **CPU)
    names = load_dataset(str(folder / "tiny")).manifest["image_id"]
    rows = [(name, region, *box) for name in names for region, box in (("planted", PLANTED), ("innocent", INNOCENT))]
    pd.DataFrame(rows, columns=["image_id", "region", "x0", "y0", "x1", "y1"]).to_csv(folder / "boxes.csv", index=False)
    return folder


def make_plan(home: Path, *, images: int | None = None) -> AuditPlan:
    """Return what is audited: the test fold, with the classifier of :func:`make_home`."""
    data, reference = load_dataset(str(home / "tiny")), describe_model(str(home / "run"))
    chosen = choose(home, images=images)
    return AuditPlan("gan", description(), [reference], ["COVID-19"], data, chosen)


def choose(home: Path, *, images: int | None = None, **changes: object) -> AuditedImages:
    """Return the images of both sides in the test fold."""
    data = load_dataset(str(home / "tiny"))
    options: dict = {"split": "test", "expressions": EXPRESSIONS, "images": images, "seed": 0, **changes}
    models = options.pop("models", {"gan": description()})
    return choose_images(data, models, **options)


def cut_regions(home: Path, images: AuditedImages) -> TransformedRegions:
    """Return the regions of the audited images, the two boxes among them."""
    cut, _ = read_regions(images.data, RegionSources(boxes=home / "boxes.csv"), compute=COMPUTE)
    return TransformedRegions(cut, images.rows)
