"""Identity of phantoms: exact edits keep the person, films of somebody else do not, whatever the embedding."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError
from cxrshort.results import Result
from cxrshort.stats.identity_scores import pairwise_frechet
from cxrshort.verbs.roentmod.identity import identity
from cxrshort.verbs.train import train

from ...training.tiny import png_signature
from .edited_phantoms import CPU, date_follow_ups, write_edits, write_films


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with films with dates, their edits, the same edits in other persons' films, and a model."""
    home = tmp_path_factory.mktemp("identity")
    write_films(home / "films", images=40)
    write_edits(home / "films", home / "edits")
    write_edits(home / "films", home / "strangers", strangers=True)
    date_follow_ups(home / "films")
    train(str(home / "films"), out=home / "model", arch="small-cnn", overrides={"epochs": 1}, **CPU)
    return home


def judged(home: Path, out: Path, after: str = "edits", **options: Any) -> Result:
    return identity(before=str(home / "films"), after=str(home / after), out=out, **options, **CPU)


def verdicts(result: Result, edit: str = "all edits", than: str = "control") -> dict[str, str]:
    rows = result.summary["comparisons"]
    return {row["embedding"]: row["verdict"] for row in rows if (row["edit"], row["than"]) == (edit, than)}


def test_exact_edits_keep_the_person(home: Path, tmp_path: Path) -> None:
    result = judged(home, tmp_path / "out", embeddings=[f"net={home / 'model'}"])
    assert verdicts(result) == {"net": "kept", "pixels": "kept"}
    for name in ("net", "pixels"):
        medians = {
            row["kind"]: row["median"]
            for row in result.summary["findings"]
            if (row["edit"], row["embedding"]) == ("all edits", name)
        }
        assert medians["sham"] < medians["edit"] < medians["real"]
        assert medians["edit"] < 0.2 * medians["control"]
    outside = {row["kind"]: row for row in result.summary["differences"] if row["edit"] == "all edits"}["edit"]
    assert outside["difference_outside"] < 0.3 * outside["difference_inside"]
    assert outside["ssim_outside"] > outside["ssim_inside"]


def test_films_of_somebody_else_do_not(home: Path, tmp_path: Path) -> None:
    result = judged(home, tmp_path / "out", "strangers", embeddings=[f"net={home / 'model'}"])
    assert verdicts(result) == {"net": "not kept", "pixels": "not kept"}
    assert set(verdicts(result, "cardiomegaly").values()) == {"not kept"}


def test_tables_and_figure_are_written(home: Path, tmp_path: Path) -> None:
    result = judged(home, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "findings.csv", "comparisons.csv", "differences.csv", "pairs.csv", "identity.png", "summary.json", "run.json",
    }  # fmt: skip
    assert png_signature(tmp_path / "out" / "identity.png") and result.figures == [tmp_path / "out" / "identity.png"]
    document = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert document["schema"] == "cxrshort.identity/1" and document["comparisons"] == result.summary["comparisons"]
    findings = pd.read_csv(tmp_path / "out" / "findings.csv")
    assert findings["median"].tolist() == pytest.approx(
        [np.nan if row["median"] is None else row["median"] for row in result.summary["findings"]], nan_ok=True
    )
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    own = pairs[(pairs["kind"] == "control") & (pairs["edit"] == "cardiomegaly")]
    assert len(own) == 40 and not (own["other_id"].str.partition("#")[0] == own["image_id"]).any()


def test_distances_are_those_of_precomputed_embeddings(home: Path, tmp_path: Path) -> None:
    """Of each of the three distances, and with the vectors at unit length where the name says CLIP."""
    rng = np.random.default_rng(0)
    names = [name for data in ("films", "edits") for name in load_dataset(str(home / data)).manifest["image_id"]]
    vectors = dict(zip(names, rng.normal(size=(len(names), 5)).astype(np.float32), strict=True))
    path = tmp_path / "vectors.npz"
    np.savez(path, image_id=np.array(names), v=np.stack(list(vectors.values())))
    embeddings = [f"net={path}", f"clip={path}"]
    for distance in ("frechet", "cosine"):
        result = judged(home, tmp_path / distance, embeddings=embeddings, distance=distance)
        pairs = pd.read_csv(tmp_path / distance / "pairs.csv")
        first, second = (np.stack([vectors[name] for name in pairs[side]]) for side in ("image_id", "other_id"))
        lengths = [np.linalg.norm(values, axis=1, keepdims=True) for values in (first, second)]
        unit = pairwise_frechet(first / lengths[0], second / lengths[1])
        expected = {"frechet": (pairwise_frechet(first, second), unit), "cosine": (unit / 2, unit / 2)}[distance]
        np.testing.assert_allclose(pairs["distance.net"], expected[0], rtol=1e-5)
        np.testing.assert_allclose(pairs["distance.clip"], expected[1], rtol=1e-5)
        assert set(verdicts(result)) == {"net", "clip", "pixels"}
    assert any(note.startswith("all edits: embeddings disagree: identity is kept by 'pixels'") for note in result.notes)


def refusal(home: Path, tmp_path: Path, **options: Any) -> str:
    with pytest.raises(CxrshortError) as caught:
        judged(home, tmp_path / "out", **options)
    assert not (tmp_path / "out" / "run.json").exists()
    return caught.value.message


def test_what_does_not_fit_is_refused(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, image_id=np.array(["x/1"]), v=np.ones((1, 3)))
    message = refusal(home, tmp_path, embeddings=[f"net={path}"])
    assert message.startswith("other.npz holds embeddings of other images: 40 of 40 images have none, ")
    assert refusal(home, tmp_path, distance="manhattan") == "'manhattan' is not a known distance"
    assert refusal(home, tmp_path, mask_bit="spleen") == "'spleen' is not a known mask"
    assert refusal(home, tmp_path, after="films") == "films: no row has both source_image_id and edit"


def test_one_person_is_not_testable_and_the_rest_is(home: Path, tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", images=2)
    table = pd.read_csv(films / "manifest.csv", dtype=str, keep_default_na=False)
    table.head(1).to_csv(tmp_path / "one.csv", index=False)
    write_edits(films, tmp_path / "edits", rows=[0])
    result = identity(before=str(tmp_path / "one.csv"), after=str(tmp_path / "edits"), out=tmp_path / "out", **CPU)
    assert verdicts(result) == {"pixels": "not testable"}
    assert "control is not testable: one person: there is no other person's image" in result.notes
    medians = [row["median"] for row in result.summary["findings"] if row["kind"] == "edit"]
    assert all(median > 0 for median in medians)


def test_model_that_has_seen_the_persons_is_noted(home: Path, tmp_path: Path) -> None:
    notes = judged(home, tmp_path / "out", embeddings=[f"net={home / 'model'}"]).notes
    assert any(note.startswith("'net' was trained on ") for note in notes)


def test_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = judged(home, tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists() and result.plan
    assert result.summary["pairs"]["edit"] == 80 and result.summary["embeddings"] == ["pixels"]
    assert result.summary["outputs"][0]["fate"] == "new"


def test_same_seed_gives_the_same_tables(home: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        judged(home, tmp_path / name)
    for table in ("findings.csv", "pairs.csv", "identity.png"):
        assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()
