"""Uncertainty, parameter and scaling studies of any simulation code, as a Snakemake workflow.

A study is one YAML file: uncertain inputs with their distributions, a design of experiments, a
sweep over factors, a model that wraps the code, and analyses. `snakemake --configfile study.yaml`
evaluates all samples, and writes archive, tables, figures and a report into `results/<study>/`.
Snakemake sees batches; inside the job of a batch, a pool of workers evaluates its samples.

This module has the names for reading results in Python. All other packages are in the order in
which data flows through them, and each imports only from those before it:

- `errors`: the exceptions; each message is one line.
- `store`: files of any study: their names, how they are written, the journal of a batch, locks.
- `study`: a study file, read, checked and typed.
- `design`: the input values of all samples.
- `plan`: batches, their names and the resources of their jobs, as Snakemake sees them.
- `model`: one sample: its input files, command, environment and outputs.
- `evaluate`: one batch: workers, retries, time limits, and results of older batches.
- `archive`: the results of all batches as one archive.
- `analyses`: tables of statistics and sensitivities, and their estimators.
- `report`: figures and the report.
- `parareal`: studies that solve initial-value problems in parallel in time.
- `commands`: the command `ensnare`, and what the workflow calls.

`models` are example codes that studies wrap.

>>> import ensnare
>>> results = ensnare.open_study("results/beam")
>>> results.to_dataframe()  # one row per sample; outputs are NaN where a sample failed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensnare.archive.results import StudyResults, open_study
    from ensnare.parareal.archive import PararealResults, open_parareal

__all__ = ["PararealResults", "StudyResults", "open_parareal", "open_study"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # imported on first use, since the programs in this package must start in milliseconds
    if name in ("StudyResults", "open_study"):
        from ensnare.archive import results

        return getattr(results, name)
    if name in ("PararealResults", "open_parareal"):
        from ensnare.parareal import archive

        return getattr(archive, name)
    raise AttributeError(f"module 'ensnare' has no attribute '{name}'")
