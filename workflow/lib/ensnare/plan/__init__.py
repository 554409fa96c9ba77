"""From a study to what Snakemake sees: batches, their names, what their jobs need, and rounds.

In: a `LoadedStudy`. Out: `Batch` objects, whose keys are hashes of their content and are known
before the design exists, and the samples of a batch, with their ids and values. Nothing here runs
or evaluates anything. Rule files import this package in every job, so it must import quickly: only
`samples` loads numpy, and h5py when it reads or writes a file.

`batches`
    how the samples are cut into batches; what the names of batches and the design file depend on
`identity`
    which changes of a model run everything again: hashes of its command, files, code and parsers
`needs`
    what the job of a batch asks for; which runs of a scaling study nothing here can run
`samples`
    ids and values of the samples of a batch; writing and reading `design.h5`
`rounds`
    a design that doubles until its results are precise: its sizes, and how far it is
`criteria`
    the criterion that ends the rounds, and the lines that report on it
`loops`
    what rounds have in common with the iterations of a parareal study
`defaults`
    the check that levels in `defaults` are those with which the samples got their ids

>>> study = load_study(Path("config/config.yaml"))
>>> [(batch.key, len(batch)) for batch in plan_batches(study)]
>>> JobNeeds(study.config.resources, samples=len(plan_batches(study)[0])).threads(cores=8)
"""
