"""Manifests: what is refused, what stays valid, and how people are split."""

import errno
import gzip
import io
import os
import pty
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxrshort import manifest as manifests
from cxrshort.datasets.repositories.chestx_ray14 import REPOSITORY
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import CxrshortError, DataError, MissingInputError, OutputError, UsageError

REQUIRED = "image_id,repository,patient_id,person_id"
AGAIN = "mend the row, or run build-dataset again"
MAKE = "build-dataset makes a manifest"


def text_of(header, *rows):
    return "\n".join([header, *rows]) + "\n"


def with_columns(names, *cells):
    """Return a manifest with further columns, a row for each text of cells."""
    return text_of(f"{REQUIRED},{names}", *(f"i{number},r,P,P,{cell}" for number, cell in enumerate(cells)))


def with_split(*rows):
    """Return a manifest of (person, split_0, split_1) rows."""
    lines = [f"i{number},r,{person},{person},{one},{two}" for number, (person, one, two) in enumerate(rows)]
    return text_of(f"{REQUIRED},split_0,split_1", *lines)


def read(text):
    return manifests.read_manifest(io.StringIO(text))


REFUSED = {
    "empty": ("", "the file is empty"),
    "blank lines": ("\n\n", "the file is empty"),
    "header only": (REQUIRED + "\n", "no rows"),
    "missing column": (text_of("image_id,repository,patient_id", "i,r,P"), "column 'person_id' is missing"),
    "column in another case": (
        text_of("Image_ID,repository,patient_id,person_id", "i,r,P,P"),
        "column 'Image_ID' must be spelled 'image_id'",
    ),
    "optional column with a space": (with_columns(" view", "PA"), "column ' view' must be spelled 'view'"),
    "column twice": (with_columns("image_id", "x"), "column 'image_id' stands in the header twice"),
    "image twice": (text_of(REQUIRED, "a,r,P,P", "a,r,Q,Q"), "image_id 'a' in more than one row"),
    "image three times": (
        text_of(REQUIRED, "a,r,P,P", "a,r,Q,Q", "a,r,R,R"),
        "image_id 'a' in more than one row, and 1 more like it",
    ),
    "empty image_id": (text_of(REQUIRED, ",r,P,P"), "column 'image_id' is empty for image ''"),
    "blank person": (text_of(REQUIRED, "a,r,P,  "), "column 'person_id' is empty for image 'a'"),
    "empty person": (text_of(REQUIRED, "a,r,P,"), "column 'person_id' is empty for image 'a'"),
    "view": (with_columns("view", "pa"), "column 'view' holds 'pa', allowed: PA, AP, AP_SUPINE, LATERAL, UNKNOWN"),
    "views": (
        with_columns("sex", "m", "f", "m"),
        "column 'sex' holds 'm', allowed: M, F, and 1 more like it",
    ),
    "age": (with_columns("age_years", "058Y"), "column 'age_years' holds '058Y', not a number"),
    "infinite age": (with_columns("age_years", "inf"), "column 'age_years' holds 'inf', not a number"),
    "age nan": (with_columns("age_years", "nan"), "column 'age_years' holds 'nan', not a number"),
    "fraction of a row": (with_columns("cache_row", "1.5"), "column 'cache_row' holds '1.5', not a whole number"),
    "negative row": (with_columns("cache_row", "-1"), "column 'cache_row' holds '-1', not a whole number"),
    "row beyond int64": (with_columns("cache_row", "1e300"), "column 'cache_row' holds '1e300', not a whole number"),
    "row beyond float64": (
        with_columns("mask_row", "9007199254740993"),
        "column 'mask_row' holds '9007199254740993', not a whole number",
    ),
    "label in words": (with_columns("COVID-19", "yes"), "column 'COVID-19' holds 'yes', not a number"),
    "uncertain label": (with_columns("Edema", "-1", "0"), "column 'Edema' holds '-1', allowed: 0 to 1, or empty"),
    "negative age": (with_columns("age_years", "-5"), "column 'age_years' holds '-5', allowed: 0 to 120 years"),
    "endless age": (with_columns("age_years", "1e308"), "column 'age_years' holds '1e+308', allowed: 0 to 120 years"),
    "fold": (with_columns("split_0", "validation"), "column 'split_0' holds 'validation', allowed: train, val, test"),
    "row too long": (
        text_of(REQUIRED, "a,r,P,P", "b,r,P,P,more"),
        "not a table of comma-separated values (expected 4 fields in line 3, saw 5)",
    ),
    "row cut short": (with_columns("path,view", "x.png,PA") + "j,r,P\n", "line 3 has 3 of 6 cells"),
    "open quote": (
        text_of(REQUIRED, 'a,r,P,"P'),
        "not a table of comma-separated values (eof inside string starting at row 1)",
    ),
    "NUL": (text_of(REQUIRED, "a\0,r,P,P"), "not a table of comma-separated values (it holds NUL bytes)"),
    "no CSV": ("<html>\n", "column 'image_id' is missing"),
    "undecodable stream": (text_of(REQUIRED, "a\udcff,r,P,P"), "not text in UTF-8"),
    "endless cell": (with_columns("view", "x" * 10_000), f"column 'view' holds '{'x' * 77}...', allowed: PA, AP, "),
    "terminal escape": (with_columns("sex", "\x1b[2J"), "column 'sex' holds '\\x1b[2J', allowed: M, F"),
    "one patient": (
        with_split(("P", "train", "test"), ("P", "val", "test")),
        "1 patient is in both train and val of 'split_0' (P)",
    ),
    "second replicate": (
        with_split(("P", "", "test"), ("P", "", "val")),
        "1 patient is in both val and test of 'split_1' (P)",
    ),
    "patients in various folds": (
        with_split(("P", "train", ""), ("P", "val", ""), ("Q", "val", ""), ("Q", "test", "")),
        "2 patients are in more than one fold of 'split_0' (P, Q)",
    ),
    "many patients": (
        with_split(*((f"P{number // 2}", ("val", "test")[number % 2], "") for number in range(12))),
        "6 patients are in both val and test of 'split_0' (P0, P1, P2, P3, P4, ...)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_read_refuses(case):
    text, message = REFUSED[case]
    with pytest.raises(DataError) as caught:
        read(text)
    shown = caught.value.message
    assert (
        shown[: len("standard input: " + message)] if case == "endless cell" else shown
    ) == f"standard input: {message}"
    assert caught.value.hint


def test_read_names_the_file_and_the_patients_in_two_splits(tmp_path):
    path = tmp_path / "manifest.csv"
    crossing = [(person, fold, "") for person in ("P12", "P40", "P77") for fold in ("train", "test")]
    path.write_text(with_split(("P1", "val", ""), *crossing))
    with pytest.raises(DataError) as caught:
        manifests.read_manifest(path)
    assert caught.value.message == "manifest.csv: 3 patients are in both train and test of 'split_0' (P12, P40, P77)"
    assert caught.value.hint == "run build-dataset again"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x.png",
        "a/../../x.png",
        "a/..",
        "..",
        "..\\x.png",
        "a\\..\\..\\x.png",
        "\\\\server\\share",
        "\\x",
        "C:\\x",
        "c:x",
        " /x",
        "a/ ../x",
        "a\x07b",
        "a\tb",
    ],
)
def test_read_refuses_a_path_that_leaves_the_root(path):
    table = pd.DataFrame(
        {"image_id": ["i"], "repository": ["r"], "patient_id": ["P"], "person_id": ["P"], "path": [path]}
    )
    with pytest.raises(DataError) as caught:
        read(table.to_csv(index=False))
    shown = "".join(number if number.isprintable() else number.encode("unicode_escape").decode() for number in path)
    assert caught.value.message == f"standard input: path '{shown}' leaves the root"
    assert caught.value.hint == AGAIN


