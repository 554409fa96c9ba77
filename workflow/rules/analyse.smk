# One job makes all tables, since its imports take longer than most analyses.
if tables:

    rule compute_tables:
        input:
            paths.archive,
            # the tables of a scaling study also show the times that SLURM measured
            [paths.table("jobs")] if study.config.scaling else [],
        output:
            [
                report(
                    paths.table(name),
                    caption=f"../report/{name}.rst",
                    category="Tables",
                    labels={"table": name.replace("_", " ")},
                )
                for name in tables
            ],
        log:
            paths.log("compute_tables"),
        localrule: stays_here("compute_tables")
        conda:
            "../envs/ensnare.yaml"
        params:
            tables=tables,
        script:
            "../../scripts/compute_tables.py"
