"""A Python function as the model."""

from __future__ import annotations

import inspect
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensnare.config import LoadedStudy
from ensnare.errors import ConfigError, OutputError, did_you_mean
from ensnare.functions import load_function
from ensnare.identity import digest, model_identity
from ensnare.samples import varying_names
from ensnare.status import NO_EXIT_CODE, Outcome, Status


@dataclass(frozen=True)
class PythonModel:
    """A Python function, ready to be called.

    Attributes
    ----------
    function : callable
        Takes values by name.
    takes : tuple of str
        The names that it takes.
    outputs : tuple of str
        The names of the outputs.
    sizes : tuple of int
        How many numbers each output has; 0 for a number that is no array.
    vectorized : bool
        Whether it takes and returns arrays.
    run_key : str
        The identity of its runs, apart from the sample's own values.
    varying : frozenset of str
        The names of the values that are arrays in a vectorized call.
    """

    function: Callable[..., Any]
    takes: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: tuple[int, ...]
    vectorized: bool
    run_key: str
    varying: frozenset[str]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names that it takes and has no default for."""
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
        columns = self._columns(returned)
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
        """Return an array output, shape (size, m)."""
        expected = shape if self.vectorized else shape[1:]
        if array.shape not in (expected, shape):
            text = f"output '{name}' has shape {array.shape}; expected {expected}"
            raise OutputError(text)
        return array.reshape(shape)

    @property
    def width(self) -> int:
        """How many numbers a sample has."""
        return sum(m or 1 for m in self.sizes)

    def _columns(self, returned: Any) -> Sequence[Any]:  # noqa: ANN401
        """Return the outputs in order from a mapping, a sequence, or the one output itself."""
        if isinstance(returned, Mapping):
            for name in self.outputs:
                if name not in returned:
                    raise ValueError(
                        f"the function returned no '{name}'{did_you_mean(name, map(str, returned))}"
                    )
            return [returned[name] for name in self.outputs]
        if len(self.outputs) == 1 and not isinstance(returned, tuple | list):
            return [returned]
        if isinstance(returned, tuple | list) and len(returned) == len(self.outputs):
            return returned
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
            return self._bad(Status.UNPARSABLE, start, str(error))
        except (Exception, SystemExit):  # the user's code may raise anything; that is a result
            return self._bad(Status.ERROR, start, traceback.format_exc(limit=-8))
        missing = self.not_finite(row)
        if missing:
            return self._bad(Status.UNPARSABLE, start, missing)
        return Outcome(Status.OK, NO_EXIT_CODE, time.perf_counter() - start, row.tolist())

    def not_finite(self, row: NDArray[np.float64]) -> str:
        """Return which output of a sample, shape (q,), is no finite number; empty if all are."""
        finite = np.isfinite(row)
        if finite.all():
            return ""
        names = [
            f"{name}[{i}]" if m else name
            for name, m in zip(self.outputs, self.sizes, strict=True)
            for i in range(m or 1)
        ]
        return f"output '{names[int(np.argmin(finite))]}' is not a finite number"

    def _bad(self, status: Status, start: float, message: str) -> Outcome:
        nothing = [float("nan")] * self.width
        return Outcome(status, NO_EXIT_CODE, time.perf_counter() - start, nothing, message)


def _seed_generators(seed: int | None) -> None:
    """Seed the generators that modules share; None: with entropy of the system.

    Workers are forked: without this, all of them draw the same numbers from numpy's.
    """
    random.seed(seed)
    np.random.seed(seed)


def _as_floats(column: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """Return what a function returned for an output as floats; nothing is dropped on the way."""
    if hasattr(column, "filled"):  # a masked array: masked is missing
        column = column.astype(float).filled(np.nan)
    if np.iscomplexobj(column):
        raise ValueError("got complex numbers; expected real ones")
    return np.asarray(column, dtype=float)


def load_callable(study: LoadedStudy) -> PythonModel:
    """Load the Python function of a study.

    Raises
    ------
    ConfigError
        If it cannot be imported, or takes a name that the study does not have.
    """
    model = study.config.model
    assert model.python is not None
    call = model.python.call
    where = f"{study.source}: model.python.call"
    function, _ = load_function(call, study.directory, where)
    return PythonModel(
        function,
        _parameters(function, study, where),
        tuple(output.name for output in model.outputs),
        tuple(output.size if output.shape else 0 for output in model.outputs),
        model.python.vectorized,
        digest([model_identity(study), study.config.seed]),
        varying_names(study),
    )


def _parameters(function: Callable[..., Any], study: LoadedStudy, where: str) -> tuple[str, ...]:
    """Return the names of the parameters that the study gives to the function."""
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
