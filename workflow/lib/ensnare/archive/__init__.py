"""From the batch files of a study to its archive, and from the archive to arrays.

In come the design file, the batch files, the records of jobs, and what a user did to samples by
hand (`ensnare redo`, `ensnare skip`). Out come four files in `results/<study>/`:

- `archive.h5`: all samples with their inputs, cases, outputs and statuses. Analyses and report
  read nothing else of the samples.
- `archive.pklz`: the same arrays as a pickle, for programs without HDF5.
- `samples.csv`: one line per sample.
- `jobs.csv`: one line per job that evaluated a batch.

A sample that failed or was not run stays in the archive, with its status and NaN as its outputs.

Which file to open:

- `gather`: how batch files become `StudyArrays`; where outputs are compared with their ranges,
  and where the axes of array outputs are compared.
- `archive`: the layout of `archive.h5` and `archive.pklz`; docs/archive.md describes it.
- `results`: `open_study`, which reads an archive back as `StudyResults`.
- `samples_csv`: the lines of `samples.csv`.
- `jobs_csv`: the lines of `jobs.csv`, from the jobs' own records and SLURM's accounting.
- `slurm_accounting`: the call of `sacct` and what its numbers mean.

>>> arrays = gather(study, plan_batches(study), paths)
>>> write_archive(paths.archive, study, arrays)
>>> open_study(paths.archive).outputs["deviation"].mean()
"""
