"""What a distillation reports of student and teacher."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.compute import Compute
from cxrshort.training.objectives.tea import TEA, TEASettings
from cxrshort.training.teacher import Teacher
from cxrshort.training.teaching import AGREEMENT, draw_teaching, summarise_teaching

from .teacher_files import classifier, segmenter
from .tiny import png_signature

FP32 = Compute("cpu", "fp32", 1)
BEST = {"epoch": 2, "val_loss": 0.5, "score": 0.7, "logit_correlation": 0.9, "teacher_score": 0.8}


class Noise:
    """Hold a few images."""

    image_shape = (32, 32)

    def __len__(self) -> int:
        return 5

    def take(self, indices: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (len(indices), 32, 32), np.uint8)


@pytest.mark.parametrize("segmented", [False, True])
def test_teacher_in_use_is_counted_with_its_segmenter(segmented: bool) -> None:
    student, (network, description), outlines = classifier(arch="resnet18")[0], classifier(), segmenter()[0]
    objective = TEA(TEASettings(background="noise", init="random", output_bias="zero"))
    objective.skipped += 3
    student.train()
    summary = summarise_teaching(
        student,
        Teacher(network, description, "runs/teacher", "abc"),
        objective,
        BEST,
        segmenter=outlines if segmented else None,
        pixels=Noise(),  # type: ignore[arg-type]
        compute=FP32,
    )
    assert student.training  # timing left it as it was
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (student, network, outlines)]
    in_use = summary["in_use"]
    assert in_use["student"]["parameters"] == sizes[0]
    assert in_use["teacher"]["parameters"] == sizes[1] + segmented * sizes[2]
    assert in_use["student"]["images_per_second"] > 0 and in_use["teacher"]["images_per_second"] > 0
    assert summary["teacher"] == {
        "model": "runs/teacher",
        "training_id": "abc",
        "background": "noise",
        "patients_known": True,
        "learns_on": False,
    }
    assert summary["distillation"] == {
        "method": "tea",
        "init": "random",
        "freeze_last": False,
        "output_bias": "zero",
        "logit_correlation": 0.9,
        "teacher_score": 0.8,
        "val_loss": 0.5,
        "images_skipped": 3,
    }


def test_patients_of_a_network_of_unknown_training_are_not_known() -> None:
    teacher, student = Teacher(classifier()[0]), classifier()[0]
    summary = summarise_teaching(student, teacher, TEA(), BEST, segmenter=None, pixels=Noise(), compute=FP32)  # type: ignore[arg-type]
    assert summary["teacher"]["patients_known"] is False


def test_agreement_is_drawn_epoch_by_epoch(tmp_path: Path) -> None:
    first = {"epoch": 1, "val_loss": 0.9, "score": 0.5, "logit_correlation": 0.1}  # a teacher without a score
    draw_teaching([first, BEST], BEST, tmp_path / AGREEMENT, measure="AUC of Edema", method="tea")
    assert png_signature(tmp_path / AGREEMENT)
