import csv
import gzip
import json
import pickle

import h5py
import numpy as np
import pytest
from small_studies import evaluate, labels, load, prepare, shell, study_tree

import ensnare
from ensnare.archive.archive import pickle_tree, ran_with, write_archive
from ensnare.archive.gather import gather
from ensnare.archive.samples_csv import write_samples
from ensnare.errors import ArchiveError, DesignError
from ensnare.report.sections import provenance
from ensnare.store.outcome import Status, one_line
from ensnare.store.paths import StudyPaths
from ensnare.store.pickles import read_pickle, write_pickle


def deliver(tree, directory):
    """Evaluate a study and write all that `gather` delivers; return the arrays and the paths."""
    _, arrays = evaluate(tree, directory)
    paths = StudyPaths(directory / "results" / "small")
    write_pickle(paths.pickle, pickle_tree(arrays))
    write_samples(paths.table("samples"), arrays, paths)
    write_archive(paths.archive, load(tree, directory), arrays)
    return arrays, paths


TREE = study_tree(
    shell(
        'case "${mesh}${level}" in fine2) echo no >&2; exit 3;; esac; echo y = ${x}; echo z = ${k}',
        {"name": "y", "unit": "m", "regex": r"y = (\S+)"},
        {"name": "z", "regex": r"z = (\S+)"},
    ),
    inputs=("x", "b"),
    size=3,
    seed=5,
    sweep={"mesh": ["coarse", "fine"], "level": [1, 2], "angle": [0.5]},
    design={"method": "saltelli", "size": 2},
    derived={"t": "level * angle * b"},
)
TREE["inputs"] = [
    {**TREE["inputs"][0], "unit": "kg"},
    TREE["inputs"][1],
    {"name": "k", "value": 4.0, "unit": "s"},
]
N, CASES = 2 * 4, 4


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    return deliver(TREE, tmp_path_factory.mktemp("archive"))


@pytest.fixture
def file(delivered):
    with h5py.File(delivered[1].archive, "r") as file:
        yield file


def test_rows_are_case_by_case_then_in_design_order(delivered, file):
    arrays, _ = delivered
    assert len(arrays) == N * CASES
    np.testing.assert_array_equal(file["design_row"], np.tile(np.arange(N), CASES))
    mesh = file["cases/mesh"].asstr()[:]
    assert mesh.tolist() == ["coarse"] * 2 * N + ["fine"] * 2 * N
    np.testing.assert_array_equal(file["cases/level"], np.tile(np.repeat([1, 2], N), 2))
    x = file["inputs/x"][:].reshape(CASES, N)
    assert (x == x[0]).all()


def test_every_dataset_has_its_type(file):
    types = {
        "sample_id": "S20",
        "inputs/x": "f8",
        "inputs/b": "f8",
        "outputs/y": "f8",
        "outputs/z": "f8",
        "cases/level": "i8",
        "cases/angle": "f8",
        "exit_code": "i4",
        "elapsed_s": "f8",
        "attempts": "u2",
        "origin": "S16",
        "design_row": "i8",
        "block": "i4",
        "group": "i4",
        "status": "u1",
    }
    for name, kind in types.items():
        assert file[name].dtype == np.dtype(kind), name
        assert file[name].shape == (N * CASES,), name
        assert file[name].compression == "gzip", name
        assert file[name].dims[0][0] == file["sample"], name
    assert h5py.check_string_dtype(file["cases/mesh"].dtype).encoding == "utf-8"
    assert sorted(file) == sorted({n.partition("/")[0] for n in types} | {"sample", "messages"})
    assert sorted(file["inputs"]) == ["b", "x"]


def test_the_status_is_the_enum_of_the_contract(file):
    names = ["ok", "failed", "timeout", "unparsable", "out_of_range", "unsuccessful", "error"]
    names += ["killed", "skipped", "not_run"]
    expected = {name: number for number, name in enumerate(names)}
    assert h5py.check_enum_dtype(file["status"].dtype) == expected
    assert {s.label: int(s) for s in Status} == expected


