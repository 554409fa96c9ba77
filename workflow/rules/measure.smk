# A scaling study has a job for every run: in random order, on exactly its cores. A local job takes
# all cores that Snakemake has, so that no other job runs while it is timed.
rule measure:
    input:
        study=ancient(paths.study),
        design=ancient(paths.design),
    output:
        paths.batch("{key}"),
    log:
        paths.log("measure/{key}"),
    benchmark:
        paths.benchmark("{key}")
    priority: measure_priority
    conda:
        "../envs/ensnare.yaml"
    threads: evaluate_threads()
    resources:
        **{name: batch_resource(name) for name in stated_names(study)},
        attempt=lambda wildcards, attempt: attempt,
    shell:
        '"$ENSNARE_PYTHON" -m ensnare evaluate-batch {input.study:q} {wildcards.key}'
        " --threads {threads} --attempt {resources.attempt} --log {log:q}"
