# The resolved study is a file, so that jobs read what this run was started with.
rule resolve_study:
    output:
        paths.study,
    log:
        paths.log("resolve_study"),
    localrule: True
    conda:
        "../envs/ensnare.yaml"
    params:
        content=resolved_tree(study),
    script:
        "../../scripts/resolve_study.py"


rule make_design:
    input:
        study=ancient(paths.study),
    output:
        paths.design,
    log:
        paths.log("make_design"),
    localrule: True
    conda:
        "../envs/ensnare.yaml"
    params:
        content=design_content(study),
    script:
        "../../scripts/make_design.py"
