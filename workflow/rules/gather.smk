rule gather:
    input:
        study=paths.study,
        design=paths.design,
        batches=batch_files,
        amendments=amendments(),
    output:
        archive=paths.archive,
        pickle=paths.pickle,
        samples=paths.table("samples"),
    log:
        paths.log("gather"),
    localrule: True
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/gather.py"
