rule gather:
    input:
        study=paths.study,
        design=paths.design,
        batches=batch_files,
    output:
        # the old results stay until the new ones are whole
        archive=update(paths.archive),
        pickle=update(paths.pickle),
        samples=update(paths.table("samples")),
    log:
        paths.log("gather"),
    localrule: True
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/gather.py"
