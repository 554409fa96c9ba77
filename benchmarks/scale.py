"""What a large study costs: time, memory and files, against the same work done bare.

A vectorised Python model with 10 inputs and 3 outputs runs from the study file to the report.
Ratios compare things measured in this run, one after the other.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import psutil

from ensnare.analyses.tables import ANALYSES
from ensnare.archive.archive import pickle_tree, write_archive
from ensnare.archive.gather import StudyArrays, gather
from ensnare.archive.results import open_study
from ensnare.plan.batches import Batch, plan_batches
from ensnare.store.paths import StudyPaths
from ensnare.store.pickles import write_pickle
from ensnare.study.analyses import wanted_tables
from ensnare.study.loading import read_resolved

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[1]
INPUTS = [f"x{i}" for i in range(10)]
MODEL = """\
import numpy as np

def model(**x):
    # `steps` of a logistic map stand for the work of a real model
    v = np.stack([x[f"x{{i}}"] for i in range(10)])
    z = 0.1 + 0.8 * v[0]
    for _ in range({steps}):
        z = 3.7 * z * (1 - z)
    b, c = np.sin(v[0]) * v[1] + v[2] ** 2, v[3] * np.exp(v[4]) + z
    return {{"a": v.sum(axis=0), "b": b, "c": c}}
"""
STUDY = """\
study: scale
inputs:
{inputs}
design: {{method: saltelli, size: {size}}}
model:
  python: {{call: "model.py:model", vectorized: true}}
  outputs: [{{name: a}}, {{name: b}}, {{name: c}}]
"""


def write_study(root: Path, n: int, steps: int) -> Path:
    """Write a study of about n samples and its model; return the study file."""
    root.mkdir(parents=True)
    inputs = "\n".join(
        f"  - {{name: {name}, distribution: {{Uniform: {{a: 0, b: 1}}}}}}" for name in INPUTS
    )
    (root / "model.py").write_text(MODEL.format(steps=steps))
    study = root / "study.yaml"
    study.write_text(STUDY.format(inputs=inputs, size=-(-n // 12)))
    return study


def snakemake(study: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start Snakemake on a study, in its directory."""
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile")]
    command += ["--profile", str(REPOSITORY / "profiles/local"), "--configfile", str(study), *words]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = (study.parent / "snakemake.log").open("w")
    return subprocess.Popen(command, cwd=study.parent, stdout=log, stderr=log, env=environment)


class Watch(threading.Thread):
    """Watches a process and what it starts: the largest memory of any one of them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.peak_mb: dict[str, float] = {}

    def run(self) -> None:
        while self._process.poll() is None:
            for process in self._tree():
                try:
                    words = process.cmdline()
                    used_mb = process.memory_full_info().pss / 1e6
                except psutil.Error:
                    continue
                name = next((Path(w).name for w in words[1:] if w.endswith(".py")), "snakemake")
                name = name.partition(".")[2] or name
                self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), used_mb)
            time.sleep(0.1)

    def _tree(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []


def run(study: Path, *words: str) -> tuple[float, float, Watch]:
    """Run Snakemake; return the wall-clock and CPU time [s], and what was seen of its memory."""
    start, before = time.perf_counter(), children_s()
    process = snakemake(study, *words)
    watch = Watch(process)
    watch.start()
    if process.wait() != 0:
        sys.exit(f"scale: snakemake failed\n{(study.parent / 'snakemake.log').read_text()[-2000:]}")
    watch.join()
    return time.perf_counter() - start, children_s() - before, watch


def children_s() -> float:
    """Return the CPU time of the processes that have ended below this one [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def dry_runs(root: Path, n: int, rounds: int) -> None:
    """Print what `snakemake -n` costs on a thousand and on n samples."""
    small, large = (write_study(root / f"dry{k}", k, 0) for k in (1000, n))
    times: dict[Path, list[float]] = {small: [], large: []}
    for _ in range(rounds):
        for study in (small, large):
            times[study].append(run(study, "-n")[1])
    one, other = (min(times[study]) for study in (small, large))
    print(
        f"snakemake -n: {one:.2f} s of CPU for 1000 samples, {other:.2f} s for {n}: "
        f"{other / one:.2f}"
    )


def bare_write(path: Path, arrays: StudyArrays) -> None:
    """Write the arrays of an archive with h5py alone, compressed as h5py does it."""
    columns = {f"x{j}": c for j, c in enumerate(arrays.x.T)}
    columns |= {f"y{j}": c for j, c in enumerate(arrays.y.T)}
    names = ("case", "design_row", "sample_id", "status", "exit_code", "attempts", "elapsed_s")
    columns |= {name: getattr(arrays, name) for name in (*names, "block", "group")}
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=np.ascontiguousarray(values), compression="gzip")


