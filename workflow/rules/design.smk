# The resolved study is a file, so that jobs read what this run was started with. It and the design
# come from one job: behind a scheduled job, `ancient` inputs hide that parameters changed.
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
