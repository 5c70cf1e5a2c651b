"""Text tables as people and programs leave them."""

import codecs
import gzip
import json
import os

import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.tables import read_header, read_list, read_table, records, sniff_separator


def refusal(path, required=("a", "b"), **options):
    with pytest.raises(DataError) as caught:
        read_table(path, required, **options)
    return caught.value.message


def test_read_table_keeps_the_wanted_columns_as_stripped_text(tmp_path):
    (tmp_path / "t.csv").write_text("a,notes,b\n 01 ,x,NA\n2,y,\n")
    table, notes = read_table(tmp_path / "t.csv", ("b", "a"), optional=("c",))
    assert table.to_dict("list") == {"b": ["NA", ""], "a": ["01", "2"], "c": ["", ""]}
    assert notes == []


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa,b\r\n1,2\r\n",
        b"a,b,\n1,2,\n",
        b"a,b\n1,2,\n",
        b"a,b,\n1,2\n",
        b"A, B \n\n1,2\n\n",
        b'"a","b"\n"1","2"\n',
    ],
)
def test_read_table_accepts_the_usual_dialects(tmp_path, data):
    (tmp_path / "t.csv").write_bytes(data)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(data))
    for name in ("t.csv", "t.csv.gz"):
        table, _ = read_table(tmp_path / name, ("a", "b"))
        assert table.to_dict("list") == {"a": ["1"], "b": ["2"]}


def test_read_table_reads_latin_1_and_says_so(tmp_path):
    (tmp_path / "t.csv").write_bytes("a;b\ntórax;2\n".encode("latin-1"))
    table, notes = read_table(tmp_path / "t.csv", ("a", "b"), separator=";")
    assert list(table["a"]) == ["tórax"]
    assert notes == ["t.csv: not UTF-8, read as Latin-1"]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_tables_in_utf_16_are_read(tmp_path, mark):
    path, encoding = tmp_path / "t.csv", "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    path.write_bytes(mark + "é;b\n1;männlich\n".encode(encoding))
    assert (sniff_separator(path), read_header(path, separator=";")) == (";", ["é", "b"])
    table, notes = read_table(path, ["b", "é"], separator=";")
    assert (table.to_dict("records"), notes) == ([{"b": "männlich", "é": "1"}], [])


def test_read_table_names_a_missing_column(tmp_path):
    (tmp_path / "metadata.csv").write_text("a,c\n1,2\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "metadata.csv", ("a", "view"))
    assert caught.value.message == "metadata.csv: column 'view' is missing"
    assert caught.value.hint == "columns found: a, c"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "t.csv: the table is empty"),
        (b"a,b\n", "t.csv: the table is empty"),
        (b"\n\n", "t.csv: the table is empty"),
        (b"a,b,a\n1,2,3\n", "t.csv: column 'a' stands in the header 2 times"),
        (b"a,b\n1,2\n1,2,3\n", "t.csv: line 3 has 3 cells, the header has 2"),
        (b"a,b\n1,2\n1\n", "t.csv: line 3 has 1 cell, the header has 2"),
        (b'a,b\n1,"2\n', "t.csv: line 2: unexpected end of data"),
        (b"a,b\n1," + b"x" * 10_000_000 + b"\n", "t.csv: line 2: field larger than field limit (131072)"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "t.csv: not a text file, or UTF-16 without a byte-order mark"),
        ("a,b\n1,2\n".encode("utf-16-le"), "t.csv: not a text file, or UTF-16 without a byte-order mark"),
    ],
)
def test_read_table_refuses_a_broken_table(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    assert refusal(tmp_path / "t.csv") == message


@pytest.mark.parametrize("cut", [5, 30])
def test_read_table_refuses_a_truncated_archive(tmp_path, cut):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:cut])
    assert refusal(tmp_path / "t.csv.gz") == (
        "t.csv.gz: Compressed file ended before the end-of-stream marker was reached"
    )


def test_read_table_refuses_what_is_no_archive(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(b"a,b\n1,2\n")
    assert refusal(tmp_path / "t.csv.gz") == "t.csv.gz: Not a gzipped file (b'a,')"


def test_read_table_refuses_a_folder(tmp_path):
    assert refusal(tmp_path) == f"'{tmp_path}' cannot be read: Is a directory"


def test_read_table_refuses_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    assert refusal(tmp_path / "t.csv") == f"'{tmp_path / 't.csv'}' is not a file"


def test_read_list_strips_lines(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\r\n b.png \n")
    assert read_list(tmp_path / "list.txt") == ["a.png", "b.png"]


def test_read_list_refuses_binary(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DataError) as caught:
        read_list(tmp_path / "list.txt")
    assert caught.value.message == "list.txt: not a text file"


def test_records_are_json_values_with_none_for_every_kind_of_empty_cell():
    table = pd.DataFrame(
        {
            "region": ["lungs", None],
            "share": [0.5, float("nan")],
            "cluster": pd.array([1, pd.NA], dtype="Int64"),
            "adds_up": [True, False],
        }
    )
    rows = records(table)
    assert rows == [
        {"region": "lungs", "share": 0.5, "cluster": 1, "adds_up": True},
        {"region": None, "share": None, "cluster": None, "adds_up": False},
    ]
    assert json.loads(json.dumps(rows)) == rows and records(table.head(0)) == []
