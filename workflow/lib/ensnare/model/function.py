"""A Python function as a model, loaded from a file beside the study or from a package."""

from __future__ import annotations

import importlib.util
import inspect
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.errors import ConfigError, OutputError, did_you_mean
from ensnare.plan.identity import callable_file, digest, model_identity
from ensnare.plan.samples import varying_names
from ensnare.store.outcome import NO_EXIT_CODE, Outcome, Status
from ensnare.study.loading import LoadedStudy


@dataclass(frozen=True)
class PythonModel:
    """A Python function, ready to be called with the values of one sample or of many."""

    function: Callable[..., Any]
    takes: tuple[str, ...]  # names of the values that it is called with
    outputs: tuple[str, ...]  # names of the outputs
    sizes: tuple[int, ...]  # how many numbers each output has; 0 for a scalar
    vectorized: bool  # whether it takes and returns arrays over samples
    run_key: str  # identity of its runs, apart from the values of a sample
    varying: frozenset[str]  # names of the values that are arrays in a vectorized call
    # Sizes of calls, in this process, that returned outputs with the axes of samples and outputs
    # exchanged. In a call of as many samples as outputs, the same mistake has the right shape.
    _transposed: list[int] = field(default_factory=list, compare=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """The names that the function takes and has no default for."""
        try:
            known = inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return ()
        named = (n for n in self.takes if n in known)
        return tuple(n for n in named if known[n].default is inspect.Parameter.empty)

    def call(self, values: Mapping[str, Any], size: int) -> NDArray[np.float64]:
        """Call the function.

        Parameters
        ----------
        values : mapping
            Name to number or text, or to arrays of shape (size,) when vectorized.
        size : int
            Number of samples; 1 unless vectorized.

        Returns
        -------
        ndarray of float, shape (size, q)
            The outputs; an array of m numbers takes m columns.

        Raises
        ------
        Exception
            Whatever the function raises; ValueError if it returns something else than the outputs.
        OutputError
            If an array of one sample has another size than declared.
        """
        if size > 1:
            _seed_generators(None)
        returned = self.function(**{k: values[k] for k in self.takes if k in values})
        columns = self._columns(returned, size)
        result = np.empty((size, self.width))
        at = 0
        for name, column, m in zip(self.outputs, columns, self.sizes, strict=True):
            array = _as_floats(column)
            if m:
                result[:, at : at + m] = self._rows(array, (size, m), name)
            elif array.shape not in ((size,), ()) or (array.shape == () and size != 1):
                shape = f"({size},)" if self.vectorized else "a number"
                raise ValueError(f"output '{name}' has shape {array.shape}; expected {shape}")
            else:
                result[:, at] = array
            at += m or 1
        return result

    def _rows(
        self, array: NDArray[np.float64], shape: tuple[int, int], name: str
    ) -> NDArray[np.float64]:
        """Return an array output as shape (size, m); refuse one with its axes exchanged."""
        expected = shape if self.vectorized else shape[1:]
        # transposed: in a call of m samples, such an array would have the right shape
        if array.shape == shape[::-1] != shape:
            self._transposed.append(shape[0])
        if array.shape not in (expected, shape) or (self._transposed and shape[0] == shape[1] > 1):
            text = f"output '{name}' has shape {array.shape}; expected {expected}"
            raise OutputError(text)
        return array.reshape(shape)

    @property
    def width(self) -> int:
        """The number of columns that the outputs of a sample take."""
        return sum(m or 1 for m in self.sizes)

    def _columns(self, returned: Any, size: int) -> Sequence[Any]:  # noqa: ANN401
        """Return the outputs in order from a mapping, a sequence, or the one output itself.

        A sequence must have one item per output. In a call of as many samples as outputs, it cannot
        be told whether the items are outputs or samples; so sequences are refused once an earlier
        call returned one item per sample.
        """
        if isinstance(returned, Mapping):
            for name in self.outputs:
                if name not in returned:
                    raise ValueError(
                        f"the function returned no '{name}'{did_you_mean(name, map(str, returned))}"
                    )
            return [returned[name] for name in self.outputs]
        is_sequence = isinstance(returned, tuple | list)
        if len(self.outputs) == 1 and not is_sequence:
            return [returned]
        if is_sequence and len(returned) == size > 1 and size != len(self.outputs):
            self._transposed.append(size)
        if is_sequence and len(returned) == len(self.outputs) and not self._transposed:
            return list(returned)
        raise ValueError(
            f"the function returned a {type(returned).__name__}; expected a mapping with the keys "
            + ", ".join(self.outputs)
        )

    def run(self, values: Mapping[str, Any]) -> Outcome:
        """Evaluate one sample; an exception becomes the status `error` with its traceback."""
        _seed_generators(values["seed"])
        start = time.perf_counter()
        if self.vectorized:
            values = {k: np.array([v]) if k in self.varying else v for k, v in values.items()}
        try:
            row = self.call(values, 1)[0]
        except OutputError as error:
            return self._without_outputs(Status.UNPARSABLE, start, str(error))
        except (Exception, SystemExit):  # the user's code may raise anything: a failed sample
            return self._without_outputs(Status.ERROR, start, traceback.format_exc(limit=-8))
        missing = self.not_finite(row)
        if missing:
            return self._without_outputs(Status.UNPARSABLE, start, missing)
        return Outcome(Status.OK, NO_EXIT_CODE, time.perf_counter() - start, row.tolist())

    def not_finite(self, row: NDArray[np.float64]) -> str:
        """Say which output in a row, shape (q,), is not a finite number; empty if all are."""
        finite = np.isfinite(row)
        if finite.all():
            return ""
        names = [
            f"{name}[{i}]" if m else name
            for name, m in zip(self.outputs, self.sizes, strict=True)
            for i in range(m or 1)
        ]
        return f"output '{names[int(np.argmin(finite))]}' is not a finite number"

    def _without_outputs(self, status: Status, start: float, message: str) -> Outcome:
        """Return an outcome with NaN for all outputs."""
        nothing = [float("nan")] * self.width
        return Outcome(status, NO_EXIT_CODE, time.perf_counter() - start, nothing, message)


def load_python_model(study: LoadedStudy) -> PythonModel:
    """Load the Python function of a study.

    Raises ConfigError if it cannot be imported, or takes a name that the study does not have.
    """
    model = study.config.model
    assert model.python is not None
    call = model.python.call
    where = f"{study.source}: model.python.call"
    function, _ = load_function(call, study.directory, where)
    return PythonModel(
        function,
        _taken_names(function, study, where),
        tuple(output.name for output in model.outputs),
        tuple(output.size if output.shape else 0 for output in model.outputs),
        model.python.vectorized,
        digest([model_identity(study), study.config.seed]),
        varying_names(study),
    )


def load_function(call: str, directory: Path, where: str) -> tuple[Callable[..., Any], Path]:
    """Load a function, and return it with the path of the file that defines it.

    Parameters
    ----------
    call : str
        `file.py:function` or `package.module:function`.
    directory : Path
        Where a relative file name starts.
    where : str
        Place in the study file, which begins messages.

    Raises
    ------
    ConfigError
        If it cannot be imported.
    """
    path = callable_file(call, directory, where)
    name = call.rpartition(":")[2]
    try:
        module = _import(call, path)
    except (Exception, SystemExit) as error:  # importing runs the user's code
        text = str(error).strip().splitlines()
        raise ConfigError(
            f"{where}: importing {path} raises {type(error).__name__}: {text[0] if text else ''}"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        raise ConfigError(f"{where}: {path} has no function '{name}'{did_you_mean(name, known)}")
    return function, path


def _import(call: str, path: Path) -> ModuleType:
    """Import the module before the colon of `file.py:function` or `package.module:function`."""
    module_name = call.rpartition(":")[0]
    if not module_name.endswith(".py"):
        return importlib.import_module(module_name)
    spec = importlib.util.spec_from_file_location(f"ensnare_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    # a model file can import modules beside it, as when it is run by hand
    sys.path.insert(0, os.fspath(path.parent.absolute()))
    spec.loader.exec_module(module)
    return module


def _taken_names(function: Callable[..., Any], study: LoadedStudy, where: str) -> tuple[str, ...]:
    """Return the names of the values that the study passes to the function."""
    config = study.config
    known = config.value_names
    everything = (*(i.name for i in config.inputs), *config.derived, *config.factors)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions may hide their signature
        return everything
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return everything
    taken = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise ConfigError(f"{where}: '{parameter.name}' must be taken by name")
        if parameter.name in known:
            taken.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise ConfigError(
                f"{where}: the function takes '{parameter.name}', which the study does not have"
                + did_you_mean(parameter.name, known)
            )
    return tuple(taken)


def _seed_generators(seed: int | None) -> None:
    """Seed the global generators of `random` and numpy; None takes entropy of the system.

    Workers are forked: without this, all of them draw the same random numbers.
    """
    random.seed(seed)
    np.random.seed(seed)


def _as_floats(column: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """Return what a function returned for an output as floats, masked elements as NaN.

    Raises ValueError for complex numbers, whose imaginary part would be lost.
    """
    if hasattr(column, "filled"):  # a masked array: masked elements are missing
        column = column.astype(float).filled(np.nan)
    if np.iscomplexobj(column):
        raise ValueError("got complex numbers; expected real ones")
    return np.asarray(column, dtype=float)
