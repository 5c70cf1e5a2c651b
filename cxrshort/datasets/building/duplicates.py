"""Find the same film under two patient ids, and join the patients.

Public archives hold films twice: collections copy from each other and crop, brighten or re-save on the way. A split
by patient id alone then leaks. The search has two steps.

1. A perceptual hash proposes pairs: the lowest discrete cosine coefficients of the picture (as in the 64-bit pHash of
   Zauner 2010), kept as numbers rather than signs, without brightness and contrast, and relative to the collection,
   because chest films all look alike. All pairs are compared; each film also stands for itself without its border, so
   that a cropped copy is proposed too.
2. Registration confirms them: normalised cross-correlation of the fine structure (ribs, vessels), over small shifts
   and crops. In 1,619 real films the copies reach 0.80 or more; two films of different people, or of one person on
   different days, stay below 0.67.

What would invalidate the result: mirrored or inverted copies are not looked for; films reduced below about 64 pixels
no longer show the structure that tells two people apart.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

_FREQUENCIES = 10  # per axis; 8 would propose four times as many pairs of different films
_INNER = 0.92  # share of the side that is left without the border
_PROPOSED = 0.82  # cosine of two hashes; the known copies have 0.86 or more
CONFIRMED = 0.75  # correlation of fine structure; see the module docstring
_SIDE = 64  # pixels at which films are registered
_SHIFT = 10  # largest shift in those pixels
_ZOOMS = {
    False: (1.0, 0.96),
    True: (0.96, 0.92, 0.88, 0.84),
}  # tried for a pair, by whether its hash was without border
_PRIOR = 50  # films that the collection's mean is worth less than; keeps a handful of films from cancelling out

Floats = NDArray[np.float32]


def find_duplicates(images: NDArray[np.uint8], groups: Sequence[str], *, jobs: int = 1) -> list[tuple[int, int, float]]:
    """Return pairs of rows of different groups that show the same film.

    Comparing all pairs of 112,120 films takes about a minute on two cores, and one more pass over the cache.

    Args:
        images: (N, H, W) uint8, usually a memory map; read in blocks.
        groups: the patient of each row; pairs within one patient are left out.
        jobs: number of pairs registered at the same time.

    Returns:
        ``(i, j, correlation)`` with i < j, in order; the correlation is at most 1.

    Example:
        >>> film = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        >>> [(i, j) for i, j, _ in find_duplicates(np.stack([film, film[::-1], film]), ["A", "B", "C"])]
        [(0, 2)]
    """
    if len(images) < 2:
        return []
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    proposed = _propose(*_hash(images), group)
    score = joblib.delayed(_score)
    scores = joblib.Parallel(n_jobs=jobs, prefer="threads")(score(images[i], images[j], z) for i, j, z in proposed)
    best: dict[tuple[int, int], float] = {}
    for (i, j, _), correlation in zip(proposed, scores, strict=True):
        pair = (min(i, j), max(i, j))
        best[pair] = max(correlation, best.get(pair, -1.0))
    return [(i, j, value) for (i, j), value in sorted(best.items()) if value >= CONFIRMED]


def nearest_films(
    images: NDArray[np.uint8],
    references: NDArray[np.uint8],
    *,
    groups: Sequence[str] | NDArray[Any],
    reference_groups: Sequence[str] | NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each film the reference of another group with the most similar hash, and how far it is.

    Hashes are relative to the references, so that what all of them share makes none of them similar. Either film may
    stand for itself without its border. All pairs are compared: 10,000 films with 100,000 take half a minute on a core.

    Args:
        images: (N, H, W) uint8.
        references: (M, H, W) uint8.
        groups: the patient of each film; references of the same one are left out.
        reference_groups: the patient of each reference.

    Returns:
        Place among the references (N,), -1 where there is none, and the distance (N,), 1 less the cosine of the two
        hashes: 0 to 2, infinite where there is none.
    """
    raw = _raw_hash(references)
    like = _spread(raw[0])
    whole, inner = (_standardise(part, like) for part in raw)
    query, query_inner = (_standardise(part, like) for part in _raw_hash(images))
    _, codes = np.unique(np.concatenate([np.asarray(groups), np.asarray(reference_groups)]), return_inverse=True)
    own, others = codes[: len(images)], codes[len(images) :]
    places, cosines = np.full(len(images), -1, np.int64), np.full(len(images), -np.inf)
    for i in range(0, len(images), 1024):
        rows = np.arange(i, min(i + 1024, len(images)))
        for j in range(0, len(references), 4096):
            columns = slice(j, j + 4096)
            close = np.maximum(query[rows] @ whole[columns].T, query_inner[rows] @ whole[columns].T)
            close = np.maximum(close, query[rows] @ inner[columns].T)
            close[own[rows, np.newaxis] == others[columns]] = -np.inf
            best = close.argmax(axis=1)
            values = close[np.arange(len(rows)), best].astype(np.float64)
            better = values > cosines[rows]
            places[rows[better]], cosines[rows[better]] = best[better] + j, values[better]
    return places, np.where(places < 0, np.inf, 1 - cosines)


