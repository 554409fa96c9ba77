# The driver `rules` of a parareal study. Inputs are `ancient`, since the name of each file is made
# from all that decides its content: the times of files do not matter.


# fine solves of one case; the file of the last slice is the only output, and stands for all
rule solve_slices:
    input:
        study=ancient(paths.study),
        before=ancient(states_before),
    output:
        paths.fine_solve("{key}", "{iteration}", "{last}"),
    log:
        paths.log("solve_slices/{key}-k{iteration}-i{last}"),
    conda:
        "../envs/ensnare.yaml"
    threads: slices_threads
    resources:
        **{name: job_resource(name, slices_stated) for name in stated_names(study)},
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare solve-slices {input.study:q} {wildcards.key}'
        " {wildcards.iteration} {wildcards.last}"
        " --threads {threads} --attempt {resources.attempt} --log {log:q}"


# A checkpoint for each iteration, since the change of its states decides whether another one
# follows.
checkpoint update_states:
    input:
        study=ancient(paths.study),
        before=ancient(states_before),
        fine=ancient(fine_solves),
    output:
        paths.iterate("{key}", "{iteration}"),
    log:
        paths.log("update_states/{key}-k{iteration}"),
    localrule: stays_here("update_states")
    conda:
        "../envs/ensnare.yaml"
    resources:
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare update-states {input.study:q} {wildcards.key}'
        " {wildcards.iteration} --attempt {resources.attempt} --log {log:q}"


# one job for each case, so that cases do not wait for each other
rule end_case:
    input:
        study=ancient(paths.study),
        states=ancient(last_states),
    output:
        paths.case_end("{key}", end_digest(study)),
    log:
        paths.log("end_case/{key}"),
    localrule: stays_here("end_case") and not study.config.parareal.serial
    conda:
        "../envs/ensnare.yaml"
    resources:
        **{name: job_resource(name, serial_stated) for name in stated_names(study)},
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare end-case {input.study:q} {wildcards.key} {output:q}'
        " --attempt {resources.attempt} --log {log:q}"


rule solve_parareal:
    input:
        [paths.case_end(key, end_digest(study)) for key in solve_needs],
    output:
        paths.solved(solved_digest(study)),
    log:
        paths.log("solve_parareal"),
    localrule: stays_here("solve_parareal")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/join_cases.py"