def timed(function: Callable[..., T], *arguments: Any, **options: Any) -> tuple[float, T]:
    """Call a function; return the CPU time it took [s], and its result."""
    start = time.process_time()
    result = function(*arguments, **options)
    return time.process_time() - start, result


def gathering(root: Path) -> None:
    """Print what gather costs against a bare h5py write, and what the analyses cost."""
    os.chdir(root)  # where the names in study.json start
    paths = StudyPaths(Path("results/scale"))
    study = read_resolved(paths.study)
    read_s, arrays = timed(gather, study, plan_batches(study), paths)
    hdf5_s, _ = timed(write_archive, root / "archive.h5", study, arrays)
    pickle_s, _ = timed(write_pickle, root / "archive.pklz", pickle_tree(arrays))
    bare_s, _ = timed(bare_write, root / "bare.h5", arrays)
    total_s = read_s + hdf5_s + pickle_s
    parts = f"{read_s:.2f} read, {hdf5_s:.2f} archive.h5, {pickle_s:.2f} archive.pklz"
    print(
        f"gather: {total_s:.2f} s of CPU ({parts}); h5py alone {bare_s:.2f} s: "
        f"{total_s / bare_s:.2f}"
    )
    results = open_study(paths.archive)
    for name, options in wanted_tables(study.config).items():
        print(f"{name}: {timed(ANALYSES[name], results, **options)[0]:.2f} s of CPU")


def evaluate(study: Path, key: str) -> float:
    """Evaluate a batch of a study anew; return the CPU time [s]."""
    for path in (study.parent / "results/scale/batches").glob(f"{key}.*"):
        path.unlink()
    start = children_s()
    words = ["evaluate-batch", "results/scale/study.json", key, "--threads", "1"]
    subprocess.run(
        [sys.executable, "-m", "ensnare", *words, "--log", "/dev/null"],
        cwd=study.parent,  # where the names in study.json start
        check=True,
    )
    return children_s() - start


def planned(study: Path) -> list[Batch]:
    """Make the design of a study; return its batches."""
    run(study, "--until", "make_design")
    os.chdir(study.parent)
    return plan_batches(read_resolved(Path("results/scale/study.json")))


def call_alone(study: Path, size: int) -> float:
    """Call the function of a study on as many samples; return the CPU time [s]."""
    namespace: dict[str, Any] = {}
    exec((study.parent / "model.py").read_text(), namespace)
    x = np.random.default_rng(0).random((10, size))
    start = time.process_time()
    for at in range(0, size, 8192):
        namespace["model"](**dict(zip(INPUTS, x[:, at : at + 8192], strict=True)))
    return time.process_time() - start


def vectorised(root: Path, n: int, steps: int, rounds: int) -> None:
    """Print what evaluating costs against calling the function alone, per sample."""
    small = write_study(root / f"start{steps}", 12, steps)
    large = write_study(root / f"steps{steps}", n, steps)
    (one,), batches = planned(small), planned(large)
    size = sum(map(len, batches))
    ours_s, bare_s = [], []
    for _ in range(rounds):
        # the start of a job takes longer than its samples: a job of few follows each one of many
        pairs = [(evaluate(large, batch.key), evaluate(small, one.key)) for batch in batches]
        ours_s.append(sum(of_many - of_few for of_many, of_few in pairs))
        bare_s.append(call_alone(large, size))
    ours_us, bare_us = (1e6 * float(np.median(found)) / size for found in (ours_s, bare_s))
    print(
        f"vectorised: {bare_us:.2f} us of CPU per sample alone, {ours_us:.2f} us evaluated: "
        f"{ours_us / bare_us:.2f}, or {ours_us - bare_us:.2f} us besides the function"
    )


def count_files(results: Path) -> None:
    """Print how many files a study has."""
    files = [path.relative_to(results) for path in results.rglob("*") if path.is_file()]
    batch = [
        path
        for path in files
        if path.parts[0] == "batches" or path.parts[:2] == ("logs", "evaluate")
    ]
    keys = {path.stem.partition(".")[0] for path in batch}
    print(f"files: {len(files) - len(batch)}, and {len(batch) / len(keys):.1f} per batch")


def main() -> None:
    """Run all parts and print a line for each ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    n = options.samples
    with tempfile.TemporaryDirectory(prefix="ensnare-scale-") as name:
        root = Path(name)
        dry_runs(root, n, options.rounds)
        study = write_study(root / "whole", n, 0)
        wall_s, total_s, watch = run(study)
        print(f"whole study of {n} samples: {wall_s:.1f} s, {total_s:.1f} s of CPU")
        largest = sorted(watch.peak_mb.items(), key=lambda item: -item[1])[:3]
        print("largest processes: " + ", ".join(f"{k} {v:.0f} MB" for k, v in largest))
        count_files(study.parent / "results/scale")
        gathering(study.parent)
        for steps in (0, 200, 2000):
            vectorised(root, n, steps, options.rounds)


if __name__ == "__main__":
    main()
