"""Writing HDF5 files so that a full disk is an error."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import h5py


@contextlib.contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Make an HDF5 file.

    A file that HDF5 cannot bring to the disk it cannot close either: the process ends in a
    segmentation fault. So it writes to something that never fails, and what failed is raised
    when the file is closed.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    h5py.File
        It, open for writing.

    Raises
    ------
    OSError
        If it could not be written whole.
    """
    with _Disk(path) as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.trouble is not None:  # whatever HDF5 made of it
                raise disk.trouble


class _Disk(io.FileIO):
    """A file that takes all that is written, and remembers the first thing that went wrong."""

    trouble: OSError | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        try:
            while done < len(view) and self.trouble is None:
                done += super().write(view[done:])
        except OSError as error:
            self.trouble = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.trouble = self.trouble or error
        return size or 0
