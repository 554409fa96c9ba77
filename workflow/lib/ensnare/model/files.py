"""The files of a working directory: compiled once per batch, made for every sample."""

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
    """A file of the working directory: a rendered template, a copy, or a link."""

    target: str  # relative to the working directory
    template: Template | JinjaTemplate | None = None  # None: `source` is copied or linked
    mode: int = 0o666  # permissions of a rendered file: those of its template
    source: str = ""
    link: bool = False
    content: str = ""  # hash of a copy; empty for a link, whose content has no part in identities
    written: tuple[int, int] = (0, 0)  # time [ns] and size of the source when it was hashed


def make_files(files: Sequence[InputFile], values: Mapping[str, Value]) -> None:
    """Make the files of a sample in the current directory.

    Raises OSError if a file cannot be written, ValueError if a value does not fit its field, and
    ChangedFileError if a file to copy has changed since the batch began: its hash is already part
    of the results, so they would be attributed to the wrong content.
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
            # a file that was written again with the same content has not changed
            if _written(file.source) != file.written and not _is_as_hashed(file):
                raise ChangedFileError(errno.ESTALE, os.strerror(errno.ESTALE), file.source)


def compile_files(study: LoadedStudy) -> tuple[InputFile, ...]:
    """Compile `model.files`.

    Raises ConfigError if a template is wrong, or a file would be written through the link of
    another.
    """
    files: list[InputFile] = []
    for i, item in enumerate(study.config.model.files):
        files += _compile_file(item, study, f"{study.source}: model.files[{i}]")
    model = study.config.model
    _check_overlays(files, (model.stdout, model.stderr), f"{study.source}: model.files")
    return tuple(files)


def check_targets(study: LoadedStudy) -> None:
    """Check that all files lie inside the working directory of their sample; raise ConfigError."""
    model = study.config.model
    for i, item in enumerate(model.files):
        _refuse_outside(file_target(item), f"model.files[{i}].to")
        if not isinstance(item, TreeFile):
            _refuse_directory(file_target(item), f"model.files[{i}].to")
    for i, output in enumerate(model.outputs):
        fields = output.model_dump(by_alias=True)
        for kind in ("json", "xml", "table", "in", "hdf5", "netcdf"):
            if name := fields.get(kind):
                _refuse_outside(name, f"model.outputs[{i}].{kind}")
    for key, name in (("stdout", model.stdout), ("stderr", model.stderr)):
        _refuse_outside(name, f"model.{key}")
        _refuse_directory(name, f"model.{key}")
        if os.path.normpath(name) in {os.path.normpath(file_target(f)) for f in model.files}:
            raise ConfigError(f"model.{key}: '{name}' is also a file of model.files; rename one")
    for i, sign in enumerate(model.success):
        _refuse_outside(sign.in_ or model.stdout, f"model.success[{i}].in")


def _copied(target: str, source: Path) -> InputFile:
    """Return a file to copy, with the hash of its present content."""
    # before the content is read, so that a change in between is noticed by `make_files`
    written = _written(os.fspath(source))
    return InputFile(target, source=os.fspath(source), content=file_digest(source), written=written)


def _written(path: str) -> tuple[int, int]:
    """Return when a file was last written [ns since 1970], and its size [bytes]."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def _is_as_hashed(file: InputFile) -> bool:
    """Return whether the copy in the working directory has the content that was hashed."""
    return file_digest(Path(file.target)) == file.content


def _write(name: str, content: bytes, mode: int) -> None:
    """Write a new file, instead of an existing one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(name, flags, mode)
    except FileExistsError:  # an overlay; removed first, never to write through a link
        os.unlink(name)
        handle = os.open(name, flags, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _make_room(target: str) -> None:
    """Remove the file that a later entry of `model.files` replaces."""
    if os.path.lexists(target):
        os.unlink(target)


def _compile_file(item: File, study: LoadedStudy, where: str) -> list[InputFile]:
    """Compile an entry of `model.files`; a tree becomes one file for each of its files."""
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
    """Compile an entry of the kind `template`; raise ConfigError if it cannot be compiled."""
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
    # the user must be able to read and replace a rendered file, whatever the mode of its template
    return InputFile(target, template=template, mode=mode | stat.S_IRUSR | stat.S_IWUSR)


def _check_overlays(files: Sequence[InputFile], streams: Sequence[str], where: str) -> None:
    """Check that nothing is written through a link, and no file is where a directory is needed."""
    by_path: dict[str, InputFile] = {}  # later entries overlay earlier ones
    for file in files:
        by_path[os.path.normpath(file.target)] = file
    for name in [*(file.target for file in files), *streams]:
        path = os.path.normpath(name)
        parent = os.path.dirname(path)
        while parent and parent != os.sep:
            if parent in by_path:
                kind = "a link" if by_path[parent].link else "a file"
                raise ConfigError(
                    f"{where}: '{path}' lies inside '{parent}', which is {kind}; expected a "
                    "directory: link its files one by one, or copy it with tree"
                )
            parent = os.path.dirname(parent)
    for name in streams:
        if os.path.normpath(name) in by_path and by_path[os.path.normpath(name)].link:
            raise ConfigError(
                f"{where}: '{name}' is a link and also receives the output of the command; "
                "expected another name"
            )


def _refuse_outside(name: str, where: str) -> None:
    """Raise ConfigError if a path is absolute or leaves the working directory."""
    path = os.path.normpath(name)
    if os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
        raise ConfigError(
            f"{where}: '{name}' lies outside the working directory of the sample; "
            "expected a relative path without .."
        )


def _refuse_directory(name: str, where: str) -> None:
    """Raise ConfigError if a path names a directory where a file is expected."""
    if name.endswith(("/", "/.")) or os.path.normpath(name) == os.curdir:
        raise ConfigError(f"{where}: '{name}' is a directory; expected the name of a file")
