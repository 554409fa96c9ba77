"""What identifies the runs of a model: hashes of content, not of places, times or machines.

Batches are named by this identity. It has everything that decides the outcome of a run: the
command, the content of files, the code of functions, the parsers. It has neither directories,
environment, resources and time limits, nor units and ranges: a change of these runs nothing again.
"""

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


def digest(value: Any, *, size: int = 8) -> str:  # noqa: ANN401
    """Return a hash of a JSON value, 2 * `size` hexadecimal digits, for any order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def file_digest(path: Path) -> str:
    """Return the hash of the bytes of a file; raise ConfigError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def model_identity(study: LoadedStudy) -> dict[str, Any]:
    """Return everything that the outcome of a run depends on, apart from the values of a sample.

    Environment, time limit, resources and ranges are not part of it. Raises ConfigError if a file
    of the model does not exist.
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


def parser_identity(output: Output, study: LoadedStudy) -> dict[str, Any]:
    """Return what the reading of an output depends on, and not how it is shown or checked."""
    # defaults are left out, so that a new key in a later version renames no batches of this one
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
        # the name of the function and the code in the file count, and not where the file is
        fields["python"] = output.python.rpartition(":")[2]
        where = f"model.outputs: {output.name}: python"
        fields["source"] = _python_source(study, output.python, where)
    return fields


def file_identity(item: File, study: LoadedStudy, where: str) -> dict[str, Any]:
    """Return an entry of `model.files` with the hashes of its content.

    Raises ConfigError, which begins with `where`, if there is no such file or directory.
    """
    path = study.path(file_source(item))
    try:
        return item.model_dump(exclude_defaults=True) | {"content": _content_hashes(item, path)}
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {where}: {error}") from None


def file_source(item: File) -> str:
    """Return the file or directory that an entry of `model.files` is made from, as stated."""
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
    """Return where an entry of `model.files` is put, relative to the working directory."""
    return item.to or Path(file_source(item)).name


def tree_files(root: Path, leave_out: list[str]) -> Iterator[Path]:
    """Yield the files below a directory, relative to it, sorted; links to directories are followed.

    Files and directories whose names match a pattern in `leave_out` are left out. Raises
    ConfigError if a link leads back to a directory that contains it.
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


def source_digest(call: str, directory: Path, where: str = "model.python.call") -> str:
    """Return the hash of the code of a function's file, in which comments and layout do not count.

    With `file.py:function`, the code that it imports from its own directory counts too; with
    `package.module:function` it does not, since the package is installed. Raises ConfigError, which
    begins with `where`, if the file or module does not exist or is not Python.
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
    # an installed package is not a part of the study, so what it imports does not count
    is_file = call.rpartition(":")[0].endswith(".py")
    beside = imported_beside(path) if is_file else {}
    if not beside:
        return own
    return digest(
        [own, {name: _code_or_bytes_digest(file) for name, file in beside.items()}], size=16
    )


def callable_file(call: str, directory: Path, where: str = "model.python.call") -> Path:
    """Return the file that defines a function `file.py:name` or `module:name`.

    Raises ConfigError, which begins with `where`, if there is none.
    """
    place, _, _ = call.rpartition(":")
    if place.endswith(".py"):
        path = directory / place
        if not path.is_file():
            raise ConfigError(f"{where}: no file {path}")
        return path
    try:
        spec = importlib.util.find_spec(place)
    except Exception:  # find_spec imports parent packages, whose code can raise anything
        spec = None
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise ConfigError(
            f"{where}: no module '{place}' in this Python; install it, or give the file: "
            "file.py:function"
        )
    return Path(spec.origin)


def imported_beside(path: Path) -> dict[str, Path]:
    """Return the files below the directory of a Python file that it imports, also indirectly.

    The keys are their paths relative to the directory, sorted. Extension modules and the
    `__init__.py` of packages are among them. Imports are found in the syntax tree, wherever they
    stand, without running the code; installed packages are not followed.
    """
    root = path.parent
    found: dict[str, Path] = {}
    todo = [path]
    while todo:
        for file in _imported_files(todo.pop(), root):
            name = file.relative_to(root).as_posix()
            if file != path and name not in found:
                found[name] = file
                if file.suffix == ".py":
                    todo.append(file)
    return dict(sorted(found.items()))


def _python_source(study: LoadedStudy, call: str, where: str = "model.python.call") -> str:
    try:
        return source_digest(call, study.directory, where)
    except ConfigError as error:
        raise ConfigError(f"{study.source}: {error}") from None


def _content_hashes(item: File, path: Path) -> Any:  # noqa: ANN401
    """Return the hashes of the content of an entry of `model.files`; linked files are not read."""
    # os.path and not Path, which raises OSError for a name that is too long
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


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _code_digest(path: Path) -> str:
    """Return the hash of the code of a Python file."""
    tree = ast.parse(path.read_bytes())
    return hashlib.blake2b(ast.unparse(tree).encode(), digest_size=16).hexdigest()


def _code_or_bytes_digest(path: Path) -> str:
    """Return the hash of the code of a Python file, or of the bytes of any other file."""
    if path.suffix == ".py":
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            return _code_digest(path)
    return file_digest(path)


def _imported_files(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a directory that one Python file imports; they may repeat."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # importing the file will raise the error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if 0 < node.level <= len(path.parents) else root
            if not base.is_relative_to(root):
                continue
            parts = node.module.split(".") if node.module else []
            if node.level:
                yield from _module_files(base.parent, [base.name])
            for alias in node.names:  # a name that is imported can be a module
                yield from _module_files(base, [*parts, alias.name])


def _module_files(base: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the files that Python runs when a dotted name is imported from a directory."""
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
