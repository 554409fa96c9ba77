"""The files of a sample's working directory: compiled once per batch, made for every sample."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensnare.errors import ChangedFileError, ConfigError
from ensnare.model.templates import JinjaTemplate, Template, Value, parse_jinja, parse_template
from ensnare.plan.identity import file_digest, file_target, tree_files
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import CopyFile, File, LinkFile, TemplateFile, TreeFile


@dataclass(frozen=True)
class InputFile:
    """A file of the working directory, ready to be made.

    Attributes
    ----------
    target : str
        Where it goes, relative to the working directory.
    template : Template or JinjaTemplate, optional
        What is rendered; otherwise `source` is copied or linked.
    mode : int
        Permissions of a rendered file, those of its template.
    content : str
        Hash of what is copied; empty for a link, which does not count.
    written : tuple of int
        When the source was written [ns], and its size, as the hash was taken.
    """

    target: str
    template: Template | JinjaTemplate | None = None
    mode: int = 0o666
    source: str = ""
    link: bool = False
    content: str = ""
    written: tuple[int, int] = (0, 0)


def make_files(files: Sequence[InputFile], values: Mapping[str, Value]) -> None:
    """Make the files of a sample in the current directory.

    Raises
    ------
    OSError
        If a file cannot be written.
    ChangedFileError
        If one to copy is not what it was when the batch began: what it holds now would be on
        record as what it held then.
    ValueError
        If a value does not fit its field.
    """
    for file in files:
        if file.template is not None:
            _write(file.target, file.template.render(values).encode(), file.mode)
        elif file.link:
            _make_room(file.target)
            os.symlink(file.source, file.target)
        else:
            _make_room(file.target)
            shutil.copy2(file.source, file.target)
            # written again as it was is not changed
            if _written(file.source) != file.written and not _is_as_hashed(file):
                raise ChangedFileError(errno.ESTALE, os.strerror(errno.ESTALE), file.source)


def _written(path: str) -> tuple[int, int]:
    """Return when a file was written [ns], and its size."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def _is_as_hashed(file: InputFile) -> bool:
    return file_digest(Path(file.target)) == file.content


def _copied(target: str, source: Path) -> InputFile:
    """Return a file to copy as it is now."""
    written = _written(os.fspath(source))  # before its content: a later one is found then
    return InputFile(target, source=os.fspath(source), content=file_digest(source), written=written)


def _write(name: str, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(name, flags, mode)
    except FileExistsError:  # an overlay: never write through a link
        os.unlink(name)
        handle = os.open(name, flags, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _make_room(target: str) -> None:
    """Make room for a file that overlays another."""
    if os.path.lexists(target):
        os.unlink(target)


def compile_files(study: LoadedStudy) -> tuple[InputFile, ...]:
    """Compile `model.files`.

    Raises
    ------
    ConfigError
        If a template is wrong, or one file would be written through the link of another.
    """
    files: list[InputFile] = []
    for i, item in enumerate(study.config.model.files):
        files += _compile_file(item, study, f"{study.source}: model.files[{i}]")
    model = study.config.model
    _check_overlays(files, (model.stdout, model.stderr), f"{study.source}: model.files")
    return tuple(files)


def _compile_file(item: File, study: LoadedStudy, where: str) -> list[InputFile]:
    target = file_target(item)
    match item:
        case TemplateFile():
            return [_compile_template(item, target, study, where)]
        case CopyFile():
            path = study.path(item.copy_).absolute()
            return [_copied(target, path)]
        case LinkFile():
            path = study.path(item.link).absolute()
            return [InputFile(target, source=str(path), link=True)]
        case TreeFile():
            root = study.path(item.tree).absolute()
            return [
                _copied(os.path.normpath(os.path.join(target, name)), root / name)
                for name in tree_files(root, item.except_)
            ]


def _compile_template(item: TemplateFile, target: str, study: LoadedStudy, where: str) -> InputFile:
    path = study.path(item.template)
    try:
        text = path.read_bytes().decode()
        mode = stat.S_IMODE(path.stat().st_mode)
        template: Template | JinjaTemplate
        if item.engine == "jinja2":
            template = parse_jinja(text, item.format, item.width or 0)
        else:
            template = parse_template(text, item.delimiters, item.format, item.width or 0)
    except OSError as error:
        raise ConfigError(f"{where}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {path} is not UTF-8 text; use copy") from None
    except ValueError as error:
        raise ConfigError(f"{where}: {path}: {error}") from None
    # one may read and replace what one made, whatever its template says
    return InputFile(target, template=template, mode=mode | stat.S_IRUSR | stat.S_IWUSR)


def _check_overlays(files: Sequence[InputFile], streams: Sequence[str], where: str) -> None:
    """Check that nothing is written through a link, and no file lies where a directory must be."""
    kinds: dict[str, InputFile] = {}  # what stands at a place; later entries overlay earlier ones
    for file in files:
        kinds[os.path.normpath(file.target)] = file
    for name in [*(file.target for file in files), *streams]:
        path = os.path.normpath(name)
        parent = os.path.dirname(path)
        while parent and parent != os.sep:
            if parent in kinds:
                kind = "a link" if kinds[parent].link else "a file"
                raise ConfigError(
                    f"{where}: '{path}' lies inside '{parent}', which is {kind}; expected a "
                    "directory: link its files one by one, or copy it with tree"
                )
            parent = os.path.dirname(parent)
    for name in streams:
        if os.path.normpath(name) in kinds and kinds[os.path.normpath(name)].link:
            raise ConfigError(
                f"{where}: '{name}' is a link and also receives the output of the command; "
                "expected another name"
            )
