"""The study: a YAML file comes in, a typed and complete `Study` goes out.

Pydantic models describe every key of a study file: inputs, design, sweep, model, outputs, analyses.
A `Study` is immutable, and all that can be checked without reading other files has been checked:
an unknown key, a level that does not exist or a circle of derived values is a `ConfigError` of one
line. The JSON schema and config/README.md are written from the same models.

Load and write studies

- `loading`: `LoadedStudy`, from a file, a mapping, Snakemake's configuration or `study.json`
- `yaml12`: reads files as YAML 1.2, and again what Snakemake has read as YAML 1.1
- `messages`: one line for the first mistake of a study file, from pydantic's errors
- `docs`: writes the schema and the reference of keys (`make docs`)

The parts of a study file

- `study`: `Study`, the whole file; calls the checks between its parts
- `inputs`: uncertain inputs and constants, fits to data, copulas
- `designs`: one class for each method of the design of experiments
- `sweep`: factors, their levels, and the cases that they make
- `model`: the wrapped code: its files, steps and environment; `keep`, what stays of a run
- `outputs`: quantities of interest, and where the code wrote them
- `analyses`: statistics, Sobol' indices and others, with the tables that they make
- `resources`: ranks, memory, runtime of a sample, overrides for some cases, size of batches
- `failures`: retries, and when to end a study early
- `scaling`: studies of time on more and more ranks, threads or nodes
- `parareal`: initial-value problems to integrate in parallel in time
- `values`: the types of fields: names, numbers, durations, sizes, levels

Checks and arithmetic

- `checks`: unique names, cases, derived values, MPI ranks
- `design_checks`: whether design, copulas and constraints fit the inputs
- `expressions`: arithmetic such as `b * h**3 / 12`, without `eval`
- `conditions`: `status == 'timeout' and F > 320`, the selections of `--where`
- `constraints`: `0.1 <= x0 / x1 <= 0.15`, for constrained designs

>>> study = load_study(Path("config/studies/flood.yaml")).config
>>> study.design.method, len(study.random_inputs), len(study.cases())
('saltelli', 8, 3)
"""
