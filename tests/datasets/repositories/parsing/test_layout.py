"""Finding repositories, tables and images."""

import pandas as pd
import pytest

from cxrshort.datasets.repositories.parsing.layout import (
    find_file,
    find_optional_file,
    find_repository,
    index_images,
    leaves_folder,
    locate_names,
)
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Repository
from cxrshort.errors import MissingInputError

from ....nobody import powerless_folder
from ...lookalikes import touch

EMPTY = Reading(pd.DataFrame(), pd.DataFrame())
ZOO = Repository("zoo", "animals", ("Zoo", "menagerie"), ("animals*.csv",), lambda *_: EMPTY, 0.05, 0.05)


def test_index_images_finds_nested_folders_and_upper_case_endings(tmp_path):
    touch(tmp_path, "images_001/images/b.PNG", "images_002/images/a.jpg", "images_002/notes.txt", "full/c.png")
    index = index_images(tmp_path, relative_to=tmp_path, within=r"images(_\d+)?")
    assert index.by_name == {"b.PNG": "images_001/images/b.PNG", "a.jpg": "images_002/images/a.jpg"}
    assert list(index.find(pd.Series(["b.png", "sub/a.jpg", "c.png"]))) == [
        "images_001/images/b.PNG",
        "images_002/images/a.jpg",
        "",
    ]


def test_index_images_walks_everything_without_a_usual_folder(tmp_path):
    touch(tmp_path, "x/y/a.png", "b.dcm")
    assert index_images(tmp_path, relative_to=tmp_path, within="images").paths == ("b.dcm", "x/y/a.png")


def test_index_images_reports_one_name_in_two_folders(tmp_path):
    touch(tmp_path, "images/a.png", "images_full/a.png", "images/b.png")
    index = index_images(tmp_path, relative_to=tmp_path)
    assert index.by_name["a.png"] == "images/a.png"
    assert index.notes(["images/a.png"]) == ["2 image files are not named in the metadata and were left alone"]
    assert index.ambiguity(["a.png", "b.png"]) == ["1 file names stand in several folders: one of each is used"]
    assert index.ambiguity(["b.png"]) == []


def test_index_images_ends_in_a_loop_of_links_and_prefers_real_places(tmp_path):
    touch(tmp_path, "z/a.png")
    (tmp_path / "a_link").symlink_to(tmp_path / "z")
    (tmp_path / "z" / "up").symlink_to(tmp_path)
    (tmp_path / "z" / "nowhere").symlink_to(tmp_path / "gone")
    assert index_images(tmp_path, relative_to=tmp_path).paths == ("z/a.png",)


def test_index_images_follows_a_link_to_another_disk(tmp_path):
    touch(tmp_path, "disk/a.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "images").symlink_to(tmp_path / "disk")
    index = index_images(tmp_path / "root", relative_to=tmp_path / "root", within="images")
    assert index.paths == ("images/a.png",)


def test_index_images_reports_folders_that_cannot_be_listed():
    with powerless_folder() as folder:
        touch(folder, "closed/a.png")
        (folder / "closed").chmod(0)
        try:
            index = index_images(folder, relative_to=folder)
        finally:
            (folder / "closed").chmod(0o755)
    assert index.notes([]) == ["1 folders cannot be listed: closed"]


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("a/b.png", False),
        ("a..b.png", False),
        ("/etc/passwd", True),
        ("..", True),
        ("a/../b.png", True),
        ("a\\..\\b.png", True),
        ("C:\\b.png", True),
        ("a\x00.png", True),
        ("a\n.png", True),
    ],
)
def test_leaves_folder_sees_paths_that_point_outside(path, leaves):
    assert leaves_folder(path) is leaves


def test_locate_names_tells_where_a_missing_file_was_expected(tmp_path):
    touch(tmp_path, "Zoo/images/a.png")
    names = pd.Series(["a.png", "b.png", "../c.png"])
    located = locate_names(names, tmp_path / "Zoo", root=tmp_path, within="images", options=ReadOptions())
    assert list(located.paths) == ["Zoo/images/a.png", "Zoo/images/b.png", "../c.png"]
    assert list(located.missing) == [False, True, True]
    assert list(located.outside) == [False, False, True]


def test_find_repository_prefers_a_folder_with_its_marker(tmp_path):
    touch(tmp_path, "Zoo/readme", "MENAGERIE/Animals_2020.csv")
    assert find_repository(tmp_path, ZOO) == tmp_path / "MENAGERIE"


def test_find_repository_takes_a_named_folder_without_its_marker(tmp_path):
    touch(tmp_path, "menagerie/readme", "zoo/readme")
    assert find_repository(tmp_path, ZOO) == tmp_path / "zoo"


@pytest.mark.parametrize("name", ["animals.csv", "menagerie"])
def test_find_repository_takes_the_root_itself(tmp_path, name):
    root = tmp_path / "menagerie" if name == "menagerie" else tmp_path / "downloads"
    touch(root, name if name.endswith(".csv") else "readme")
    assert find_repository(root, ZOO) == root


def test_find_repository_says_what_it_looked_for(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        find_repository(tmp_path, ZOO)
    assert caught.value.message == f"'{tmp_path}' has no folder of zoo"
    assert caught.value.hint == "looked for Zoo, menagerie; put the download there, or give another --root"


def test_find_repository_refuses_a_root_that_is_no_folder(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        find_repository(tmp_path / "gone", ZOO)
    assert caught.value.message == f"'{tmp_path / 'gone'}' is not a folder"


def test_find_file_takes_the_first_pattern_in_any_case_or_compressed(tmp_path):
    touch(tmp_path, "Labels/Entry_b.csv", "labels_old/x", "entry.CSV", "list.txt.gz")
    assert find_file(tmp_path, "labels/entry_*.csv", "entry.csv") == tmp_path / "Labels" / "Entry_b.csv"
    assert find_file(tmp_path, "entry.csv") == tmp_path / "entry.CSV"
    assert find_file(tmp_path, "list.txt") == tmp_path / "list.txt.gz"
    assert find_optional_file(tmp_path, "nothing*") is None


def test_find_file_names_the_missing_file(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        find_file(tmp_path, "a.csv", "b.csv")
    assert caught.value.message == f"'{tmp_path}' has no file 'a.csv'"
    assert caught.value.hint == "looked for a.csv, b.csv"
