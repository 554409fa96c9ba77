# One job draws all figures: the import of the plotting library costs more than a figure.
rule plot_figures:
    input:
        archive=paths.archive,
        tables=analysis_tables,
    output:
        [
            report(
                paths.figures / f"{name}.svg",
                caption=f"../report/{name.kind}.rst",
                category="Figures",
                labels={"figure": str(name).replace("_", " ")},
            )
            for name in figure_names(study.config)
        ],
        [paths.figures / f"{name}.png" for name in figure_names(study.config)],
    log:
        paths.log("plot_figures"),
    localrule: stays_here("plot_figures")
    conda:
        "../envs/ensnare.yaml"
    threads: 4
    params:
        names=[str(name) for name in figure_names(study.config)],
    script:
        "../../scripts/plot_figures.py"


rule write_report:
    input:
        archive=paths.archive,
        samples=paths.table("samples"),
        jobs=paths.table("jobs"),
        tables=analysis_tables,
        figures=[paths.figures / f"{name}.svg" for name in figure_names(study.config)],
    output:
        paths.report,
    log:
        paths.log("write_report"),
    localrule: stays_here("write_report")
    conda:
        "../envs/ensnare.yaml"
    script:
        "../../scripts/write_report.py"