@pytest.mark.parametrize("path", ["", "a/b.png", "a..b/c..png", "...", "a/..b", ".hidden", "ab:c", "Ärzte/ü.png"])
def test_a_path_below_the_root_is_no_escape(path):
    assert not manifests.leaves_root(path)


def test_read_refuses_a_missing_file(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        manifests.read_manifest(tmp_path / "manifest.csv")
    assert caught.value.message == f"'{tmp_path / 'manifest.csv'}' does not exist"
    assert caught.value.hint == MAKE


def test_read_refuses_a_folder(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        manifests.read_manifest(tmp_path)
    assert caught.value.message == f"'{tmp_path}' cannot be read: {os.strerror(errno.EISDIR).lower()}"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", gzip.compress(b"image_id", mtime=0), b"image_id,\xe4\n"])
def test_read_refuses_a_file_that_is_not_text(tmp_path, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        manifests.read_manifest(tmp_path / "m.csv")
    assert caught.value.message in (
        "m.csv: not text in UTF-8",
        "m.csv: not a table of comma-separated values (it holds NUL bytes)",
    )


def test_read_takes_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbf" + with_columns("view,split_0", "PA,train").replace("\n", "\r\n").encode())
    assert manifests.read_manifest(path)[["image_id", "view", "split_0"]].to_numpy().tolist() == [["i0", "PA", "train"]]
    assert read("\ufeff" + text_of(REQUIRED, "a,r,P,P"))["image_id"].tolist() == ["a"]


def test_read_gives_each_column_its_type():
    table = read(with_columns("cache_row,age_years,Edema,zoo,split_0,note", "3,58.5,0.25,1,train,NA", ",,,,,"))
    assert table["cache_row"].dtype == "Int64" and table["cache_row"].isna().tolist() == [False, True]
    assert table["age_years"].dtype == "float64" and table["age_years"].iloc[0] == 58.5
    assert table["Edema"].dtype == table["zoo"].dtype == "float32"
    assert table["note"].tolist() == ["NA", ""] and table["split_0"].tolist() == ["train", ""]
    assert manifests.label_columns(table) == ["Edema", "zoo"]
    assert manifests.extra_columns(table) == ["Edema", "zoo", "note"]


def test_read_leaves_numbers_that_are_no_label_as_they_were_written():
    table = read(with_columns("accession,dose", "12345678901234567890,0.10", "007,1e300"))
    assert table["accession"].tolist() == ["12345678901234567890", "007"]
    assert table["dose"].tolist() == ["0.10", "1e300"]
    assert manifests.label_columns(table) == []


def test_only_numbered_split_columns_are_splits():
    table = read(with_columns("split_0,split_lungs,split_10,split_2,split_01", "train,1,val,test,0"))
    assert manifests.split_columns(table) == ["split_0", "split_2", "split_10"]
    assert manifests.label_columns(table) == ["split_lungs", "split_01"]


def test_read_takes_the_nameless_index_column_that_pandas_writes():
    table = read(text_of("," + REQUIRED, "0,a,r,P,P", "1,b,r,P,P"))
    assert manifests.label_columns(table) == []


def test_subset_by_head_and_grep_stays_valid(tmp_path):
    cells = [f"{number},{('train', 'test')[number % 2]}" for number in range(6)]
    lines = [f"i{number},r,P{number},P{number},{cell}" for number, cell in enumerate(cells)]
    path = tmp_path / "manifest.csv"
    path.write_text(text_of(f"{REQUIRED},cache_row,split_0", *lines))
    for command, expected in (("head -3", ["i0", "i1"]), ("grep -e image_id -e test", ["i1", "i3", "i5"])):
        shown = subprocess.run(f"{command} manifest.csv", shell=True, cwd=tmp_path, capture_output=True, check=True)
        assert read(shown.stdout.decode())["image_id"].tolist() == expected


def test_write_and_read_keep_every_value(tmp_path):
    table = read(
        with_columns("path,cache_row,age_years,Edema,Mass,split_0,note", 'ü.png,3,58,0.3,1,train,"a,""b"""', ",,,,,,")
    )
    manifests.write_table(table, tmp_path / "m.csv")
    pd.testing.assert_frame_equal(manifests.read_manifest(tmp_path / "m.csv"), table)
    assert (tmp_path / "m.csv").read_text().splitlines() == [
        f"{REQUIRED},path,cache_row,age_years,Edema,Mass,split_0,note",
        'i0,r,P,P,ü.png,3,58,0.3,1,train,"a,""b"""',
        "i1,r,P,P,,,,,,,",
    ]
    stream = io.StringIO()
    manifests.write_table(table, stream)
    assert stream.getvalue() == (tmp_path / "m.csv").read_text()


def test_write_leaves_numbers_too_large_for_an_integer(tmp_path):
    manifests.write_table(pd.DataFrame({"x": [1e300, np.inf], "y": [2.0, np.nan]}), tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text() == "x,y\n1e+300,2\ninf,\n"


def test_write_refuses_a_folder_that_is_not_there(tmp_path):
    target = tmp_path / "nowhere" / "m.csv"
    with pytest.raises(OutputError) as caught:
        manifests.write_table(pd.DataFrame({"x": [1]}), target)
    assert caught.value.message == f"'{target}' cannot be written: '{target.parent}' is not a folder"


def test_parquet_round_trip_or_hint(tmp_path):
    table = read(with_columns("cache_row,Edema,note", "3,0.3,None", ",,nan"))
    path = tmp_path / "manifest.parquet"
    try:
        import pyarrow  # noqa: F401  # only whether it is there matters
    except ImportError:
        for act in (lambda: manifests.write_table(table, path), lambda: manifests.read_manifest(path)):
            with pytest.raises(UsageError) as caught:
                act()
            assert caught.value.message == f"'{path}' needs the optional package pyarrow"
            assert caught.value.hint == "pip install 'cxrshort[parquet]', or use .csv"
        assert list(tmp_path.iterdir()) == []
        return
    manifests.write_table(table, path)
    pd.testing.assert_frame_equal(manifests.read_manifest(path), table)


CELL = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "1e309", "-0", "0.5", "1e-400", "9" * 30, "1_0", "0x1", "true", "nan", "train", "PA", "..", "c:", '"', "٣"]
)
NAME = st.sampled_from(["cache_row", "age_years", "COVID-19", "split_0", "split_{x}", "path", "view", "x", "", "{0}"])


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.lists(NAME, max_size=4), rows=st.lists(st.lists(CELL, min_size=4, max_size=8), max_size=4))
def test_read_raises_nothing_but_its_own_errors_on_any_table(names, rows):
    lines = [",".join([*REQUIRED.split(","), *names]), *(",".join(row) for row in rows)]
    try:
        table = read("\n".join(lines))
    except CxrshortError as error:
        assert error.message.encode() and error.message.isprintable()
    else:
        assert len(table) and manifests.check_manifest(table) is table


@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=()), max_size=200))
def test_read_raises_nothing_but_its_own_errors_on_any_text(text):
    with pytest.raises(CxrshortError):
        read(text)


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(start=st.sampled_from([b"", REQUIRED.encode() + b"\n", b"\xef\xbb\xbf"]), rest=st.binary(max_size=100))
def test_read_raises_nothing_but_its_own_errors_on_any_bytes(tmp_path, start, rest):
    path = tmp_path / "m.csv"
    path.write_bytes(start + rest)
    try:
        assert len(manifests.read_manifest(path))
    except CxrshortError as error:
        assert error.exit_code == 65


