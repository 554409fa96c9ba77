"""Parareal: an initial-value problem for every case of a sweep, integrated in parallel in time.

In: a study with the key `parareal`, which names the points in time, the initial state, a cheap
coarse propagator and an accurate fine one. Out: `archive.h5` with the states and trajectories of
every case, a table of cases, figures and a report. In each iteration the fine solves of the slices
between the points run in parallel, each from the states of the iteration before; an update in
sequence, with the coarse propagator, then carries their corrections on. A case ends when its states
change by less than the tolerance, or when they are exactly the serial fine solution.

All numbers are computed by the functions below, from files to files, so both drivers give the same
results bit by bit, and no solve whose file exists is run again:

- `cases.plan_cases`: the cases of a study and their keys (light, for rule files)
- `problem.problem_of`: one case, ready to be solved
- `iteration.begin`: writes iteration 0, the file `paths.iterate(key, 0)`
- `iteration.needed_slices`: the fine solves that iteration k needs
- `iteration.missing_solves`: those of them that have no file yet
- `iteration.solve_fine`: runs one and writes it, to `paths.fine_solve(key, k, i)`
- `iteration.update`: from the files of iteration k - 1 and the fine solves of k to
  `paths.iterate(key, k)`
- `iteration.is_over`: whether that is the last iteration, for a tolerance
- `iteration.missing_serial`, `iteration.solve_serial`: the serial solution, slice after slice
- `pooled.solve_all`: the driver `pool`, all of this in one job

Files:

- `cases`: the cases, and the hashes that name their directories.
- `problem`: the initial-value problem of a case; functions of the user bound to its values.
- `propagators`: the interface of propagators; Euler and Runge-Kutta steps for a right-hand side.
- `codes`: the propagator that runs an external code or a Python function, like a sample.
- `iteration`: the algorithm: see above; also how far a case has come.
- `vectors`: arithmetic on states that are read from files only when it is computed.
- `files`: the HDF5 files of fine solves and of iterations.
- `pooled`: the driver `pool`: rounds of tasks for the workers of one job, retries, time limits.
- `ruled`: the driver `rules`: what the jobs of Snakemake do, with the tasks of `pooled`.
- `schedule`: which jobs the driver `rules` has in an iteration, and when a case ends (light).
- `check`: checks before any job starts (`ensnare check`).
- `progress`: lines for `ensnare status` and before a run.
- `results`: trajectories, errors and speed-ups of a case, collected from its files.
- `archive`: writing and opening the archive (`ensnare.open_parareal`), the table of cases.
- `figures`: plot functions: arrays in, a matplotlib `Figure` out.
- `draw`: draws and saves the figures of a study.
- `report`: the content of its report.

>>> study, paths = read_resolved(Path("results/osc/study.json")), StudyPaths.of("osc")
>>> last = solve_all(study, paths, cores=2, say=print)  # the last iteration of each case
>>> case = collect_cases(study, paths)[0]
>>> case.iterations, case.y.shape  # y: (iterations + 1, points, numbers of a state)
(14, (15, 20, 2))
"""
