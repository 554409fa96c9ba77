"""Writing HDF5 files so that a full disk raises an error and does not end the process."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import h5py


@contextlib.contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Yield a new HDF5 file, open for writing; raise OSError at its end if a write failed.

    HDF5 cannot close a file that it cannot write to the disk: the process ends in a segmentation
    fault. So HDF5 writes through a file object that never fails, and the first error of the disk
    is raised when the file is closed.
    """
    with _ErrorsLater(path) as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.first_error is not None:  # also in place of an error that HDF5 raised for it
                raise disk.first_error


class _ErrorsLater(io.FileIO):
    """A file that accepts all writes, and keeps the first error of the disk for later."""

    first_error: OSError | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        try:
            while done < len(view) and self.first_error is None:
                done += super().write(view[done:])
        except OSError as error:
            self.first_error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.first_error = self.first_error or error
        return size or 0