def test_outputs_are_nan_unless_ok(delivered, file):
    arrays, _ = delivered
    bad = (file["cases/mesh"].asstr()[:] == "fine") & (file["cases/level"][:] == 2)
    np.testing.assert_array_equal(file["status"][:], np.where(bad, 1, 0))
    np.testing.assert_array_equal(file["exit_code"][:], np.where(bad, 3, 0))
    np.testing.assert_array_equal(np.isnan(file["outputs/y"][:]), bad)
    np.testing.assert_allclose(file["outputs/y"][:][~bad], file["inputs/x"][:][~bad])
    assert (file["outputs/z"][:][~bad] == 4.0).all()
    assert labels(arrays).count("failed") == N


def test_units_are_attributes(file):
    assert file["inputs/x"].attrs["units"] == "kg"
    assert file["outputs/y"].attrs["units"] == "m"
    assert file["elapsed_s"].attrs["units"] == "s"
    assert "units" not in file["inputs/b"].attrs


def test_the_root_says_what_was_run_with_what(file):
    assert file.attrs["layout_version"] == 1
    assert file.attrs["seed"] == 5
    study = json.loads(file.attrs["study"])
    assert study["sweep"]["level"] == [1, 2]
    assert "numpy" in json.loads(file.attrs["versions"])
    assert "host" in json.loads(file.attrs["host"])
    assert isinstance(file.attrs["git"], str)


def test_the_archive_says_with_what_samples_ran_and_not_only_where_it_was_made(tmp_path):
    tree = study_tree(shell("echo y = ${x}"), size=4, batch={"size": 2})
    evaluate(tree, tmp_path)
    study, paths, batches = prepare(tree | {"design": {"method": "sobol", "size": 7}}, tmp_path)
    with h5py.File(paths.batch(batches[0].key), "r+") as file:  # by another version, elsewhere
        older = json.loads(file.attrs["versions"]) | {"ensnare": "0.0.1"}
        file.attrs["versions"] = json.dumps(older)
    arrays = gather(study, batches, paths)
    assert labels(arrays).count("not_run") == 3
    write_archive(paths.archive, study, arrays)
    attributes = ensnare.open_study(paths.root).attributes
    assert [job["samples"] for job in attributes["ran_with"]] == [2, 2]
    versions = {job["versions"]["ensnare"] for job in attributes["ran_with"]}
    assert versions == {"0.0.1", attributes["versions"]["ensnare"]}
    assert provenance(attributes)["run with other versions"] == "2 samples: ensnare 0.0.1"
    paths.batch(batches[0].key).unlink()  # its samples may have been taken over
    assert {"versions": {}, "host": {}, "samples": 2} in ran_with(arrays.origin, paths)


def test_a_study_of_any_length_fits_into_its_attribute(tmp_path):
    tree = study_tree(shell("echo y = 1"), size=1, description="long " * 50_000)
    _, paths = deliver(tree, tmp_path)
    assert len(ensnare.open_study(paths.root).study.description) > 200_000


def test_xarray_opens_the_archive(delivered):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    arrays, paths = delivered
    with xarray.open_dataset(paths.archive, engine="h5netcdf") as root:
        assert root.sizes == {"sample": N * CASES}
        assert root["elapsed_s"].dims == ("sample",)
        np.testing.assert_array_equal(root["status"], arrays.status)
        assert root.attrs["layout_version"] == 1
    with xarray.open_dataset(paths.archive, engine="h5netcdf", group="outputs") as outputs:
        np.testing.assert_array_equal(outputs["y"], arrays.y[:, 0])
        assert outputs["y"].dims == ("sample",)
        assert outputs["y"].attrs["units"] == "m"
    with xarray.open_dataset(paths.archive, engine="h5netcdf", group="cases") as cases:
        assert set(cases["mesh"].values.tolist()) == {"coarse", "fine"}