def test_select_takes_one_fold_of_one_replicate():
    table = read(with_split(("P", "train", "test"), ("Q", "test", "train"), ("R", "", "val")))
    assert manifests.select_fold(table, "test", replicate=0)["person_id"].tolist() == ["Q"]
    assert manifests.select_fold(table, "test", replicate=1)["person_id"].tolist() == ["P"]
    assert len(manifests.select_fold(table, "all", replicate=7)) == 3


@pytest.mark.parametrize(
    ("split", "replicate", "kind", "message", "hint"),
    [
        ("dev", 0, UsageError, "'dev' is not a known split", "one of: train, val, test, all"),
        (
            "val",
            2,
            UsageError,
            "manifest.csv: no column 'split_2' for replicate 2",
            "it has 2 replicates; evaluate with --split all",
        ),
        ("val", 0, DataError, "manifest.csv: no row is in 'val' of 'split_0'", "build-dataset with more images"),
    ],
)
def test_select_refuses(split, replicate, kind, message, hint):
    table = read(with_split(("P", "train", "test"), ("Q", "test", "train")))
    with pytest.raises(kind) as caught:
        manifests.select_fold(table, split, replicate=replicate)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_overlap_counts_persons_of_both():
    first, second = (read(with_split(*((person, "", "") for person in people))) for people in ("PQR", "RSP"))
    assert manifests.overlap(first, second) == {"P", "R"}


