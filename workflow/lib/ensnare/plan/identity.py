"""What identifies the runs of a model: hashes of content, never of names of machines or places."""

from __future__ import annotations

import ast
import contextlib
import fnmatch
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ensnare.errors import ConfigError
from ensnare.study.loading import LoadedStudy
from ensnare.study.model import CopyFile, File, LinkFile, TemplateFile, TreeFile
from ensnare.study.outputs import Output, PythonOutput


def imported_beside(path: Path) -> dict[str, Path]:
    """Return the files that a file imports from its own directory, and what these import there.

    Parameters
    ----------
    path : Path
        A Python file, whose directory is the first place where it looks for modules.

    Returns
    -------
    dict of str to Path
        Places relative to the directory, sorted; also extension modules and the `__init__.py` of
        packages. Only what a statement imports is found, wherever it stands; installed packages
        are not followed.
    """
    root = path.parent
    found: dict[str, Path] = {}
    todo = [path]
    while todo:
        for file in _imported(todo.pop(), root):
            name = file.relative_to(root).as_posix()
            if file != path and name not in found:
                found[name] = file
                if file.suffix == ".py":
                    todo.append(file)
    return dict(sorted(found.items()))


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a directory that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # it says so itself when it is imported
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else root
            if not base.is_relative_to(root):
                continue
            parts = node.module.split(".") if node.module else []
            if node.level:
                yield from _files(base.parent, [base.name])
            for alias in node.names:  # what is imported may be a module itself
                yield from _files(base, [*parts, alias.name])


