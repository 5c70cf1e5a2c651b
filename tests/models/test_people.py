"""Persons as salted hashes: nobody is named, models of other data have nothing in common, equal runs are equal."""

import hashlib

import numpy as np

from cxrshort.models.people import UNSALTED, count, decode, encode, hash_people, merge

PEOPLE = ["nih/1", "nih/2", "covid/7"]


def test_hashes_are_a_function_of_the_set_of_persons() -> None:
    (salt,) = hashed = hash_people(PEOPLE)
    again = hash_people([*reversed(PEOPLE), PEOPLE[0]])
    assert hashed.keys() == again.keys()
    np.testing.assert_array_equal(hashed[salt], again[salt])
    assert hash_people([]) == {}


def test_hash_is_blake2b_keyed_by_the_salt() -> None:
    (salt,) = hashed = hash_people(PEOPLE)
    digests = (hashlib.blake2b(each.encode(), digest_size=8, key=bytes.fromhex(salt)).digest() for each in PEOPLE)
    assert sorted(int.from_bytes(each, "little") for each in digests) == hashed[salt].tolist()


def test_sets_that_share_persons_share_no_hash() -> None:
    ours, theirs = hash_people(PEOPLE), hash_people([*PEOPLE, "nih/3"])
    assert not ours.keys() & theirs.keys()
    assert not set(next(iter(ours.values())).tolist()) & set(next(iter(theirs.values())).tolist())


def test_salt_tells_where_one_id_ends_and_the_next_begins() -> None:
    assert hash_people(["a", "bc"]).keys() != hash_people(["ab", "c"]).keys()


def test_persons_of_several_sets_are_counted_once() -> None:
    merged = merge([hash_people(PEOPLE), hash_people(["nih/2", "nih/3"]), hash_people(PEOPLE), {}])
    assert len(merged) == 2
    assert count(merged, ["nih/1", "nih/2", "nih/2", "nih/3", "nih/4"]) == 3
    assert count(merged, []) == count({}, PEOPLE) == 0


def test_hashes_without_a_salt_are_those_of_the_first_format() -> None:
    digest = hashlib.sha256(b"cxrshort/nih/1").digest()[:8]
    hashed = {UNSALTED: np.array([int.from_bytes(digest, "little")], np.uint64)}
    assert (count(hashed, ["nih/1"]), count(hashed, ["nih/2"])) == (1, 0)
    assert count(merge([hashed, hash_people(["nih/2"])]), ["nih/1", "nih/2"]) == 2


def test_hashes_come_back_as_they_were_encoded() -> None:
    hashed = hash_people(PEOPLE)
    again = decode(encode(hashed))
    assert again.keys() == hashed.keys()
    assert all(again[salt].dtype == np.uint64 and (again[salt] == hashed[salt]).all() for salt in hashed)
    assert not any(person in str(encode(hashed)) for person in PEOPLE)


def test_ids_that_are_no_unicode_are_hashed_too() -> None:
    name = b"nih/\xe9".decode(errors="surrogateescape")
    assert count(hash_people([name]), [name, "nih/e"]) == 1
