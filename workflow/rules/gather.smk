rule gather:
    input:
        study=paths.study,
        design=paths.design,
        rounds=files_of_rounds,
        end=end_of_rounds(),
        batches=files_to_gather,
        amendments=amendments(),
    output:
        # `update`: the old results stay until the new ones are complete
        archive=update(paths.archive),
        pickle=update(paths.pickle),
    log:
        paths.log("gather"),
    localrule: stays_here("gather")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/gather.py"


# For each job its time, its wait in the queue, and its use of cores and memory, from the records of
# the jobs and from the accounting of SLURM.
rule write_jobs:
    input:
        study=paths.study,
        rounds=files_of_rounds,
        end=end_of_rounds(),
        batches=files_to_gather,
    output:
        # `update`: SLURM's accounting forgets jobs, so the new table takes them from the old one
        update(paths.table("jobs")),
    log:
        paths.log("write_jobs"),
    localrule: stays_here("write_jobs")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/write_jobs.py"


# A job of its own, since writing a million samples as text takes longer than writing the archive.
rule write_samples:
    input:
        study=paths.study,
        design=paths.design,
        rounds=files_of_rounds,
        end=end_of_rounds(),
        batches=files_to_gather,
        amendments=amendments(),
    output:
        update(paths.table("samples")),
    log:
        paths.log("write_samples"),
    localrule: stays_here("write_samples")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/write_samples.py"
