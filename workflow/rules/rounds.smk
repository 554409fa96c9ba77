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
