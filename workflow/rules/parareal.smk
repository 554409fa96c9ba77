# An initial-value problem for every case of the sweep, integrated in parallel in time.


# the resolved study is a file, so that jobs read what this run was started with
rule write_study:
    output:
        paths.study,
    log:
        paths.log("write_study"),
    localrule: stays_here("write_study")
    conda:
        "../envs/ensnare.yaml"
    params:
        study=resolved_tree(study),
    script:
        "../../scripts/write_study.py"


if study.config.parareal.driver == "pool":
    # as if each slice of each case were solved once; the real number is known only at the end
    pool_needs = JobNeeds(
        study.config.resources,
        len(case_table(study)) * study.config.parareal.slices,
    )

    # One job; its pool of workers runs the solves of all cases. The input is `ancient`, since the
    # name of the output is a hash of what is solved, and to which tolerance: times of files do not
    # matter.
    rule solve_parareal:
        input:
            study=ancient(paths.study),
        output:
            paths.solved(solved_digest(study)),
        log:
            paths.log("solve_parareal"),
        conda:
            "../envs/ensnare.yaml"
        threads: pool_needs.threads(evaluate_threads())
        resources:
            **{
                name: job_resource(
                    name,
                    lambda wildcards, threads, attempt: pool_needs.resources(
                        threads, 1
                    ),
                )
                for name in stated_names(study)
            },
            attempt=lambda wildcards, attempt: attempt,
        shell:
            '"$ENSNARE_PYTHON" -m ensnare solve-parareal {input.study:q} {output:q}'
            " --threads {threads} --attempt {resources.attempt} --log {log:q}"

else:

    include: "iterations.smk"


rule gather_parareal:
    input:
        study=paths.study,
        solved=paths.solved(solved_digest(study)),
    output:
        # `update`: the old results stay until the new ones are complete
        archive=update(paths.archive),
        pickle=update(paths.pickle),
    log:
        paths.log("gather_parareal"),
    localrule: stays_here("gather_parareal")
    conda:
        "../envs/ensnare.yaml"
    params:
        exact=in_one_line(exact_identity, study),
    script:
        "../../scripts/gather_parareal.py"


rule compute_parareal:
    input:
        paths.archive,
    output:
        report(
            paths.table("parareal"),
            caption="../report/parareal.rst",
            category="Tables",
        ),
    log:
        paths.log("compute_parareal"),
    localrule: stays_here("compute_parareal")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/compute_parareal.py"


# One job draws all figures and writes the page, since importing matplotlib takes longer than
# drawing a figure.
rule report_parareal:
    input:
        archive=paths.archive,
        table=paths.table("parareal"),
    output:
        figures=[
            report(
                paths.figures / f"{name}.svg",
                caption=f"../report/{name.kind}.rst",
                category="Figures",
                labels={"figure": str(name).replace("_", " ")},
            )
            for name in figure_names(study.config)
        ],
        pixels=[paths.figures / f"{name}.png" for name in figure_names(study.config)],
        report=paths.report,
    log:
        paths.log("report_parareal"),
    localrule: stays_here("report_parareal")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/report_parareal.py"
