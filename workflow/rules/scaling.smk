rule compute_scaling:
    input:
        paths.archive,
    output:
        [
            report(
                paths.table(name),
                caption=f"../report/{name}.rst",
                category="Tables",
            )
            for name in SCALING_TABLES
        ],
    log:
        paths.log("compute_scaling"),
    localrule: stays_here("compute_scaling")
    conda:
        "../envs/ensnare.yaml"
    params:
        lacks={b.segments[0].case: lacks[b.key] for b in batches if b.key in lacks},
    script:
        "../../scripts/compute_scaling.py"
