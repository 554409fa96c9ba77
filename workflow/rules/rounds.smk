# A design that grows by itself: a checkpoint per round. Its file keeps what was measured, and its
# name says of which samples. The criterion is in neither, so it can change without measuring again.
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

    # The name is a hash of the criterion and of all sizes, so this file is missing whenever a round
    # may be: while the archive exists, Snakemake does not ask whether it needs another round.
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
