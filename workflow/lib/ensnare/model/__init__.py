"""The wrapped code: from the values of one sample to its outcome.

In: the `model` section of a study, and the values of a sample (inputs, derived values, factors, and
`seed`, `sample`, `ranks`). Out: an `Outcome` with the status, the exit code, the time [s], the
outputs and a message. A failure of the code is an outcome too; only a wrong study, a batch that
cannot go on and an exhausted machine are exceptions.

A model is compiled from the study once per batch, and then run for each sample. An external code
goes through all of the files below; a Python function needs only `function`.

- `command`: the external code. Makes the files, runs the steps, checks success, reads the outputs;
  the hash by which a run is recognised when it is to be used again.
- `function`: the Python function, called with one sample or with arrays over samples.
- `templates`: placeholders in files, commands and variables; plain and Jinja2.
- `files`: the files of a working directory: templates, copies, links and trees.
- `environment`: modules, the file to source, variables, threads, GPUs; finding programs.
- `launcher`: how MPI ranks are started (srun, mpiexec), and the cores of a SLURM job.
- `process`: one program from start to end: time limit, limit of its streams, killing all that it
  started; the guard process of a batch job.
- `outputs`: a package, numbers from the files that a run left.
- `directories`: making, pruning and removing working directories that a code may have damaged.
- `keep`: which directories stay after a sample, the scratch directory, tar files.
- `checks`: what is checked before any job starts (`ensnare check`).
- `programs`: the part of the checks that looks for programs on this machine.

>>> from ensnare.model.command import compile_model
>>> model = compile_model(study)  # once per batch
>>> model.prepare(values)  # in the empty directory of a sample
>>> model.run(values, os.getcwd())
Outcome(status=<Status.OK: 0>, exit_code=0, elapsed_s=1.3, outputs=[0.25], message='')
"""
