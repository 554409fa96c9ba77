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
        log:
            paths.log("compute_statistics"),
        localrule: True
        conda:
            "../envs/ensnare.yaml"
        params:
            confidence=analyses.statistics.confidence,
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
        log:
            paths.log("compute_sobol_indices"),
        localrule: True
        conda:
            "../envs/ensnare.yaml"
        params:
            estimator=analyses.sobol.estimator,
            confidence=analyses.sobol.confidence,
        script:
            "../../scripts/compute_sobol_indices.py"