def test_the_pickle_is_a_dict_of_plain_arrays(delivered):
    arrays, paths = delivered
    with gzip.open(paths.pickle) as file:
        tree = pickle.load(file)
    np.testing.assert_array_equal(tree["inputs"], arrays.x)
    np.testing.assert_array_equal(tree["outputs"], arrays.y)
    assert tree["input_names"] == ["x", "b"]
    assert tree["output_names"] == ["y", "z"]
    assert tree["cases"]["mesh"].tolist() == arrays.levels("mesh").tolist()
    for name in ("status", "sample_id", "exit_code", "elapsed_s", "attempts", "block", "group"):
        assert type(tree[name]) is np.ndarray
        assert tree[name].dtype != object
    assert tree["status_names"][tree["status"][-1]] == "failed"
    assert read_pickle(paths.pickle)["output_names"] == ["y", "z"]


def test_two_gathers_of_the_same_batches_give_the_same_pickle(delivered, tmp_path):
    _, paths = delivered
    study, _, batches = prepare(TREE, paths.root.parents[1])
    again = tmp_path / "again.pklz"
    write_pickle(again, pickle_tree(gather(study, batches, paths)))
    assert again.read_bytes() == paths.pickle.read_bytes()


def test_the_table_of_samples_has_a_line_for_each(delivered):
    arrays, paths = delivered
    with paths.table("samples").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == arrays.sample_id.astype(str).tolist()
    assert [float(row["x"]) for row in rows] == arrays.x[:, 0].tolist()
    assert [row["mesh"] for row in rows] == arrays.levels("mesh").tolist()
    assert [row["status"] for row in rows] == labels(arrays)
    assert rows[0]["directory"] == ""
    assert rows[-1]["message"] == "step 1 ended with exit code 3: no"
    directory = rows[-1]["directory"]
    assert directory.endswith(rows[-1]["id"])
    with open(f"{directory}/stderr.txt") as file:
        assert file.read() == "no\n"


@pytest.mark.parametrize("name", ["", "archive.h5"])
def test_an_archive_opens_as_arrays_and_as_a_data_frame(delivered, name):
    arrays, paths = delivered
    results = ensnare.open_study(str(paths.root / name))
    np.testing.assert_array_equal(results.x, arrays.x)
    np.testing.assert_array_equal(results.y, arrays.y)
    np.testing.assert_array_equal(results.status, arrays.status)
    frame = results.to_dataframe()
    assert frame.index.tolist() == arrays.sample_id.astype(str).tolist()
    assert {"mesh", "level", "angle", "x", "b", "y", "z", "status"} <= set(frame.columns)
    assert frame["status"].tolist() == labels(arrays)
    assert frame.loc[frame["status"] == "ok", "y"].notna().all()
    assert frame["group"].tolist() == arrays.group.tolist()
    cases = results.by_case()
    assert [case["level"] for case, _ in cases] == [1, 2, 1, 2]
    assert (results.cases["level"][cases[1][1]] == 2).all()


@pytest.mark.parametrize("content", [None, b"", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_what_is_no_archive_is_said_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "archive.h5").write_bytes(content)
    with pytest.raises(ArchiveError) as error:
        ensnare.open_study(tmp_path)
    assert "\n" not in str(error.value)


def test_an_archive_of_another_layout_is_refused(tmp_path):
    with h5py.File(tmp_path / "archive.h5", "w") as file:
        file.attrs["layout_version"] = 99
    with pytest.raises(ArchiveError, match="layout 99; expected 1"):
        ensnare.open_study(tmp_path)


def test_samples_of_batches_that_do_not_exist_are_not_run(tmp_path):
    tree = study_tree(shell("echo y = 1"), size=10, batch={"size": 4})
    study, paths, batches = prepare(tree, tmp_path)
    evaluate(tree, tmp_path)
    paths.batch(batches[1].key).unlink()
    arrays = gather(study, batches, paths)
    assert labels(arrays) == ["ok"] * 4 + ["not_run"] * 4 + ["ok"] * 2
    assert np.isnan(arrays.y[4:8]).all()
    assert (arrays.exit_code[4:8] == -1).all()
    assert np.isnan(arrays.elapsed_s[4:8]).all()
    assert len(set(arrays.sample_id)) == 10


def test_a_batch_that_holds_other_rows_is_refused(tmp_path):
    tree = study_tree(shell("echo y = 1"), size=8, batch={"size": 4})
    study, paths, (first, second) = prepare(tree, tmp_path)
    evaluate(tree, tmp_path)
    paths.batch(first.key).write_bytes(paths.batch(second.key).read_bytes())
    with pytest.raises(DesignError, match=f"{first.key}.h5 was evaluated for other rows"):
        gather(study, [first, second], paths)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(500), None])
