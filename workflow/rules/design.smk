# The resolved study is a file, so that jobs read what this run was started with.
rule resolve_study:
    output:
        paths.study,
    params:
        content=resolved_tree(study),
    log:
        paths.log("resolve_study"),
    conda:
        "../envs/ensnare.yaml"
    localrule: True
    script:
        "../../scripts/resolve_study.py"


rule make_design:
    input:
        study=ancient(paths.study),
    output:
        paths.design,
    params:
        content=design_content(study),
    log:
        paths.log("make_design"),
    conda:
        "../envs/ensnare.yaml"
    localrule: True
    script:
        "../../scripts/make_design.py"
