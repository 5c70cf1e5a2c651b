from pathlib import Path
from typing import Any

from cxrshort.dataset import load_dataset
from cxrshort.verbs.roentmod.synthesis_plan import SynthesisPlan, plan_synthesis

from ...training.tiny import tiny_dataset

ASKED: dict[str, Any] = {"images": 3, "repetitions": 2, "seed": 0, "sham": True, "size": None, "generator_size": None}
ASKED |= {"prompts": ((), None), "off_target": None}


def plan(editor: str, real: Any = None, **changes: Any) -> SynthesisPlan:
    return plan_synthesis(editor, real, **{**ASKED, **changes})


def test_prompts_are_those_of_the_paper_and_the_sham_is_last() -> None:
    made = plan("diffusion")
    assert [prompt.edit for prompt in made.prompts][-2:] == ["mass", "sham"] and len(made.prompts) == 7
    assert made.no_finding.text == "no acute cardiopulmonary process" and made.scheme.scheme == "ignore"
    assert [prompt.edit for prompt in plan("diffusion", sham=False).prompts] == [p.edit for p in made.prompts[:-1]]
    assert plan("phantom").scheme.scheme == "exact"


def test_diffusion_draws_large_and_stores_as_the_real_dataset(tmp_path: Path) -> None:
    real = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    made = plan("diffusion", real)
    assert (made.size, made.full_size, made.recipe) == (16, 512, {"size": 16, "fit": "crop"})
    assert (plan("diffusion").size, plan("diffusion", size=1024).full_size) == (224, 1024)
    assert plan("phantom", size=48).full_size == 48


def test_missing_labels_and_films_without_a_sham_are_noted() -> None:
    notes = plan("diffusion", prompts=(["scar=an old scar"], None), sham=False).notes
    assert notes[0] == "no label is of the edit scar: none is set to 1 there"
    assert any(note.startswith("without a sham edit") for note in notes)
