"""Maps of a population: those of the method, whatever the batch, and what the scan knows beside them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort import runs
from cxrshort.attribution.completeness import completeness
from cxrshort.attribution.map_blocks import MAPS, LogOdds, forget_scan, make_maps, open_classifier
from cxrshort.attribution.method_settings import read_method
from cxrshort.attribution.shares import share_standard_errors
from cxrshort.compute import seeded_generator
from cxrshort.errors import UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.outputs import class_log_odds
from cxrshort.models.sources.opening import describe_model

from ..models.sources.test_onnx import write
from .population import CPU, DESCRIPTION, Population, job, population


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Population:
    return population(tmp_path_factory.mktemp("people"), labels=("COVID-19", "Edema"), people=10)


def make(folder: Path, people: Population, **options):
    work = job(people, **options)
    run = runs.start_run(folder, "explain", arguments={})
    return work, run, make_maps(work, run, settings={"seed": 0})


def test_maps_errors_and_logits_are_those_of_the_method(people: Population, tmp_path: Path) -> None:
    work, _, maps = make(tmp_path / "run", people, texts=("samples=20",))
    assert maps.maps.shape == (40, 16, 16)
    images = torch.from_numpy(people.data.pixels.take(np.arange(20))[:, None] / np.float32(255))
    references = work.backgrounds[0].images()
    for output, rows in ((0, slice(0, 20)), (1, slice(20, 40))):
        outputs = torch.full((20,), output)
        options = {"settings": work.settings, "references": references}
        generators = [seeded_generator(0, position) for position in range(20)]
        groups = work.method.groups(work.classifier, images, outputs, generators=generators, **options)
        # Passes are cut into other batches, whose sums differ in the last bits.
        torch.testing.assert_close(torch.from_numpy(maps.maps[rows].copy()), groups.sum(1), rtol=1e-4, atol=1e-7)
        sums = completeness(work.method, work.classifier, images, outputs, maps=groups.sum(1), **options)
        np.testing.assert_allclose(maps.logits[rows] - maps.starts[rows], sums.differences, atol=1e-6)
        regions = people.regions.take(np.arange(20))
        errors = share_standard_errors(groups.transpose(0, 1).numpy(), regions, names=people.regions.names)
        np.testing.assert_allclose(maps.errors[rows], errors, rtol=1e-3, atol=1e-6)
    assert np.isnan(maps.errors[:, people.regions.names.index("marker")]).all()


@pytest.mark.parametrize("method", ["gradient", "occlusion", "integrated-gradients", "smoothgrad"])
def test_what_a_method_does_not_have_is_missing(people: Population, tmp_path: Path, method: str) -> None:
    work, _, maps = make(tmp_path / "run", people, method=method)
    drawn, path = method == "smoothgrad", method == "integrated-gradients"
    assert np.isfinite(maps.starts).all() == path and np.isfinite(maps.errors).any() == drawn
    assert np.isfinite(maps.logits).all()
    assert work.images_at_once == 8


def test_single_passes_take_the_whole_batch_and_streams_some_images(people: Population) -> None:
    assert job(people, method="gradient", batch_size=64).images_at_once == 64
    assert job(people, batch_size=64).images_at_once == 8
    assert job(people, batch_size=4).images_at_once == 4


def test_what_an_interrupted_run_needs_is_removed_at_the_end(people: Population, tmp_path: Path) -> None:
    work, run, _ = make(tmp_path / "run", people, method="gradient")
    hidden = [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
    assert sorted(hidden) == [".maps.npy.journal.json", ".numbers.npy"]
    forget_scan(run, work)
    run.finish()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {MAPS, "run.json"}


def test_progress_counts_maps(people: Population, tmp_path: Path) -> None:
    events = []
    work = job(people, method="gradient")
    run = runs.start_run(tmp_path / "run", "explain", arguments={})
    make_maps(work, run, settings={}, report=events.append)
    assert {event["event"] for event in events} == {"maps"} and events[-1] == {"event": "maps", "done": 40, "of": 40}
    counts = [event["done"] for event in events]
    assert counts == sorted(counts) and set(counts) >= {8, 16, 24, 32, 40}


def test_classes_of_a_softmax_are_explained_by_their_log_odds(people: Population) -> None:
    classifier = factory.build_model(DESCRIPTION, seed=1).eval()
    images = torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(LogOdds(classifier)(images), class_log_odds(classifier(images)))


def test_model_is_opened_on_the_device_with_its_log_odds(people: Population, tmp_path: Path) -> None:
    for name, recipe, kind in (("a", {}, False), ("b", {"task": "multiclass"}, True)):
        description = checkpoint.Description(
            "classifier", "small-cnn", DESCRIPTION.labels, DESCRIPTION.spec, recipe=recipe
        )
        path = tmp_path / f"{name}.safetensors"
        checkpoint.save_model(factory.build_model(description, seed=1), path, description=description)
        method, _ = read_method("gradient")
        classifier = open_classifier(describe_model(str(path)), method, people.data.pixels, compute=CPU)
        assert isinstance(classifier, LogOdds) == kind


def test_onnx_file_is_refused_by_methods_of_gradients(people: Population, tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", ["batch", 3, 16, 16])
    name = f"{path}?labels=COVID-19,Edema&range=0..1"
    with pytest.raises(UsageError) as caught:
        open_classifier(describe_model(name), read_method("gradient")[0], people.data.pixels, compute=CPU)
    assert caught.value.message == f"'{name}' has no gradients, which 'gradient' needs"
    open_classifier(describe_model(name), read_method("occlusion")[0], people.data.pixels, compute=CPU)
