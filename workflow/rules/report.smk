# One job draws all figures and writes the page, since importing matplotlib takes longer than
# drawing a figure.
rule write_report:
    input:
        archive=paths.archive,
        samples=paths.table("samples"),
        jobs=paths.table("jobs"),
        tables=analysis_tables,
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
        paths.log("write_report"),
    localrule: stays_here("write_report")
    conda:
        "../envs/ensnare.yaml"
    threads: 4
    params:
        tables=list(tables),
        names=[str(name) for name in figure_names(study.config)],
    script:
        "../../scripts/write_report.py"
