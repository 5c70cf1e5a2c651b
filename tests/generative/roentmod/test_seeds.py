"""Seeds of edits: one for each image and repetition, whole numbers that a manifest keeps."""

import hashlib

from cxrshort.generative.roentmod.seeds import edit_seed


def test_seeds_differ_by_seed_image_and_repetition_and_stay_for_ever() -> None:
    seeds = {edit_seed(seed, name, number) for seed in (0, 1) for name in ("a/1", "a/2") for number in (0, 1)}
    assert len(seeds) == 8 and all(0 <= seed < 2**52 for seed in seeds)
    assert edit_seed(0, "a/1", 0) == int(hashlib.sha256(b"0/a/1/0").hexdigest()[:13], 16) == 4048891844197505
