if analyses.statistics:

    rule compute_statistics:
        input:
            paths.archive,
        output:
            report(
                paths.table("statistics"),
                caption="../report/statistics.rst",
                category="Tables",
            ),
        params:
            confidence=analyses.statistics.confidence,
        log:
            paths.log("compute_statistics"),
        conda:
            "../envs/ensnare.yaml"
        localrule: True
        script:
            "../../scripts/compute_statistics.py"


if analyses.sobol:

    rule compute_sobol_indices:
        input:
            paths.archive,
        output:
            report(
                paths.table("sobol_indices"),
                caption="../report/sobol_indices.rst",
                category="Tables",
            ),
        params:
            estimator=analyses.sobol.estimator,
            confidence=analyses.sobol.confidence,
        log:
            paths.log("compute_sobol_indices"),
        conda:
            "../envs/ensnare.yaml"
        localrule: True
        script:
            "../../scripts/compute_sobol_indices.py"