def test_a_damaged_batch_is_said_in_one_line_with_what_to_do(tmp_path, content):
    tree = study_tree(shell("echo y = 1"), size=4)
    study, paths, (batch,) = prepare(tree, tmp_path)
    evaluate(tree, tmp_path)
    if content is None:
        with h5py.File(paths.batch(batch.key), "r+") as file:
            del file["rows"]
            file["rows"] = np.zeros(3)
    else:
        paths.batch(batch.key).write_bytes(content)
    with pytest.raises(ArchiveError, match="remove it and run snakemake again") as error:
        gather(study, [batch], paths)
    assert "\n" not in str(error.value)


def test_a_damaged_design_is_said_in_one_line(tmp_path):
    tree = study_tree(shell("echo y = 1"), size=4)
    study, paths, batches = prepare(tree, tmp_path)
    paths.design.write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"design\.h5: cannot read the design"):
        gather(study, batches, paths)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: Lost atoms: 500 now 498\nLast command: run 200", "ERROR: Lost atoms: 500 now 498"),
        (" *ERROR in e_c3d: no jacobian\n 12 elements", "*ERROR in e_c3d: no jacobian"),
        (
            "At line 62 of file io.f\nFortran runtime error: End of file\n\n"
            "Error termination. Backtrace:\n#0  0x7f3f in ???\n#1  0x7f40 in ???",
            "Fortran runtime error: End of file",
        ),
        (
            "Program received signal SIGFPE: Floating-point exception\n\n"
            "Backtrace for this error:\n#0  0x7f00 in ???",
            "Program received signal SIGFPE: Floating-point exception",
        ),
        ("rel error: 0.01\nerrors allowed\nno convergence", "no convergence"),
    ],
)
def test_of_the_last_words_the_line_that_says_error_counts(said, told):
    assert one_line(f"step 1 ended with exit code 1\n{said}\n") == (
        f"step 1 ended with exit code 1: {told}"
    )


def test_a_message_on_one_line_says_what_happened_and_the_last_words():
    assert one_line("") == ""
    assert one_line("output 'y' is nan") == "output 'y' is nan"
    assert one_line("Traceback (most recent\n  File x\nValueError: bad\n") == "ValueError: bad"
    assert one_line("exit code 3\n iterating\n no root\n") == "exit code 3: no root"
    assert one_line("exit code 3\n no root\n -----\n") == "exit code 3: no root"
    assert one_line("exit code 1\n-----\nnot as root\n-----\n") == "exit code 1: not as root"


def test_what_a_launcher_adds_is_not_taken_for_the_last_words_of_a_code():
    rule = "-" * 74
    primary = f"{rule}\nPrimary job  terminated normally, but 1 process returned\na code.\n{rule}"
    exited = f"{rule}\nmpiexec detected that\nthe job ended:\n\n  Exit code:    3\n{rule}"
    said = f"{primary}\n{exited}"
    assert one_line(f"exit code 3\nno root\n{said}\n") == "exit code 3: no root"
    assert one_line(f"exit code 3\n{rule}\na table\n{rule}\n{said}") == "exit code 3: a table"
    root = f"{rule}\nmpiexec has detected an attempt to run as root.\n{rule}"
    assert one_line(f"exit code 1\n{root}\n") == (
        "exit code 1: mpiexec has detected an attempt to run as root."
    )


