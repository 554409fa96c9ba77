"""One batch, from its samples to its batch file; and what a run would do before it starts.

In: a study and one of its batches. Out: `batches/<key>.h5` with the status, outputs, time and exit
code of every sample. A job claims the batch, takes over what is known already, and runs the other
samples in a pool of worker processes. Workers append each result to the journal, so a job that is
killed loses no finished sample, and the next one runs only the samples that are missing. Failed
samples are results, not errors.

A batch job:

- `batch`: the whole job: claim, known results, pool, batch file. Start reading here.
- `claim`: the `.owner` file, which lets only one job at a time evaluate a batch.
- `known_results`: what the journal and older batches already hold of a batch.
- `concurrency`: how many samples run at a time, and on which cores.
- `pool`: worker processes that pull tasks; one that dies is replaced.
- `worker`: what happens inside one of these processes, and the interface of tasks (`Work`).
- `tasks`: the samples of a batch as tasks: retries, deaths of workers, calls of functions.
- `sample_runs`: one run of an external code in the directory of its sample, new or resumed.
- `interrupted`: samples that are resumed by the next job (`resume`), and how long they ran.
- `walltime`: when the job ends, and whether another sample fits into the time left.
- `failure_limit`: `stop_after`: ending the study when too many samples fail.
- `progress`: counts by status, for `ensnare status` and the log.
- `jobs`: the record of all jobs of a batch (`.jobs`); more memory and time for the next one.
- `batchfile`: the batch file, and the meaning of its columns.

Results of earlier versions of the study:

- `reuse`: finished samples of older batches that are still valid.
- `reparse`: kept directories, parsed again after parsers changed.
- `adopt`: older results declared valid by the user (`ensnare adopt`).
- `amendments`: samples run again or skipped by the user (`ensnare redo`, `ensnare skip`).

Before a run:

- `forecast`: samples to run, parse again and reuse, their cost, and notes for the user.
- `measured_size`: batch sizes from the times of finished samples.

>>> study, batch = find_batch(load_study(Path("beam.yaml")), "5ad1c9f0e2b47d83")
>>> evaluate_batch(study, batch, StudyPaths.of("beam"), workers=4, say=print)
batch 5ad1c9f0e2b47d83: [####################] 256/256 done, 3 failed, 42.1/s
>>> finished, parsers = read_batch(StudyPaths.of("beam").batch(batch.key))
>>> finished.rows["status"], finished.rows["outputs"]  # shapes (n,) and (n, q)
"""
