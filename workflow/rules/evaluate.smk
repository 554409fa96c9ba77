# One job per batch; its pool of workers runs the samples. The inputs are `ancient`, since the name
# of the output is a hash of all that decides its content: their times do not matter.
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
    # a local run gives all its cores to one batch after the other; --set-threads changes that
    threads: batch_threads
    resources:
        **{name: batch_resource(name) for name in stated_names(study)},
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare evaluate-batch {input.study:q} {wildcards.key}'
        " --threads {threads} --attempt {resources.attempt} --log {log:q}"
