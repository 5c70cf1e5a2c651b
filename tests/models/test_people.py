"""Persons as salted hashes: nobody is named, models of other data have nothing in common, equal runs are equal."""

import hashlib

import numpy as np

from cxrshort.models.people import UNSALTED, count_people, decode_hashes, encode_hashes, hash_people, merge_people

PEOPLE = ["nih/1", "nih/2", "covid/7"]


def test_hashes_are_a_function_of_the_set_of_persons() -> None:
    (salt,) = hashed = hash_people(PEOPLE)
    again = hash_people([*reversed(PEOPLE), PEOPLE[0]])
    assert hashed.keys() == again.keys()
    np.testing.assert_array_equal(hashed[salt], again[salt])
    assert hash_people([]) == {}


def test_hash_is_blake2b_keyed_by_the_salt() -> None:
    (salt,) = hashed = hash_people(PEOPLE)
    digests = (hashlib.blake2b(person.encode(), digest_size=8, key=bytes.fromhex(salt)).digest() for person in PEOPLE)
    assert sorted(int.from_bytes(digest, "little") for digest in digests) == hashed[salt].tolist()


def test_sets_that_share_persons_share_no_hash() -> None:
    ours, theirs = hash_people(PEOPLE), hash_people([*PEOPLE, "nih/3"])
    assert not ours.keys() & theirs.keys()
    assert not set(next(iter(ours.values())).tolist()) & set(next(iter(theirs.values())).tolist())


def test_salt_tells_where_one_id_ends_and_the_next_begins() -> None:
    assert hash_people(["a", "bc"]).keys() != hash_people(["ab", "c"]).keys()


def test_persons_of_several_sets_are_counted_once() -> None:
    merged = merge_people([hash_people(PEOPLE), hash_people(["nih/2", "nih/3"]), hash_people(PEOPLE), {}])
    assert len(merged) == 2
    assert count_people(merged, ["nih/1", "nih/2", "nih/2", "nih/3", "nih/4"]) == 3
    assert count_people(merged, []) == count_people({}, PEOPLE) == 0


def test_hashes_without_a_salt_are_those_of_the_first_format() -> None:
    digest = hashlib.sha256(b"cxrshort/nih/1").digest()[:8]
    hashed = {UNSALTED: np.array([int.from_bytes(digest, "little")], np.uint64)}
    assert (count_people(hashed, ["nih/1"]), count_people(hashed, ["nih/2"])) == (1, 0)
    assert count_people(merge_people([hashed, hash_people(["nih/2"])]), ["nih/1", "nih/2"]) == 2


def test_hashes_come_back_as_they_were_encoded() -> None:
    hashed = hash_people(PEOPLE)
    again = decode_hashes(encode_hashes(hashed))
    assert again.keys() == hashed.keys()
    assert all(again[salt].dtype == np.uint64 and (again[salt] == hashed[salt]).all() for salt in hashed)
    assert not any(person in str(encode_hashes(hashed)) for person in PEOPLE)


def test_ids_that_are_no_unicode_are_hashed_too() -> None:
    name = b"nih/\xe9".decode(errors="surrogateescape")
    assert count_people(hash_people([name]), [name, "nih/e"]) == 1
