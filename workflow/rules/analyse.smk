# One job makes all tables: its imports cost more than most analyses.
if tables:

    rule compute_tables:
        input:
            paths.archive,
            # times by SLURM beside our own
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
