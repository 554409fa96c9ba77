import gzip
import os
import pickle
import pickletools
import subprocess
from pathlib import Path

import numpy as np
import otwrapy
import pytest

from ensnare.errors import ArchiveError
from ensnare.store.pickles import read_pickle, write_pickle

TREE = {
    "x": np.arange(6.0).reshape(2, 3),
    "y": np.array([[1, 2], [3, 4]], order="F"),
    "id": np.array([b"ab", b"cde"]),
    "text": np.array(["\u00e9a", "b"]),
    "flags": np.array([True, False]),
    "status": np.array([0, 9], np.uint8),
    "big_endian": np.arange(3, dtype=">f4"),
    "complex": np.array([1 + 2j]),
    "empty": np.zeros((0, 3)),
    "number": np.float64(1.5),
    "names": ["a", "b"],
    "nested": {"tuple": (1, 2.5, None, True, b"raw"), "level": np.int32(3)},
}


def assert_same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key])
    elif isinstance(expected, np.ndarray):
        assert got.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        assert got.flags.writeable
        np.testing.assert_array_equal(got, expected)
    else:
        assert got == expected


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a.pklz"
    write_pickle(path, TREE)
    assert_same(read_pickle(path), TREE)


def test_what_is_written_needs_gzip_pickle_and_numpy_only(tmp_path):
    path = tmp_path / "a.pklz"
    write_pickle(path, TREE)
    with gzip.open(path) as file:
        data = file.read()
    assert_same(pickle.loads(data), TREE)
    first = next(pickletools.genops(data))
    assert (first[0].name, first[1]) == ("PROTO", 2)


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    write_pickle(tmp_path / "a.pklz", TREE)
    monkeypatch.setattr("time.time", lambda: 4e9)
    write_pickle(tmp_path / "other name.pklz", TREE)
    assert (tmp_path / "a.pklz").read_bytes() == (tmp_path / "other name.pklz").read_bytes()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["pklz", "pkl"])
def test_pickles_of_every_protocol_are_read(tmp_path, protocol, pack):
    path = tmp_path / "a"
    path.write_bytes(pack(pickle.dumps(TREE, protocol)))
    assert_same(read_pickle(path), TREE)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_numpy_1_are_read(tmp_path, protocol):
    path = tmp_path / "a"
    data = pickle.dumps(TREE["x"], protocol)
    if protocol < 4:  # names with their length are another matter
        data = data.replace(b"numpy._core", b"numpy.core")
        assert b"numpy.core" in data or protocol < 0
    path.write_bytes(data)
    assert_same(read_pickle(path), TREE["x"])


def test_a_pickle_of_python_2_is_read(tmp_path):
    # written by Python 2.7 with numpy 1.16: numpy.array([1.0, 2.0]), protocol 2
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
        b"\x87Rq\x03(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03U\x01<NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
        + np.array([1.0, 2.0]).tobytes()
        + b"tb."
    )
    (tmp_path / "a.pkl").write_bytes(data)
    np.testing.assert_array_equal(read_pickle(tmp_path / "a.pkl"), [1.0, 2.0])


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _object_state():
    array = np.empty(1, object)
    array[0] = Call(os.system, "touch hacked")
    return array


class _Sub(np.ndarray):
    pass


HOSTILE = {
    "os.system": Call(os.system, "touch hacked"),
    "eval": Call(eval, "open('hacked', 'w')"),
    "a nested one": {"x": [np.zeros(2), Call(subprocess.check_output, ["touch", "hacked"])]},
    "a method": Call(Path("hacked").touch),
    "getattr": Call(getattr, "", "format"),
    "import": Call(__import__, "antigravity"),
    "numpy.load": Call(np.load, "x"),
    "an array of objects": np.array([1, "a", None], object),
    "an array of hostile objects": _object_state(),
    "records": np.zeros(2, [("a", "f8")]),
    "records of objects": np.zeros(2, [("a", "O")]),
    "a subclass": np.zeros(2).view(_Sub),
    "a masked array": np.ma.array([1.0]),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "a set": {1, 2},
    "a class": Path,
    "a path": Path("x"),
    "a lone type": np.dtype("f8"),
    "another codec": Call(__import__("codecs").encode, "print", "rot13"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("tree", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_no_plain_array_is_refused_in_one_line(tmp_path, monkeypatch, tree, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(tree, protocol))
    with pytest.raises(ArchiveError) as error:
        read_pickle(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "hacked").exists()


OPCODES = {
    "a call of a call": b"cnumpy\nndarray\n)R)R.",
    "a type that claims to hold objects": b"cnumpy\ndtype\n(U\x01OI0\nI1\ntR.",
    "a plain type turned into objects": (
        b"cnumpy\ndtype\n(U\x02f8I0\nI1\ntR(I3\nU\x01|N(U\x01atN I8\nI1\nI63\ntb."
    ),
    "an array that was never filled": b"cnumpy.core.multiarray\n_reconstruct\n)R.",
    "a function that is changed": b"c_codecs\nencode\n}U\x01aI1\nsb.",
    "a function that is changed in its slots": b"c_codecs\nencode\n(N}U\x09_functionI1\nstb.",
    "a class that is changed": b"cnumpy\ndtype\n(N}U\x05dtypeI1\nstb.",
    "the module builtins by parts": b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
    "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.tofile\x93.",
    "an extension code": b"\x82\x01.",
    "an object kept elsewhere": b"Pos.system\n.",
    "too few bytes": (
        b"cnumpy.core.numeric\n_frombuffer\n(U\x03abccnumpy\ndtype\n(U\x02f8I0\nI1\ntR(I1\ntU\x01CtR."
    ),
    "a shape that does not fit": (
        b"cnumpy.core.numeric\n_frombuffer\n(U\x08abcdefghcnumpy\ndtype\n(U\x02f8I0\nI1\ntR"
        b"(I99\ntU\x01CtR."
    ),
    "a list in itself": b"(lp0\ng0\na.",
    "nothing": b"",
    "the end": b".",
    "no pickle": b"hello",
    "half a gzip": gzip.compress(pickle.dumps(np.zeros(1000)))[:40],
}


@pytest.mark.parametrize("data", OPCODES.values(), ids=OPCODES)
def test_hostile_opcodes_are_refused_in_one_line(tmp_path, data):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(ArchiveError) as error:
        read_pickle(path)
    assert "\n" not in str(error.value)
    write_pickle(path, TREE)  # nothing of ours was changed
    assert_same(read_pickle(path), TREE)


def test_random_damage_is_refused_or_harmless(tmp_path):
    rng = np.random.default_rng(0)
    whole = pickle.dumps(TREE, 2)
    path = tmp_path / "a.pkl"
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_pickle(path)
        except ArchiveError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_file_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(ArchiveError, match="No such file"):
        read_pickle(tmp_path / "none.pklz")


def test_otwrapy_reads_ours_and_we_read_otwrapy(tmp_path):
    ours, theirs = tmp_path / "ours.pklz", tmp_path / "theirs.pklz"
    write_pickle(ours, TREE)
    found = otwrapy.load_array(str(ours))
    assert found["x"].sum() == 15.0
    otwrapy.dump_array(found["x"], str(theirs), compress=True)
    assert_same(read_pickle(theirs), TREE["x"])
