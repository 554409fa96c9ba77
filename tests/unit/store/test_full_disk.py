"""A full disk is one clear line; when there is room again the run goes on without loss.

The disk is a small tmpfs, so most of this needs the permission to mount one.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_studies import evaluate, labels, prepare, shell, study_tree
from waiting import lines_of, marked_processes

from ensnare.archive.gather import gather
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.paths import write_whole

SCRIPTS = Path(__file__).parents[3] / "scripts"


class Disk:
    """A small file system at the place of the results."""

    def __init__(self, root):
        self.root = root

    def mount(self, *options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join(("size=4m", *options)), "none", self.root],
            capture_output=True,
            text=True,
        )

    def fill(self, leave):
        """Leave so many bytes, in whole pages."""
        space = os.statvfs(self.root)
        size = space.f_bavail * space.f_frsize - leave
        (self.root / "ballast").write_bytes(b"\1" * size)

    def make_room(self):
        (self.root / "ballast").unlink(missing_ok=True)
        assert self.mount("remount", "size=64m").returncode == 0


@pytest.fixture
def disk(tmp_path):
    root = tmp_path / "results"
    root.mkdir()
    found = Disk(root)
    done = found.mount()
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield found
    subprocess.run(["umount", "--lazy", root], check=True)


def logged(log, script="", **rest):
    text = f"echo start ${{sample}} >> {log}; {script} echo y = ${{x}}"
    return shell(f"{text}; echo finish ${{sample}} >> {log}", **rest)


def run_batch(prepared, tmp_path, log=None):
    """Evaluate the only batch by the command of the rule."""
    _, paths, (batch,) = prepared
    command = [sys.executable, "-m", "ensnare", "evaluate-batch", paths.study, batch.key]
    command += ["--threads", "2", "--log", log or tmp_path / "batch.log"]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True)
    assert marked_processes(f"{tmp_path}/log") == []
    return done


def assert_one_line(done, what):
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ensnare: ")
    assert "No space left on device" in line
    assert what in line
    assert "run again" in line


def assert_nothing_is_lost(tree, tmp_path, disk, log, most_again):
    """With room, the rest runs, and no more of what had run than could not be recorded."""
    before = [line.split() for line in lines_of(log)]
    disk.make_room()
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * len(arrays)
    np.testing.assert_allclose(arrays.y, arrays.x)
    again = [line.split()[1] for line in lines_of(log)[len(before) :] if "start" in line]
    assert len(again) == len(set(again))
    finished = {sample for kind, sample in before if kind == "finish"}
    assert len(finished & set(again)) <= most_again
    assert set(again) | finished == set(arrays.sample_id.astype(str))


@pytest.mark.slow
@pytest.mark.parametrize("notices", [True, False], ids=["that notices", "that does not notice"])
def test_samples_that_fill_the_disk(tmp_path, disk, notices):
    log = tmp_path / "log"
    script = f"head -c 300000 /dev/zero > big {'|| exit 1' if notices else '2> /dev/null'};"
    tree = study_tree(logged(log, script), size=40, keep="all")
    assert_one_line(run_batch(prepare(tree, tmp_path), tmp_path), "/samples/")
    assert any(line.startswith("finish") for line in lines_of(log))
    assert_nothing_is_lost(tree, tmp_path, disk, log, most_again=2)


def test_a_journal_that_fills_the_disk(tmp_path, disk):
    log = tmp_path / "log"
    (tmp_path / "scratch").mkdir()
    tree = study_tree(logged(log), size=200, keep="none", scratch=str(tmp_path / "scratch"))
    prepared = prepare(tree, tmp_path)
    disk.fill(leave=20_000)
    assert_one_line(run_batch(prepared, tmp_path), ".journal")
    assert_nothing_is_lost(tree, tmp_path, disk, log, most_again=2)


def test_a_scratch_directory_that_is_full_before_anything_runs(tmp_path, disk):
    log = tmp_path / "log"
    tree = study_tree(logged(log), size=4, scratch=str(disk.root))
    tree["study"] = "elsewhere"
    prepared = prepare(tree, tmp_path / "apart")
    disk.fill(leave=8192)
    done = run_batch(prepared, tmp_path)
    assert (done.returncode, lines_of(log)) == (1, [])
    (line,) = done.stderr.splitlines()
    assert f"scratch: no space left in {disk.root} on " in line


def whole_study(tmp_path, log):
    """Return a study that was evaluated and gathered."""
    tree = study_tree(logged(log), size=300, keep="none")
    evaluate(tree, tmp_path)
    return tree, prepare(tree, tmp_path)


def test_a_batch_file_that_fills_the_disk(tmp_path, disk):
    log = tmp_path / "log"
    tree, prepared = whole_study(tmp_path, log)
    _, paths, (batch,) = prepared
    paths.batch(batch.key).unlink()
    disk.fill(leave=16_000)
    assert_one_line(run_batch(prepared, tmp_path), f"{batch.key}.h5")
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.owner*"))
    assert_nothing_is_lost(tree, tmp_path, disk, log, most_again=0)
    assert len(lines_of(log)) == 600


GATHER = """
from types import SimpleNamespace
output = {{name: f"{root}/{{file}}" for name, file in
          dict(pickle="archive.pklz", samples="samples.csv", archive="archive.h5").items()}}