PEOPLE = [f"p{number % 200}" for number in range(1000)]
SOURCES = ["a" if number % 200 < 120 else "b" for number in range(1000)]
FRACTIONS = {"a": (0.2, 0.25), "b": (0.1, 0.5)}


def split(people=PEOPLE, sources=SOURCES, *, seed=0, replicate=0, **more):
    return manifests.split_by_person(
        people, sources, fractions=FRACTIONS, seed=seed, replicate=replicate, **more
    ).tolist()


def folds_of(people, folds):
    """Return the folds of each person."""
    result = {}
    for person, fold in zip(people, folds, strict=True):
        result.setdefault(person, set()).add(fold)
    return result


def test_split_never_parts_a_person():
    assert all(len(folds) == 1 for folds in folds_of(PEOPLE, split()).values())


def test_split_draws_the_fractions_of_each_source():
    own = {person: folds.pop() for person, folds in folds_of(PEOPLE, split()).items()}
    for first, last, expected in ((0, 120, (24, 24, 72)), (120, 200, (8, 36, 36))):
        drawn = [own[f"p{number}"] for number in range(first, last)]
        assert tuple(drawn.count(fold) for fold in ("test", "val", "train")) == expected


def test_split_does_not_depend_on_the_order_or_number_of_rows():
    order = np.random.default_rng(0).permutation(1000)
    shuffled = split([PEOPLE[row] for row in order], [SOURCES[row] for row in order])
    assert shuffled == [split()[row] for row in order]
    assert split(PEOPLE[:200], SOURCES[:200]) == split()[:200]


