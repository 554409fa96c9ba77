"""Every file name of a study, in one place, and the writing of whole files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ensnare.store.locks import remove_abandoned, temporary_name


@dataclass(frozen=True)
class StudyPaths:
    """The files of one study; `key` is the key of a batch, of a round or of a parareal case."""

    root: Path  # the directory of the study's results, `results/<study>`

    @classmethod
    def of(cls, study: str) -> StudyPaths:
        """Return the paths of a study by name, below the working directory."""
        return cls(Path("results") / study)

    @property
    def study(self) -> Path:
        """The resolved study: typed and complete, as the jobs read it."""
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
        """Return the file in which the job of a batch publishes its counts of samples by status."""
        return self.batches / f"{key}.counts"

    def benchmark(self, key: str) -> Path:
        """Return the benchmark table that Snakemake writes for the job of a batch."""
        return self.root / "benchmarks" / f"{key}.tsv"

    def jobs(self, key: str) -> Path:
        """Return the record of the jobs that evaluated a batch."""
        return self.batches / f"{key}.jobs"

    def under_way(self, key: str) -> Path:
        """Return the directory that lists the interrupted samples of a batch, to be resumed."""
        return self.root / "under_way" / key

    def round(self, key: str) -> Path:
        """Return the file with the results of a round of a design that grows by itself."""
        return self.root / "rounds" / f"{key}.json"

    def rounds_end(self, key: str) -> Path:
        """Return the file that says that a design has stopped growing."""
        return self.root / "rounds" / f"{key}.end"

    @property
    def stop(self) -> Path:
        """The file that stops all jobs of the study, because too many samples failed."""
        return self.root / "STOP"

    @property
    def amendments(self) -> Path:
        """The samples that the user skipped, or has run again."""
        return self.root / "amendments.json"

    @property
    def defaults(self) -> Path:
        """The default levels of factors, which are not part of the ids of samples."""
        return self.root / "defaults.json"

    def sample(self, key: str, sample_id: str) -> Path:
        """Return the working directory of a sample of a batch."""
        return self.samples / key / sample_id

    def pack(self, key: str) -> Path:
        """Return the tar file with the kept working directories of a batch, if they are packed."""
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
        """The directory of the fine solves and states of a parareal study."""
        return self.root / "parareal"

    def fine_solve(self, key: str, iteration: int | str, i: int | str) -> Path:
        """Return the fine solve of slice i of a case in an iteration, from 1; 0 is serial.

        Instead of a number, `iteration` and `i` may be a Snakemake wildcard.
        """
        name = f"k{iteration:0>3}-i{i:0>4}" if iteration else f"serial-i{i:0>4}"
        return self.parareal / key / "fine" / f"{name}.h5"

    def iterate(self, key: str, iteration: int | str) -> Path:
        """Return the states of a case after an iteration; 0 is the coarse solution."""
        return self.parareal / key / "states" / f"k{iteration:0>3}.h5"

    def solved(self, digest: str) -> Path:
        """Return the file that exists once all cases are solved to a tolerance."""
        return self.parareal / f"solved-{digest}.json"

    def case_end(self, key: str, digest: str) -> Path:
        """Return the file with the number of the last iteration of a case."""
        return self.parareal / key / f"end-{digest}.json"

    def parareal_job(self, key: str, name: str) -> Path:
        """Return the path of the files of a job of a case, without the suffix .owner or .failed."""
        return self.parareal / key / "jobs" / name

    @property
    def parareal_owner(self) -> Path:
        """The file that says who solves a parareal study."""
        return self.parareal / "pool.owner"

    @property
    def parareal_failure(self) -> Path:
        """The error of the last job that solved a parareal study, if a solve failed."""
        return self.parareal / "pool.failed"

    @property
    def figures(self) -> Path:
        """The directory of the figures of the report."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report, one page of HTML."""
        return self.root / "report.html"

    def log(self, rule: str) -> Path:
        """Return the log of a rule."""
        return self.root / "logs" / f"{rule}.log"


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Write a file under a temporary name and rename it, so a file that exists is whole.

    Parameters
    ----------
    path : Path
        The file; its directory is made.
    write : callable
        Called with the temporary path, in the same directory.
    durable : bool
        Write the file to the disk (fsync) before it is renamed. Otherwise a power loss may leave
        an empty file under its name, which readers of the file must expect.

    Raises
    ------
    OSError
        If the disk is full or the like; it names `path`, and not the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name that is used once: two processes must not write into the same temporary file
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
            raise  # it is from a library, or names another file
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        part.unlink(missing_ok=True)
