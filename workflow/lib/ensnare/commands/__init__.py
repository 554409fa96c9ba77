"""The command line `ensnare`, and what the scripts and rules of the workflow call.

In: the words of a command line, or `snakemake.*` in a script. Out: one call of another package, a
few lines for the user, an exit code. An error is one line on stderr and exit code 1. Start reading
in `main`; commands import what they need when they are called, since every batch job pays for it.

Command lines:

- `main`: the parser, and the commands on a study file: `check`, `eval`, `path`, `prepare`,
  `collect`, `adopt`, and `evaluate-batch` of the rules.
- `study`: the commands on results: `gather`, `redo`, `skip`, `status`, `clean`.
- `parareal`: the commands of the rules of a parareal study, such as `solve-slices`.

What they do:

- `eval`: one point by hand: parse its values, run the model, report the outputs as JSON.
- `path`: find the kept working directory of a sample, and unpack it.
- `prepare`: write a directory and a script for each sample; collect what was run there by hand.
- `select`: which samples `redo` and `skip` mean: failed, a condition, ids.
- `status`: how far batches and rounds are; the lines at the end of a run of Snakemake.
- `gather`: archive, tables, figures and report in one call, also of a partial study.
- `clean`: figures and tables that the study does not have any more.
- `job`: logs of jobs, and errors as one line; every script of the workflow uses it.

>>> from ensnare.commands.main import main
>>> main(["check", "config/studies/flood.yaml"])
config/studies/flood.yaml: 7680 samples in 1 batch
0
"""
