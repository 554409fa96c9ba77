rule gather:
    input:
        study=paths.study,
        design=paths.design,
        rounds=files_of_rounds,
        end=end_of_rounds(),
        batches=files_to_gather,
        amendments=amendments(),
    output:
        # the old results stay until the new ones are whole
        archive=update(paths.archive),
        pickle=update(paths.pickle),
    log:
        paths.log("gather"),
    localrule: stays_here("gather")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/gather.py"


# What the jobs were: time, wait, use of cores and memory, from their records and from accounting.
rule write_jobs:
    input:
        study=paths.study,
        rounds=files_of_rounds,
        end=end_of_rounds(),
        batches=files_to_gather,
    output:
        # accounting forgets: what it said before is read from here
        update(paths.table("jobs")),
    log:
        paths.log("write_jobs"),
    localrule: stays_here("write_jobs")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/write_jobs.py"


# A job of its own: the text of a million samples costs more than their archive.
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
