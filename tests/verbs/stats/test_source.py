"""Tables as people leave them: what is read, and what is refused in one sentence."""

import io
import sys
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.verbs.stats.source import open_source, open_sources


def file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


@pytest.mark.parametrize(
    "content",
    [
        "a,b,p\n1,x,u\n,y,NA\n",
        "\ufeffa,b,p\r\n1,x,u\r\nNaN,y,NA\r\n",
        "a;b;p\n1;x;u\n;y;NA\n",
        "a\tb\tp\n1\tx\tu\n\ty\tNA\n",
        "a,b,p,\n1,x,u,\n,y,NA,\n",
        'a,b,p\n1.0,x,"u"\n\n,"y, z",NA\n',
        "a,b,p\nTrue,x,u\n,y,NA\n",
    ],
)
def test_tables_of_many_kinds_are_read_alike(tmp_path: Path, content: str) -> None:
    table = open_source(file(tmp_path, content)).read(numbers=["a"], texts=["p"])
    assert table["a"].isna().tolist() == [False, True] and table["a"][0] == 1.0
    assert table["p"].tolist() == ["u", "NA"]  # NA may be a name; only a number can be missing so


def test_cells_that_are_missing_at_the_end_are_empty(tmp_path: Path) -> None:
    table = open_source(file(tmp_path, "p,a\nu,1\nv\n")).read(numbers=["a"], texts=["p"])
    assert table["a"].isna().tolist() == [False, True]


def test_only_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    table = open_source(file(tmp_path, "a,b,c\n1,two,3\n")).read(numbers=["c", "a"])
    assert table.to_dict("list") == {"c": [3.0], "a": [1.0]}


def test_folder_of_evaluate_stands_for_its_predictions(tmp_path: Path) -> None:
    file(tmp_path, "a\n1\n", "predictions.csv")
    assert open_source(tmp_path).path == tmp_path / "predictions.csv"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a,p\n1,\xc3\xa9\n")))
    source = open_source("-")
    assert (source.name, source.path) == ("standard input", None)
    assert source.read(numbers=["a"], texts=["p"])["p"].tolist() == ["é"]


def test_parquet_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1.0, None], "p": ["u", None]}).to_parquet(path)
    table = open_source(path).read(numbers=["a"], texts=["p"])
    assert table["a"].isna().tolist() == [False, True] and table["p"].tolist() == ["u", ""]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        open_source(file(tmp_path, "x", "t.parquet"))
    assert caught.value.message == "'t.parquet' needs the optional package pyarrow"
    assert caught.value.hint == "pip install 'cxrshort[parquet]', or use .csv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: the table is empty"),
        ("a,b,p\n", "t.csv: the table is empty"),
        ("a,a,p\n1,2,3\n", "t.csv: column 'a' stands in the header twice"),
        ("a,b,p\n1,2,u\n3,4,v,w\n", "t.csv: 1 of 2 rows have more cells than the header"),
        ("a,b,p\nx,2,u\ny,4,v\n1,2,w\n", "t.csv: column 'a' holds 'x', not a number, and 1 more like it"),
        ("b,p\n1,2\n", "t.csv: there is no column 'a'"),
        (b"a,p\n1,\xff\n", "t.csv: not text in UTF-8"),
        (b"a,p\xff\n1,2\n", "t.csv: not text in UTF-8"),
        ('a,p\n1,"2\n', "t.csv: not a table of comma-separated values (eof inside string starting at row 1)"),
        ('a,"p\n1,2\n', "t.csv: not a table of comma-separated values (unexpected end of data)"),
    ],
)
def test_broken_tables_are_refused_in_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(file(tmp_path, content)).read(numbers=["a"], texts=["p"])
    assert caught.value.message == message


def test_unknown_column_proposes_the_nearest_or_lists_all(tmp_path: Path) -> None:
    source = open_source(file(tmp_path, "score,label\n1,0\n"))
    with pytest.raises(DataError) as caught:
        source.read(numbers=["scores"])
    assert caught.value.hint == "did you mean 'score'?"
    with pytest.raises(DataError) as caught:
        source.read(numbers=["xyz"])
    assert caught.value.hint == "columns: score, label"


def test_hint_lists_the_first_of_many_columns(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(15))
    assert open_source(file(tmp_path, f"{header}\n")).list_columns().endswith("c10, c11, and 3 more")


@pytest.mark.parametrize(
    ("name", "message"), [("nope.csv", "'nope.csv' does not exist"), ("empty", "'empty' holds no")]
)
def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(MissingInputError, match=message) as caught:
        open_source(name)
    assert "cxrshort evaluate writes one" in caught.value.hint


def test_standard_input_is_not_read_twice() -> None:
    with pytest.raises(UsageError, match="^standard input cannot be both tables: it can be read once$"):
        open_sources("-", "-")