def _files(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the files that importing a dotted name from a directory runs."""
    for depth in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:depth])
        candidates = [
            place.with_name(f"{place.name}.py"),
            place / "__init__.py",
            *sorted(place.parent.glob(f"{place.name}*.so")),
            *sorted(place.parent.glob(f"{place.name}*.pyd")),
        ]
        wanted = place.name
        yield from (
            file
            for file in candidates
            if file.name == "__init__.py" or file.name.partition(".")[0] == wanted
            if file.is_file()
        )


def digest(value: Any, *, size: int = 8) -> str:  # noqa: ANN401
    """Return the hash of a JSON value as 2 `size` hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def file_digest(path: Path) -> str:
    """Return the hash of a file's bytes.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def tree_files(root: Path, leave_out: list[str]) -> Iterator[Path]:
    """Yield the files below a directory, relative to it, sorted; links to directories are followed.

    Parameters
    ----------
    root : Path
        The directory.
    leave_out : list of str
        Patterns for the names of files and directories to leave out.

    Raises
    ------
    ConfigError
        If a link leads back to a directory that it lies in.
    """
    for directory, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(n for n in names if not _matches(n, leave_out))
        here = os.path.realpath(directory)
        for path in (os.path.join(directory, name) for name in names):
            if os.path.islink(path) and Path(here).is_relative_to(os.path.realpath(path)):
                raise ConfigError(f"{path} is a link to a directory that it lies in; except: it")
        for name in sorted(files):
            if not _matches(name, leave_out):
                yield (Path(directory) / name).relative_to(root)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def source_digest(call: str, directory: Path, where: str = "model.python.call") -> str:
    """Return the hash of the code of a callable's file; comments and layout do not count.

    Of `file.py:function`, also of the code beside it that it imports.

    Parameters
    ----------
    call : str
        `file.py:function` or `package.module:function`.
    directory : Path
        Where a relative file name starts.
    where : str
        Begins messages.

    Raises
    ------
    ConfigError
        If the file or module does not exist or is not Python.
    """
    path = callable_file(call, directory, where)
    if path.suffix != ".py":  # an extension module has no source; its bytes identify it
        return file_digest(path)
    try:
        own = _code_digest(path)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        raise ConfigError(f"{where}: {place}: not valid Python: {error.args[0]}") from None
    # an installed package is a version, and no part of the study
    is_file = call.rpartition(":")[0].endswith(".py")
    beside = imported_beside(path) if is_file else {}
    if not beside:
        return own
    return digest([own, {name: _any_digest(file) for name, file in beside.items()}], size=16)


def _code_digest(path: Path) -> str:
    """Return the hash of the code of a Python file."""
    tree = ast.parse(path.read_bytes())
    return hashlib.blake2b(ast.unparse(tree).encode(), digest_size=16).hexdigest()


def _any_digest(path: Path) -> str:
    """Return the hash of the code of a Python file, or of the bytes of what is none."""
    if path.suffix == ".py":
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            return _code_digest(path)
    return file_digest(path)


def callable_file(call: str, directory: Path, where: str = "model.python.call") -> Path:
    """Return the file that defines a callable.

    Raises
    ------
    ConfigError
        If there is none.
    """
    place, _, _ = call.rpartition(":")
    if place.endswith(".py"):
        path = directory / place
        if not path.is_file():
            raise ConfigError(f"{where}: no file {path}")
        return path
    try:
        spec = importlib.util.find_spec(place)
    except Exception:  # importing the parents of a module runs their code
        spec = None
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise ConfigError(
            f"{where}: no module '{place}' in this Python; install it, or give the file: "
            "file.py:function"
        )
    return Path(spec.origin)


def model_identity(study: LoadedStudy) -> dict[str, Any]:
    """Return what decides the outcome of a run, given the values of a sample.

    Environment, time limit, resources and ranges are not part of it.

    Raises
    ------
    ConfigError
        If a file of the model does not exist.
    """
    config, model = study.config, study.config.model
    identity: dict[str, Any] = {
        "constants": config.constants,
        "derived": config.derived,
        "outputs": sorted(
            (parser_identity(o, study) for o in model.outputs), key=lambda o: str(o["name"])
        ),
    }
    if model.python:
        return identity | {
            "python": model.python.call.rpartition(":")[2],
            "vectorized": model.python.vectorized,
            "source": _python_source(study, model.python.call),
        }
    return identity | {
        "steps": model.steps,
        "streams": [model.stdout, model.stderr],
        "success": [s.model_dump(exclude_defaults=True) for s in model.success],
        "files": [file_identity(f, study, f"model.files[{i}]") for i, f in enumerate(model.files)],
    }


def _python_source(study: LoadedStudy, call: str, where: str = "model.python.call") -> str:
    try:
        return source_digest(call, study.directory, where)
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None


def parser_identity(output: Output, study: LoadedStudy) -> dict[str, Any]:
    """Return what decides how an output is read, and not how it is shown or judged."""
    # without defaults: a key that a later version adds must not rename the batches of this one
    fields: dict[str, Any] = output.model_dump(
        exclude={
            "unit": True,
            "description": True,
            "range": True,
            "labels": True,
            "axis": {"name", "unit", "values"},
        },
        exclude_defaults=True,
    )
    if not fields.get("axis"):
        fields.pop("axis", None)
    if isinstance(output, PythonOutput):
        # where a file lies does not count, but what is in it
        fields["python"] = output.python.rpartition(":")[2]
        where = f"model.outputs: {output.name}: python"
        fields["source"] = _python_source(study, output.python, where)
    return fields


def file_identity(item: File, study: LoadedStudy, where: str) -> dict[str, Any]:
    """Return what decides the content of an entry of `model.files`.

    Raises
    ------
    ConfigError
        If it does not exist or is of the wrong kind.
    """
    path = study.path(file_source(item))
    try:
        return item.model_dump(exclude_defaults=True) | {"content": _content(item, path)}
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {where}: {error}") from None


def _content(item: File, path: Path) -> Any:  # noqa: ANN401
    """Return the hashes of what an entry of `model.files` brings; links are not triggers."""
    # os.path and not Path: a name that is too long is no file either
    if isinstance(item, TreeFile):
        if not os.path.isdir(path):
            raise ConfigError(f"no directory {path}")
        return [[str(p), file_digest(path / p)] for p in tree_files(path, item.except_)]
    if isinstance(item, LinkFile):
        if not os.path.exists(path):
            raise ConfigError(f"no file {path}")
        return None
    if os.path.isdir(path):
        raise ConfigError(f"{path} is a directory; write tree: instead")
    if not os.path.isfile(path):
        raise ConfigError(f"no file {path}")
    return file_digest(path)


def file_source(item: File) -> str:
    """Return the name of the file or directory that an entry of `model.files` takes."""
    match item:
        case TemplateFile():
            return item.template
        case CopyFile():
            return item.copy_
        case LinkFile():
            return item.link
        case TreeFile():
            return item.tree


def file_target(item: File) -> str:
    """Return where an entry of `model.files` goes, relative to the working directory."""
    return item.to or Path(file_source(item)).name
