"""What tests of a swap-test share: a dataset with boxes, and a model whose logit is the mean brightness of a corner."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.images.prefetch import Source
from cxrshort.interventions.pairs import Candidates
from cxrshort.interventions.trial_scores import LabelScore, Scorer
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.sources.opening import Model, Reference

from ..training.tiny import tiny_manifest, write_dataset

FP32 = Compute("cpu", "fp32", 1)
SIDE = 32
CORNER = np.array([[0, 0, 16, 16]])
"""Where images of a positive are brighter."""
ELSEWHERE = np.array([[18, 18, 26, 26]])


def swap_dataset(folder: Path, *, people: int = 40, signal: int = 60) -> Dataset:
    """Write images of one person each, every other one positive and brighter in its upper left corner."""
    manifest = tiny_manifest(folder, people=people // 2)
    names = [f"tiny/P{number}" for number in range(len(manifest))]
    manifest = manifest.assign(patient_id=names, person_id=names, split_0="test", split_1="test")
    return load_dataset(str(write_dataset(folder, manifest, size=SIDE, signal=signal)))


def candidates_of(data: Dataset) -> Candidates:
    """Return all images of a dataset as candidates."""
    return Candidates(data, data.manifest["COVID-19"].to_numpy(dtype=float) == 1)


class CornerLogit(torch.nn.Module):
    """Return the brightness of the upper left corner as the second of two logits."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 2)."""
        corner = images[:, :1, :16, :16].mean(dim=(1, 2, 3)) * 10
        return torch.stack([torch.zeros_like(corner), corner], dim=1)


def corner_scorer(pixels: Source, *, batch_size: int = 8) -> Scorer:
    """Return what scores images by their corner."""
    spec = InputSpec(SIDE, channels=1, mean=(0.0,), std=(1.0,))
    description = Description("classifier", "small-cnn", ("Edema", "COVID-19"), spec)
    model = Model(
        Reference("corner", "corner", "0" * 8, description, {}),
        Classifier(CornerLogit(), labels=description.labels, spec=spec),
    )
    return Scorer(LabelScore(model, "COVID-19"), pixels, FP32, batch_size)


def box_table(data: Dataset, **boxes: list[int]) -> pd.DataFrame:
    """Return the same boxes for all images, by the name of their region."""
    return pd.DataFrame(
        [(name, region, *box) for name in data.manifest["image_id"] for region, box in boxes.items()],
        columns=["image_id", "region", "x0", "y0", "x1", "y1"],
    )
