"""Every file name of a study, in one place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ensnare.store.locks import remove_abandoned, temporary_name


@dataclass(frozen=True)
class StudyPaths:
    """The files of one study.

    Attributes
    ----------
    root : Path
        The directory of the study's results, `results/<study>`.
    """

    root: Path

    @classmethod
    def of(cls, study: str) -> StudyPaths:
        """Return the paths of a study by name, below the working directory."""
        return cls(Path("results") / study)

    @property
    def study(self) -> Path:
        """The resolved study."""
        return self.root / "study.json"

    @property
    def design(self) -> Path:
        """The design of experiments."""
        return self.root / "design.h5"

    @property
    def lock(self) -> Path:
        """The file that a run of the study holds locked."""
        return self.root / "run.lock"

    @property
    def batches(self) -> Path:
        """The directory of batch files and journals."""
        return self.root / "batches"

    def batch(self, key: str) -> Path:
        """Return the results of a batch."""
        return self.batches / f"{key}.h5"

    def journal(self, key: str) -> Path:
        """Return the journal of a batch."""
        return self.batches / f"{key}.journal"

    def owner(self, key: str) -> Path:
        """Return the file that says who evaluates a batch."""
        return self.batches / f"{key}.owner"

    def counts(self, key: str) -> Path:
        """Return the file in which the job of a batch publishes how far it is."""
        return self.batches / f"{key}.counts"

    def benchmark(self, key: str) -> Path:
        """Return what Snakemake measured of the job of a batch, as a table."""
        return self.root / "benchmarks" / f"{key}.tsv"

    def jobs(self, key: str) -> Path:
        """Return the record of the jobs that evaluated a batch."""
        return self.batches / f"{key}.jobs"

    def under_way(self, key: str) -> Path:
        """Return the directory that says which samples of a batch another job can go on with."""
        return self.root / "under_way" / key

    def round(self, key: str) -> Path:
        """Return what was measured in a round of a design that grows by itself."""
        return self.root / "rounds" / f"{key}.json"

    def rounds_end(self, key: str) -> Path:
        """Return the file that says that a design has stopped growing."""
        return self.root / "rounds" / f"{key}.end"

    @property
    def stop(self) -> Path:
        """The file that says that too many samples failed."""
        return self.root / "STOP"

    @property
    def amendments(self) -> Path:
        """What was done to samples by hand: skipped, run again."""
        return self.root / "amendments.json"

    @property
    def defaults(self) -> Path:
        """The levels of factors that the names of samples leave out."""
        return self.root / "defaults.json"

    def sample(self, key: str, sample_id: str) -> Path:
        """Return the working directory of a sample of a batch."""
        return self.samples / key / sample_id

    def pack(self, key: str) -> Path:
        """Return the file that holds the kept working directories of a batch, if packed."""
        return self.samples / f"{key}.tar"

    @property
    def samples(self) -> Path:
        """The directory of kept working directories."""
        return self.root / "samples"

    @property
    def archive(self) -> Path:
        """The archive as HDF5."""
        return self.root / "archive.h5"

    @property
    def pickle(self) -> Path:
        """The archive as a pickle."""
        return self.root / "archive.pklz"

    def table(self, name: str) -> Path:
        """Return a table of results: samples, statistics, sobol_indices."""
        return self.root / f"{name}.csv"

    @property
    def derived(self) -> Path:
        """The list of the tables and figures that were written, with their checksums."""
        return self.root / "derived.json"

    @property
    def parareal(self) -> Path:
        """The directory of the solves and states of a parareal study."""
        return self.root / "parareal"

    def fine_solve(self, key: str, iteration: int | str, i: int | str) -> Path:
        """Return the fine solve of slice i of a case in an iteration, from 1; 0 is serial.

        In place of a number a text may stand: a wildcard.
        """
        name = f"k{iteration:0>3}-i{i:0>4}" if iteration else f"serial-i{i:0>4}"
        return self.parareal / key / "fine" / f"{name}.h5"

    def iterate(self, key: str, iteration: int | str) -> Path:
        """Return the states of a case after an iteration; 0 is the coarse solution."""
        return self.parareal / key / "states" / f"k{iteration:0>3}.h5"

    def solved(self, digest: str) -> Path:
        """Return the file that says that all cases are solved to a tolerance."""
        return self.parareal / f"solved-{digest}.json"

    def case_end(self, key: str, digest: str) -> Path:
        """Return the file that says with which iteration a case ended."""
        return self.parareal / key / f"end-{digest}.json"

    def parareal_job(self, key: str, name: str) -> Path:
        """Return what the files of a job of a case begin with: .owner, .failed."""
        return self.parareal / key / "jobs" / name

    @property
    def parareal_owner(self) -> Path:
        """The file that says who solves a parareal study."""
        return self.parareal / "pool.owner"

    @property
    def parareal_failure(self) -> Path:
        """What ended the last job that solved a parareal study, if a solve failed."""
        return self.parareal / "pool.failed"

    @property
    def figures(self) -> Path:
        """The directory of figures."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    def log(self, rule: str) -> Path:
        """Return the log of a rule."""
        return self.root / "logs" / f"{rule}.log"


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Write a file under another name and rename it: what exists is whole.

    Parameters
    ----------
    path : Path
        The file.
    write : callable
        Called with the path to write to, in the same directory.
    durable : bool
        Bring it to the disk before it gets its name. Otherwise a power loss may leave an empty
        file under the name, which whoever reads it has to expect.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own: two runs that start together must not write into each other's file
    part = path.with_name(temporary_name(path.name))
    try:
        write(part)
        with part.open("rb") as file:
            if durable:
                os.fsync(file.fileno())
            written = os.fstat(file.fileno()).st_mtime
        os.replace(part, path)
        remove_abandoned(path, written)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise  # a library's, or of another file
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        part.unlink(missing_ok=True)