ARRAYS = study_tree(
    shell(
        "test ${x} = 0.5 && exit 1; for i in 0 1 2; do echo $i.5 ${x}; done; echo y = ${x}",
        {"name": "y", "regex": "y = (.*)"},
        {"name": "u", "unit": "m/s", "table": "stdout.txt", "rows": "0..2", "column": 1,
         "shape": [3], "axis": {"name": "z", "unit": "m", "column": 0}},
        {"name": "w", "table": "stdout.txt", "rows": "0..1", "column": 1, "shape": [2]},
    ),
    size=4,
)  # fmt: skip


def test_arrays_are_in_the_archive_with_their_axes(tmp_path):
    arrays, paths = deliver(ARRAYS, tmp_path)
    assert labels(arrays).count("ok") == 3
    with h5py.File(paths.archive) as file:
        assert file["outputs/u"].shape == (4, 3)
        assert file["outputs/u"].dtype == np.dtype("f8")
        assert file["outputs/u"].attrs["units"] == "m/s"
        assert file["outputs/u"].dims[0][0] == file["sample"]
        assert file["outputs/u"].dims[1][0] == file["axes/u"]
        assert file["axes/u"][:].tolist() == [0.5, 1.5, 2.5]
        assert file["axes/u"].attrs["units"] == "m"
        assert file["axes/w"][:].tolist() == [0, 1]
        np.testing.assert_array_equal(np.isnan(file["outputs/u"][:, 0]), arrays.status != 0)
    results = ensnare.open_study(paths.root)
    good = results.status == 0
    assert results.outputs["u"].shape == (4, 3)
    np.testing.assert_allclose(results.outputs["u"][good].T, [results.inputs["x"][good]] * 3)
    assert results.axes["u"].tolist() == [0.5, 1.5, 2.5]
    assert results.y.shape == (4, 6)
    frame = results.to_dataframe()
    np.testing.assert_array_equal(frame["u[2]"], results.outputs["u"][:, 2])


def test_tables_hold_numbers_only_and_the_pickle_all(tmp_path):
    arrays, paths = deliver(ARRAYS, tmp_path)
    header = paths.table("samples").read_text().partition("\n")[0].split(",")
    assert header[2:5] == ["x", "y", "status"]
    tree = read_pickle(paths.pickle)
    assert tree["output_names"] == ["y", "u[0]", "u[1]", "u[2]", "w[0]", "w[1]"]
    np.testing.assert_array_equal(tree["outputs"], arrays.y)
    assert tree["axes"]["u"].tolist() == [0.5, 1.5, 2.5]


def test_xarray_opens_arrays(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    _, paths = deliver(ARRAYS, tmp_path)
    with xarray.open_dataset(paths.archive, engine="h5netcdf", group="outputs") as outputs:
        assert outputs["u"].dims == ("sample", "axis_u")
        assert outputs["w"].shape == (4, 2)
    with xarray.open_dataset(paths.archive, engine="h5netcdf") as root:
        assert root["axis_u"].values.tolist() == [0.5, 1.5, 2.5]
        assert root["axis_u"].attrs["units"] == "m"


def test_levels_of_any_size_fit_into_the_archive(tmp_path):
    levels = [1, 2**53 + 1, 2**64]
    tree = study_tree(shell("echo y = ${x}${n}"), size=2, sweep={"n": levels})
    _, arrays = evaluate(tree, tmp_path)
    assert len(set(arrays.sample_id.tolist())) == 6
    np.testing.assert_array_equal(arrays.levels("n"), np.repeat(np.array(levels, float), 2))
    study, paths, _ = prepare(tree, tmp_path)
    write_archive(paths.archive, study, arrays)
    assert ensnare.open_study(paths.root).cases["n"][-1] == 2.0**64
