"""Sample ids: hashes of content, computed with array operations for a million rows at a time.

A sample's id hashes its case, its input values, and how many equal samples come before it. It
does not depend on the order of inputs, factors, levels or rows. Ids stand in files of results:
a change of any number below would evaluate every sample of every study again.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ID_BYTES = 10  # 80 bits: two of ten million samples get the same id with probability 4e-11
ID_LENGTH = 2 * ID_BYTES
_CHUNK = 16384  # rows hashed at a time, so that temporary arrays fit into the cache
Words = NDArray[np.uint64]


def _mix(words: Words) -> Words:
    """Spread every bit over the word: the finaliser of SplitMix64 (Steele et al. 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _salt(text: str) -> Words:
    """Return two words that stand for a text, shape (2,)."""
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint64)


def row_words(x: NDArray[np.float64], names: Sequence[str]) -> Words:
    """Hash the rows of a design, whatever the order of its columns.

    Parameters
    ----------
    x : ndarray of float, shape (n, d)
        Input values.
    names : sequence of str, length d
        Names of the columns.

    Returns
    -------
    ndarray of uint64, shape (n, 2)
        128 bits for each row; equal rows have equal hashes, and differ in `occurrences`.
    """
    words = np.zeros((len(x), 2), np.uint64)
    for start in range(0, len(x), _CHUNK):
        at = slice(start, start + _CHUNK)
        bits = (np.ascontiguousarray(x[at], np.float64) + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0
        for half in range(2):
            for column, name in enumerate(names):
                salt = _salt(name)[half]
                # a sum does not depend on the order of the columns
                words[at, half] += _mix(_mix(bits[:, column] ^ salt) + salt)
    return _mix(words)


def occurrences(words: Words) -> NDArray[np.uint64]:
    """Return for each row how many equal rows come before it, shape (n,)."""
    count = np.zeros(len(words), np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    ordered = words[order]
    new = np.ones(len(words), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    if not new.all():
        position = np.arange(len(words))
        start = np.maximum.accumulate(np.where(new, position, 0))
        count[order] = (position - start).astype(np.uint64)  # lexsort is stable
    return count


def sample_ids(
    rows: Words, occurrence: NDArray[np.uint64], case: dict[str, str | int | float]
) -> NDArray:  # type: ignore[type-arg]
    """Return the ids of the samples of one case.

    Parameters
    ----------
    rows : ndarray of uint64, shape (n, 2)
        Hashes of the rows, from `row_words`.
    occurrence : ndarray of uint64, shape (n,)
        From `occurrences`, over the whole design.
    case : dict
        The levels that identify the case (`study.sweep.case_identity`).

    Returns
    -------
    ndarray of S20, shape (n,)
        Hexadecimal ids.
    """
    salt = np.tile(_salt(json.dumps(case, sort_keys=True)), (min(len(rows), _CHUNK), 1))
    raw = np.empty((len(rows), ID_BYTES), np.uint8)
    for start in range(0, len(rows), _CHUNK):
        words, times = rows[start : start + _CHUNK], occurrence[start : start + _CHUNK]
        words = words + salt[: len(words)]
        if times.any():  # 0 adds nothing
            words += _mix(times * np.uint64(0x9E3779B97F4A7C15))[:, None]
        raw[start : start + _CHUNK] = _mix(words).view(np.uint8)[:, :ID_BYTES]
    return np.frombuffer(binascii.hexlify(raw.data), f"S{ID_LENGTH}")


def find_ids(ids: NDArray[np.bytes_], known: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return the position of each id in `known`, shape of `ids`; -1 if it is not there.

    The ids in `known` (S20, shape (k,)) must all be different.
    """
    if not len(known):
        return np.full(len(ids), -1, np.int64)
    if _same(
        ids, known[: len(ids)]
    ):  # often: a journal of one worker, or a batch in the same order
        return np.arange(len(ids))
    keys, of_known = id_keys(ids), id_keys(known)
    order, of_order = np.argsort(keys), np.argsort(of_known)
    # both are sorted, since a search in random order misses the cache at every id
    at = np.searchsorted(of_known[of_order], keys[order])
    place = np.empty(len(ids), np.int64)
    place[order] = of_order[np.minimum(at, len(known) - 1)]
    missed = np.flatnonzero(known[place] != ids)
    place[missed] = -1
    if (
        len(missed) and (np.diff(of_known[of_order]) == 0).any()
    ):  # two ids with one key, which is rare
        found = {name: i for i, name in enumerate(known.tolist())}
        place[missed] = [found.get(name, -1) for name in ids[missed].tolist()]
    return place


def _same(ids: NDArray[np.bytes_], others: NDArray[np.bytes_]) -> bool:
    """Return whether two arrays of ids are equal; bytes are compared faster than text."""
    if ids.dtype != others.dtype or len(ids) != len(others):
        return False
    return ids.tobytes() == others.tobytes()


_FACTORS = np.frombuffer(hashlib.blake2b(digest_size=2 * ID_LENGTH).digest(), "<u8") | np.uint64(1)


def id_keys(ids: NDArray[np.bytes_]) -> Words:
    """Return a 64-bit key for each id, shape of `ids`; sorting text takes ten times as long.

    Ids are hashes already, so a sum of their 32-bit words with odd factors is as good as another
    hash: one pair of different ids in 2^64 has the same key.
    """
    words = np.ascontiguousarray(ids, f"S{ID_LENGTH}").view("<u4").reshape(-1, len(_FACTORS))
    keys: Words = words @ _FACTORS
    return keys


def sample_seed(sample_id: str, study_seed: int) -> int:
    """Return the seed of a sample, below 2**31; it depends on the id and the study's seed only."""
    text = f"{sample_id}:{study_seed}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest()) & 0x7FFFFFFF
