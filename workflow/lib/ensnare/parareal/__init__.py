"""Parareal: an initial-value problem integrated in parallel in time, over files.

Whoever drives it, the numbers are the same bit by bit, since all of them are computed here:

`cases.plan_cases`            the cases of a study and their keys (light: for rule files)
`problem.problem_of`          one case, ready to solve
`iteration.begin`             writes iteration 0: `paths.iterate(key, 0)`
`iteration.needed_slices`     which fine solves iteration k needs; `missing_solves`: still
`solves.solve_fine`           runs one, and writes it: `paths.fine_solve(key, k, i)`
`iteration.update`            from the files of iterations k - 1 and k to `paths.iterate(key, k)`
`iteration.is_over`           whether that is the last iteration, for a tolerance
`solves.solve_serial`         what the serial solution lacks, slice after slice
`pooled.solve_all`            the driver `pool`: all of this in one job
"""