def test_split_of_a_source_does_not_depend_on_the_others():
    alone = split(PEOPLE[:120], SOURCES[:120])
    assert alone == split()[:120]


def test_split_differs_between_replicates_and_seeds_and_repeats_itself():
    assert split() == split()
    drawn = {tuple(split(seed=seed, replicate=replicate)) for seed in (0, 1) for replicate in (0, 1, 2)}
    assert len(drawn) == 6


def test_split_keeps_the_fixed_test_list():
    fixed = frozenset(f"p{number}" for number in range(30))
    own = {person: folds.pop() for person, folds in folds_of(PEOPLE, split(fixed_test=fixed)).items()}
    assert all(own[person] == "test" for person in fixed)
    rest = [own[f"p{number}"] for number in range(30, 120)]
    assert (rest.count("test"), rest.count("val")) == (18, 18)


def test_split_lets_a_person_of_two_sources_follow_the_first():
    people, sources = [*PEOPLE, "p0", "p150"], [*SOURCES, "b", "a"]
    folds = folds_of(people, split(people, sources))
    assert all(len(value) == 1 for value in folds.values())
    own = {person: number.pop() for person, number in folds.items()}
    first = [own[f"p{number}"] for number in [*range(120), 150]]
    assert (first.count("test"), first.count("val")) == (24, 24)  # round(0.2 * 121), round(0.25 * 97)


def test_split_of_the_complete_nih_labels(tmp_path, test_data):
    packed = test_data / "nih" / "Data_Entry_2017_v2020.csv.gz"
    (tmp_path / "nih").mkdir()
    (tmp_path / "nih" / "Data_Entry_2017_v2020.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    rows = REPOSITORY.read(tmp_path / "nih", tmp_path, ReadOptions(require_files=False)).rows
    rows = rows.assign(person_id=rows["patient_id"])
    people, sources = rows["person_id"].tolist(), rows["repository"].tolist()
    for replicate in range(5):
        folds = manifests.split_by_person(
            people, sources, fractions={REPOSITORY.name: (0.2, 0.125)}, seed=0, replicate=replicate
        )
        rows[f"split_{replicate}"] = folds
    assert len(manifests.check_manifest(rows)) == 112_120
    persons = rows.drop_duplicates("person_id")["split_4"].value_counts()
    assert persons.to_dict() == {"train": 21_564, "test": 6_161, "val": 3_080}


def standard_input_of(**how):
    code = (
        "from cxrshort import manifest\nfrom cxrshort.errors import CxrshortError\n"
        "try:\n    print(len(manifest.read_manifest(manifest.standard_input())))\n"
        "except CxrshortError as error:\n    print(error.message)"
    )
    return (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, **how).stdout.decode().strip()
    )


def test_standard_input_is_read():
    assert standard_input_of(input=text_of(REQUIRED, "a,r,P,P", "b,r,P,P").encode()) == "2"


def test_standard_input_refuses_a_terminal():
    ours, theirs = pty.openpty()
    try:
        shown = standard_input_of(stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert shown == "'-' reads a manifest from standard input, which is a terminal"


def test_standard_input_refuses_a_closed_one():
    shown = standard_input_of(preexec_fn=lambda: os.close(0))
    assert shown == "'-' reads a manifest from standard input, which is closed"


def test_standard_input_refuses_bytes_that_are_no_text():
    shown = standard_input_of(input=b"image_id,\xff\n", env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "1"})
    assert shown == "standard input: not text in UTF-8"


def test_facts_of_edits_are_never_labels(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(
        "image_id,repository,patient_id,person_id,edit_strength,edit_vae_fp32,edit_label,edit_repetition,own\n"
        "x/1,x,p,p,0.4,1,,0,0.5\n"
    )
    table = manifests.read_manifest(path)
    assert manifests.label_columns(table) == ["own"]
    assert not manifests.has_label(table, "edit_strength") and manifests.has_label(table, "own")
    assert table["edit_strength"].tolist() == ["0.4"] and table["edit_repetition"].tolist() == [0]
    in_memory = table.assign(edit_strength=0.4)
    assert manifests.label_columns(in_memory) == ["own"]