snakemake = SimpleNamespace(
    log=[{log!r}], input=SimpleNamespace(study="{root}/study.json"),
    output=SimpleNamespace(**output))
exec(open({script!r}).read())
"""


def run_gather(paths, log):
    text = GATHER.format(root=paths.root, log=str(log), script=str(SCRIPTS / "gather.py"))
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("leave", [8_000, 40_000])
def test_an_archive_that_fills_the_disk(tmp_path, disk, leave):
    log = tmp_path / "log"
    _, (study, paths, batches) = whole_study(tmp_path, log)
    disk.fill(leave)
    assert_one_line(run_gather(paths, tmp_path / "gather.log"), str(paths.root))
    assert not list(tmp_path.rglob("*.part"))
    disk.make_room()
    done = run_gather(paths, tmp_path / "gather.log")
    assert (done.returncode, done.stderr) == (0, "")
    with h5py.File(paths.archive) as file:
        np.testing.assert_array_equal(file["outputs/y"], gather(study, batches, paths).y[:, 0])
    assert len(lines_of(log)) == 600


@pytest.mark.slow
def test_a_batch_whose_log_is_full(tmp_path):
    log = tmp_path / "log"
    prepared = prepare(study_tree(logged(log), size=10), tmp_path)
    assert_one_line(run_batch(prepared, tmp_path, log="/dev/full"), "/dev/full")
    assert len(lines_of(log)) == 20  # only the last line, that all are done, could not be written
    done = run_batch(prepared, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines_of(log)) == 20


def test_a_script_whose_log_is_full_says_what_went_wrong(tmp_path):
    text = "from ensnare.commands.job import logged\n"
    text += "with logged('/dev/full'):\n    print('something')\n"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert_one_line(done, "No space left on device")


@pytest.mark.parametrize("kind", ["one array", "many", "compressed"])
def test_an_hdf5_file_that_does_not_fit_is_an_error_and_leaves_nothing(disk, kind):
    text = f"""
import h5py, numpy as np, os, pathlib
from ensnare.store.hdf5 import new_hdf5
from ensnare.store.paths import write_whole
def write(part):
    with new_hdf5(part) as file:
        if {kind == "many"}:
            for i in range(200):
                file[f"a{{i}}"] = np.random.rand(5000)
        else:
            options = dict(chunks=(1000,), compression="gzip") if {kind == "compressed"} else {{}}
            file.create_dataset("a", data=np.random.rand(800_000), **options)
        file.attrs["note"] = "y" * 1000
try:
    write_whole(pathlib.Path({str(disk.root)!r}, "a.h5"), write)
except OSError as error:
    print(error.errno, error.filename, os.listdir({str(disk.root)!r}))
"""
    # in a process of its own: HDF5 used to end it
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"28 {disk.root}/a.h5 []\n"


def test_an_hdf5_file_is_what_was_written(tmp_path):
    path, values = tmp_path / "a.h5", np.random.default_rng(0).random((300, 7))

    def write(part):
        with new_hdf5(part) as file:
            file.create_dataset("a", data=values, chunks=(10, 7), compression="gzip")
            file["b/c"] = values[0]
            file["a"].attrs["unit"] = "m"

    write_whole(path, write)
    with h5py.File(path, "r", locking=False) as file:
        np.testing.assert_array_equal(file["a"], values)
        np.testing.assert_array_equal(file["b/c"], values[0])
        assert file["a"].attrs["unit"] == "m"
