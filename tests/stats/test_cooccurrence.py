"""Tables of co-occurrence: names, separators, and what is refused."""

from pathlib import Path

import pytest

from cxrshort.errors import CxrshortError, DataError, MissingInputError
from cxrshort.stats.cooccurrence import Cooccurrence, read_cooccurrence


def written(folder: Path, text: str) -> Path:
    path = folder / "readers.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table_is_read_under_any_name_of_a_finding(tmp_path: Path, separator: str) -> None:
    text = "added,Cardiomegaly,Pleural Effusion\nright pleural effusion,0.35,0.93\nHernia,,0\n"
    table = read_cooccurrence(written(tmp_path, text.replace(",", separator)))
    assert table.source == "readers.csv"
    assert table.share(["Effusion"], "Cardiomegaly") == 0.35 and table.adherence("Effusion") == 0.93
    assert table.share(["hernia"], "Effusion") == 0.0
    assert table.share(["hernia"], "Cardiomegaly") is None and table.share(["Mass"], "Cardiomegaly") is None


def test_first_name_that_the_table_has_is_taken() -> None:
    table = Cooccurrence({("fluid", "edema"): 0.2}, "x")
    assert table.share(["fluid", "Effusion"], "Edema") == 0.2 == table.share(["Effusion", "fluid"], "Edema")


def test_adherence_is_1_where_nobody_looked_or_nothing_was_seen() -> None:
    assert Cooccurrence({("mass", "mass"): 0.0}, "x").adherence("Mass") == 1.0
    assert Cooccurrence({}, "x").adherence("Mass") == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("added,Edema\nMass,35\n", "readers.csv: column 'Edema' holds '35', not a share from 0 to 1"),
        ("added,Edema\nMass,often\n", "readers.csv: column 'Edema' holds 'often', not a share from 0 to 1"),
        ("added,Edema\nMass,0.1\nlung mass,0.2\n", "readers.csv: 'lung mass' stands in two rows"),
        (
            "prompt,Edema\nMass,0.1\n",
            "readers.csv: a table of co-occurrence has a column 'added' and one for each finding",
        ),
        ("added\nMass\n", "readers.csv: a table of co-occurrence has a column 'added' and one for each finding"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_cooccurrence(written(tmp_path, text))
    assert caught.value.message == message


def test_missing_table_says_how_it_looks(tmp_path: Path) -> None:
    with pytest.raises(CxrshortError) as caught:
        read_cooccurrence(tmp_path / "none.csv")
    assert isinstance(caught.value, MissingInputError) and "added,Cardiomegaly,Edema" in caught.value.hint
