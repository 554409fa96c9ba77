if "statistics" in tables:

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
        localrule: stays_here("compute_statistics")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="statistics",
            options=tables["statistics"],
        script:
            "../../scripts/compute_table.py"


if "exceedance" in tables:

    rule compute_exceedance:
        input:
            paths.archive,
        output:
            report(
                paths.table("exceedance"),
                caption="../report/exceedance.rst",
                category="Tables",
            ),
        log:
            paths.log("compute_exceedance"),
        localrule: stays_here("compute_exceedance")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="exceedance",
            options=tables["exceedance"],
        script:
            "../../scripts/compute_table.py"


if "sobol_indices" in tables:

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
        localrule: stays_here("compute_sobol_indices")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="sobol_indices",
            options=tables["sobol_indices"],
        script:
            "../../scripts/compute_table.py"


if "rank_sobol_indices" in tables:

    rule compute_rank_sobol_indices:
        input:
            paths.archive,
        output:
            report(
                paths.table("rank_sobol_indices"),
                caption="../report/rank_sobol_indices.rst",
                category="Tables",
            ),
        log:
            paths.log("compute_rank_sobol_indices"),
        localrule: stays_here("compute_rank_sobol_indices")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="rank_sobol_indices",
            options=tables["rank_sobol_indices"],
        script:
            "../../scripts/compute_table.py"


if "morris" in tables:

    rule compute_morris:
        input:
            paths.archive,
        output:
            report(
                paths.table("morris"),
                caption="../report/morris.rst",
                category="Tables",
            ),
        log:
            paths.log("compute_morris"),
        localrule: stays_here("compute_morris")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="morris",
            options=tables["morris"],
        script:
            "../../scripts/compute_table.py"


if "correlations" in tables:

    rule compute_correlations:
        input:
            paths.archive,
        output:
            report(
                paths.table("correlations"),
                caption="../report/correlations.rst",
                category="Tables",
            ),
        log:
            paths.log("compute_correlations"),
        localrule: stays_here("compute_correlations")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="correlations",
            options=tables["correlations"],
        script:
            "../../scripts/compute_table.py"


if "failures" in tables:

    rule test_failures:
        input:
            paths.archive,
        output:
            report(
                paths.table("failures"),
                caption="../report/failures.rst",
                category="Tables",
            ),
        log:
            paths.log("test_failures"),
        localrule: stays_here("test_failures")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="failures",
            options=tables["failures"],
        script:
            "../../scripts/compute_table.py"


if "rounds" in tables:

    rule compute_rounds:
        input:
            paths.archive,
        output:
            report(
                paths.table("rounds"),
                caption="../report/rounds.rst",
                category="Tables",
            ),
        log:
            paths.log("compute_rounds"),
        localrule: stays_here("compute_rounds")
        conda:
            "../envs/ensnare.yaml"
        params:
            table="rounds",
            options=tables["rounds"],
        script:
            "../../scripts/compute_table.py"
