# The resolved study is a file, so that jobs read what this run was started with. One job writes it
# and the design: Snakemake would overlook changed parameters of a second job with an `ancient`
# input while the first one is scheduled.
rule make_design:
    output:
        study=paths.study,
        design=paths.design,
    log:
        paths.log("make_design"),
    localrule: stays_here("make_design")
    conda:
        "../envs/ensnare.yaml"
    params:
        study=resolved_tree(study),
        design=design_content(largest(study)),
    script:
        "../../scripts/make_design.py"