def register_films(images: NDArray[np.uint8], references: NDArray[np.uint8], *, jobs: int = 1) -> NDArray[np.float64]:
    """Return how well each film fits the reference at its place, (N,): correlation of fine structure, at most 1.

    Copies reach ``CONFIRMED``; see the module docstring.

    Args:
        images: (N, H, W) uint8.
        references: (N, H, W) uint8.
        jobs: pairs that are registered at the same time.
    """

    def best(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
        either_way = ((image, reference, False), (image, reference, True), (reference, image, True))
        return max(_score(*pair) for pair in either_way)

    pairs = (joblib.delayed(best)(*pair) for pair in zip(images, references, strict=True))
    return np.array(joblib.Parallel(n_jobs=jobs, prefer="threads")(pairs), dtype=np.float64)


def join_people(patient_ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the person behind each patient id, where pairs of ids are known to be one person.

    Args:
        patient_ids: one per row; repeats are expected.
        pairs: ids that belong together (from `find_duplicates`, identical file names or a join table). Chains join.

    Returns:
        One id per row: the lexicographically smallest patient id of the person.

    Example:
        >>> join_people(["P3", "P1", "P2", "P4"], [("P3", "P2"), ("P2", "P1")])
        ['P1', 'P1', 'P1', 'P4']
    """
    parent: dict[str, str] = {}

    def root(patient: str) -> str:
        while (above := parent.get(patient, patient)) != patient:
            parent[patient] = parent.get(above, above)
            patient = above
        return patient

    for id_a, id_b in pairs:
        first, second = sorted((root(id_a), root(id_b)))
        parent[second] = first
    return [root(patient) for patient in patient_ids]


def _hash(images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return the hash (N, D) of each film and of each film without its border, of unit length."""
    whole, inner = _raw_hash(images)
    like = _spread(whole)
    return _standardise(whole, like), _standardise(inner, like)


def _spread(whole: Floats) -> tuple[Floats, Floats]:
    """Return what hashes of a collection are relative to: their mean, and their spread around it, (D,)."""
    count, mean = len(whole), whole.mean(axis=0)
    trust = count / (count + _PRIOR)
    spread = np.sqrt(trust * whole.var(axis=0) + (1 - trust) * (whole**2).mean()) + 1e-6
    return trust * mean, spread


def _standardise(hashes: Floats, like: tuple[Floats, Floats]) -> Floats:
    return _unit((hashes - like[0]) / like[1])


def _raw_hash(images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return the hash (N, D) of each film and of each film without its border, before they are made relative."""
    count, height, width = images.shape
    rows, columns = (np.concatenate([_cosines(side, 1.0), _cosines(side, _INNER)]) for side in (height, width))
    whole, inner = (np.empty((count, _FREQUENCIES**2 - 1), np.float32) for _ in range(2))
    for start in range(0, count, 256):
        block = slice(start, start + 256)
        # Two large products; a product per film would spend its time in waking threads.
        half = np.tensordot(images[block].astype(np.float32), columns, axes=(2, 1))
        both = np.tensordot(half, rows, axes=(1, 1))
        for out, part in ((whole, slice(None, _FREQUENCIES)), (inner, slice(_FREQUENCIES, None))):
            # The first coefficient is the brightness; the length of the rest is the contrast.
            out[block] = _unit(both[:, part, part].reshape(len(both), -1)[:, 1:])
    return whole, inner


def _cosines(side: int, share: float) -> Floats:
    """Return the first cosines (frequencies, side) over the middle ``share`` of an axis, zero outside."""
    margin = round(side * (1 - share) / 2)
    inside = side - 2 * margin
    angles = np.outer(np.arange(_FREQUENCIES), (np.arange(inside) + 0.5) * np.pi / inside)
    return np.pad(np.cos(angles) / inside, ((0, 0), (margin, margin))).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    unit: Floats = vectors / np.maximum(length, np.float32(1e-12))
    return unit


def _propose(whole: Floats, inner: Floats, group: NDArray[np.intp]) -> list[tuple[int, int, bool]]:
    """Return pairs of rows with similar hashes; the flag says that the first was taken without its border."""
    proposed: list[tuple[int, int, bool]] = []
    # Tiles of this size stay in the cache of a core between the product and the search in it.
    for i in range(0, len(whole), 1024):
        for j in range(0, len(whole), 4096):
            for hashes, without_border in ((whole, False), (inner, True)):
                if j + 4096 <= i and not without_border:
                    continue
                close = hashes[i : i + 1024] @ whole[j : j + 4096].T
                if close.max() < _PROPOSED:
                    continue
                first, second = np.nonzero(close >= _PROPOSED)
                first, second = first + i, second + j
                kept = group[first] != group[second]
                if not without_border:
                    kept &= first < second
                proposed += [(int(a), int(b), without_border) for a, b in zip(first[kept], second[kept], strict=True)]
    return proposed


def _score(moving_image: NDArray[np.uint8], fixed_image: NDArray[np.uint8], without_border: bool) -> float:
    """Return the best correlation of fine structure, over crops of ``moving_image`` and small shifts."""
    if np.array_equal(moving_image, fixed_image) and moving_image.min() < moving_image.max():
        return 1.0  # the very same file many times over is common, and its pairs grow with the square
    fixed = _fine_structure(fixed_image, 1.0)
    spectrum = np.conj(rfft2(fixed, (_SIDE + _SHIFT,) * 2))
    best = -1.0
    for zoom in _ZOOMS[without_border]:
        moving = _fine_structure(moving_image, zoom)
        best = max(best, _correlate(moving, fixed, spectrum))
    return best


def _fine_structure(image: NDArray[np.uint8], share: float) -> Floats:
    """Return the middle ``share`` of a film without slow shading, at equal local contrast."""
    height, width = image.shape
    top, left = height * (1 - share) / 2, width * (1 - share) / 2
    box = (left, top, width - left, height - top)
    small = np.asarray(Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box), np.float32)
    fine: Floats = small - gaussian_filter(small, 2, truncate=3)
    contrast = (
        np.sqrt(gaussian_filter(fine**2, 4, truncate=3)) + 2
    )  # two grey levels: flat ground is not raised to structure
    # Clipped, so that a printed letter or the edge of a collimator does not outweigh the ribs.
    clipped: Floats = np.clip(fine / contrast, -3, 3)
    return clipped


def _correlate(moving: Floats, fixed: Floats, spectrum: NDArray[np.complex64]) -> float:
    padded = (_SIDE + _SHIFT,) * 2
    correlation = irfft2(rfft2(moving, padded) * spectrum, padded)
    shifts = np.r_[0 : _SHIFT + 1, -_SHIFT:0]
    near = correlation[np.ix_(shifts, shifts)]
    down, right = (int(shifts[k]) for k in np.unravel_index(near.argmax(), near.shape))
    a = moving[_overlap(down), _overlap(right)]
    b = fixed[_overlap(-down), _overlap(-right)]
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / length) if length else -1.0


def _overlap(shift: int) -> slice:
    return slice(max(0, shift), _SIDE + min(0, shift))
