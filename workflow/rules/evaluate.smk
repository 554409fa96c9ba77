# One job per batch; its pool of workers runs the samples. The name of the output says what the
# batch holds, so its inputs need not be newer or older than it: `ancient`.
rule evaluate:
    input:
        study=ancient(paths.study),
        design=ancient(paths.design),
    output:
        paths.batch("{key}"),
    log:
        paths.log("evaluate/{key}"),
    conda:
        "../envs/ensnare.yaml"
    # a local run uses all its cores for one batch after the other; --set-threads for others
    threads: batch_threads
    resources:
        **{name: batch_resource(name) for name in stated_names(study)},
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare evaluate-batch {input.study:q} {wildcards.key}'
        " --threads {threads} --attempt {resources.attempt} --log {log:q}"
