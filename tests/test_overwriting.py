"""No run writes over what it reads, or over what another verb has made."""

from pathlib import Path

import pytest

from cxrshort import overwriting
from cxrshort.errors import OutputError

RECORDS = ("run.json",)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run folder in the working folder, with a file that is read."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/I")
    folder.mkdir(parents=True)
    (folder / "run.json").touch()
    (folder / "manifest.csv").touch()
    Path("link").symlink_to(folder)
    Path("rows.csv").symlink_to(folder / "manifest.csv")
    return folder


def refusal(folder: str, *inputs: Path) -> str:
    with pytest.raises(OutputError) as caught:
        overwriting.refuse_inputs(Path(folder), inputs, records=RECORDS)
    assert caught.value.hint == "choose another --out"
    return caught.value.message


@pytest.mark.parametrize("out", ["data/I", "./data/../data/I", "link", "data", ".", "..", "/"])
def test_refuse_inputs_refuses_a_folder_that_holds_one(dataset: Path, out: str) -> None:
    for path in (dataset, dataset / "manifest.csv", Path("rows.csv"), Path("link"), dataset.resolve()):
        assert refusal(out, path) == f"--out '{Path(out)}' holds an input, '{path}'"


@pytest.mark.parametrize("out", ["data/I/results", "link/results", "data/I/a/b", "data/../link/.hidden"])
def test_refuse_inputs_refuses_a_folder_within_a_run_that_is_read(dataset: Path, out: str) -> None:
    for path in (dataset, dataset / "manifest.csv"):
        assert refusal(out, path) == f"--out '{Path(out)}' lies in an input, '{dataset}'"


def test_refuse_inputs_refuses_a_folder_within_one_that_is_searched(dataset: Path) -> None:
    assert refusal("data/results", Path("data")) == "--out 'data/results' lies in an input, 'data'"


def test_refuse_inputs_compares_as_the_file_system_does(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A link that is not followed is what a name in another case is where case is ignored: another name, the same inode.
    monkeypatch.setattr(Path, "resolve", Path.absolute)
    assert refusal("link", dataset) == "--out 'link' holds an input, 'data/I'"
    assert refusal("link/results", dataset) == "--out 'link/results' lies in an input, 'data/I'"


@pytest.mark.parametrize("out", ["data/II", "results", "data/I-results", "results/data/I"])
def test_refuse_inputs_takes_what_lies_elsewhere(dataset: Path, out: str) -> None:
    inputs = [dataset, dataset / "manifest.csv", Path("gone/images"), Path("link")]
    overwriting.refuse_inputs(Path(out), inputs, records=RECORDS)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "loop/images"])
def test_refuse_inputs_leaves_impossible_paths_to_whoever_reads_them(dataset: Path, name: str) -> None:
    Path("loop").symlink_to("loop")
    overwriting.refuse_inputs(Path("results"), [Path(name)], records=RECORDS)


def test_refuse_inputs_takes_the_folder_of_a_table_that_is_no_run(dataset: Path) -> None:
    table = Path("subset.csv")
    table.touch()
    overwriting.refuse_inputs(Path("results"), [table], records=RECORDS)


@pytest.mark.parametrize(
    ("record", "what"),
    [({"verb": "train"}, "a run of 'train'"), ({"name": "jogging"}, "a run.json that is not of cxrshort")],
)
def test_refuse_other_verb_says_what_is_there(record: dict[str, str], what: str) -> None:
    with pytest.raises(OutputError) as caught:
        overwriting.refuse_other_verb(Path("out"), record, "evaluate")
    assert caught.value.message == f"'out' holds {what}, and --force replaces runs of 'evaluate' only"
    overwriting.refuse_other_verb(Path("out"), {"verb": "evaluate"}, "evaluate")
    overwriting.refuse_other_verb(Path("out"), {}, "evaluate")  # damaged: it names nothing that could be cleared
