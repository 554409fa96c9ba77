# A design that grows by itself: a checkpoint per round. Its file keeps what was measured and its name
# says of what, so the criterion, which is in neither, can change without measuring again.
if doubling:

    checkpoint measure_round:
        input:
            batches=files_of_round,
            study=ancient(paths.study),
            design=ancient(paths.design),
        output:
            paths.round("{key}"),
        log:
            paths.log("measure_round/{key}"),
        localrule: stays_here("measure_round")
        conda:
            "../envs/ensnare.yaml"
        script:
            "../../scripts/measure_round.py"

    # Named by the criterion and by all sizes, so it is missing when rounds may be: Snakemake does not
    # look for the next round on behalf of an archive that is there.
    rule end_rounds:
        input:
            files_of_rounds,
        output:
            paths.rounds_end(doubling.end_key),
        log:
            paths.log("end_rounds"),
        localrule: True
        conda:
            "../envs/ensnare.yaml"
        shell:
            "printf '%s\\n' {input:q} > {output:q} 2> {log:q}"
