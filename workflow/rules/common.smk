import os
import sys
from pathlib import Path

try:
    from ensnare.plan.batches import batch_resources, case_table
    from ensnare.plan.batches import design_content, plan_batches
    from ensnare.plan.needs import measuring_order
    from ensnare.study.loading import accepts_rerun, study_from_snakemake
    from ensnare.study.analyses import SCALING_TABLES, wanted_tables
    from ensnare.errors import EnsnareError
    from ensnare.report.names import figure_names
    from ensnare.evaluate.jobs import RETRIES, resource_factor
    from ensnare.plan.needs import JobNeeds, stated_names
    from ensnare.parareal.cases import exact_identity, plan_cases, solved_digest
    from ensnare.store.paths import StudyPaths
    from ensnare.study.loading import resolved_tree, with_settled_size
    from ensnare.plan.rounds import Growth, grows, largest
    from ensnare.store.locks import wait_for_run_lock
except ImportError as error:
    sys.exit(f"{error}; in the clone run: make install, and use the Python of .venv")

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger


def in_one_line(function, *arguments):
    """Call a function; end with one line and no traceback if it raises an EnsnareError."""
    try:
        return function(*arguments)
    except EnsnareError as error:
        sys.exit(str(error))


def load():
    """Read the study of this run, or of this module of another workflow."""
    settings = workflow.config_settings
    files = [Path(path) for path in workflow.configfiles]
    return in_one_line(study_from_snakemake, config, dict(settings.config), files)


def check_and_announce():
    """Check the study, and print what will run, before any job starts."""
    from ensnare.evaluate.forecast import count_rounds, count_samples
    from ensnare.evaluate.forecast import (
        growth_note,
        expensive_rerun_note,
        namesake_note,
        rounds_note,
    )
    from ensnare.evaluate.measured_size import length_note
    from ensnare.plan.needs import lack_notes
    from ensnare.model.checks import check_once
    from ensnare.plan.defaults import refuse_other_defaults

    in_one_line(refuse_other_defaults, study, paths)
    if study.config.parareal:
        return announce_parareal()
    in_one_line(check_once, study, Path(".snakemake/ensnare"))
    if doubling:
        account = in_one_line(count_rounds, doubling, paths)
        notes = [rounds_note(doubling, paths)]
        item = doubling.present(paths)
        sized, planned = item.study, item.batches
    else:
        sized, planned = study, batches
        attempted = [batch for batch in batches if batch.key not in lacks]
        account = in_one_line(count_samples, study, attempted, paths)
        notes = [growth_note(study, paths), *lack_notes(study, batches, lacks)]
    if workflow.resource_settings.nodes is not None:  # with --jobs it is a cluster
        notes.append(length_note(sized, planned, paths))
    notes.append(namesake_note(study, paths))
    logger.info(f"study {study.config.study}: {account}")
    # a real run stops instead, or the user has told it to go on
    if workflow.output_settings.dryrun:
        notes.append(expensive_rerun_note(study, account))
    for note in filter(None, notes):
        logger.info(f"study {study.config.study}: {note}")
    return account


def announce_parareal():
    """Check a parareal study, and print how many cases are to be solved."""
    from ensnare.parareal.check import check_parareal
    from ensnare.parareal.progress import account_line

    in_one_line(check_parareal, study)
    line = in_one_line(account_line, study, paths)
    logger.info(f"study {study.config.study}: {line}")
    return None


def refuse_rerun_of_study():
    """Stop before any job if expensive results would be computed again without confirmation."""
    if study.config.parareal:
        return
    from ensnare.evaluate.forecast import refuse_expensive_rerun

    accepted = in_one_line(accepts_rerun, dict(workflow.config_settings.config))
    in_one_line(refuse_expensive_rerun, study, account, accepted)


def tell_jobs_of_retries():
    """Tell jobs on a cluster how often Snakemake retries them with more memory."""
    if not workflow.local_exec and "mem_mb" in stated_names(study):
        os.environ.update({RETRIES: str(workflow.execution_settings.retries)})


def explain_failure(logs):
    """Print one line that says which jobs SLURM refused or ended, and what to do about it."""
    from ensnare.commands.status import failure_note

    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    unfinished = sum(not path.exists() for path in batch_files)
    if note := failure_note(text, unfinished, len(batches)):
        logger.error(f"study {study.config.study}: {note}")


def tell_of_leftovers():
    """Print how many figures and tables of earlier versions of the study are still there."""
    from ensnare.commands.clean import leftovers_note

    if note := leftovers_note(study, paths):
        logger.info(f"study {study.config.study}: {note}")


def tell_outcome():
    """Print at the end of a run the samples by status, and where the report is."""
    from ensnare.commands.status import outcome_lines

    attempted = [batch.key for batch in batches if batch.key not in lacks]
    for line in outcome_lines(paths, attempted):
        logger.info(f"study {study.config.study}: {line}")


def evaluate_threads():
    """Return the cores of a batch job: for local jobs all cores of the run."""
    try:
        return workflow.cores
    except WorkflowError:  # a cluster has no total; the profile sets threads
        return 1


def find_lacks():
    """Return the reason for each run of a scaling study that this machine or cluster cannot run."""
    if study.config.scaling is None:
        return {}
    # a job does not decide anew: when it needs batch files, those that could be made exist
    if not workflow.is_main_process:
        return {b.key: "" for b in batches if not paths.batch(b.key).exists()}
    from ensnare.evaluate.forecast import known_batches
    from ensnare.plan.needs import cluster_capacity, local_capacity, not_attempted

    if workflow.resource_settings.nodes is None:
        capacity = local_capacity(workflow.cores)
    else:  # with --jobs it is a cluster, whatever number of cores a dry run has
        defaults = dict(workflow.resource_settings.default_resources or {})
        partition = defaults.get("slurm_partition")
        capacity = cluster_capacity(str(partition.value) if partition else "")
    found = not_attempted(study, batches, paths, capacity)
    # results of a larger machine are taken over, which needs no cores
    missing = [batch for batch in batches if batch.key in found]
    known = in_one_line(known_batches, study, missing, paths) if found else ()
    return {key: lack for key, lack in found.items() if key not in known}


def measure_priority(wildcards):
    """Return the priority of a run of a scaling study, which makes the order random."""
    return order[wildcards.key]


def batch_threads(wildcards):
    """Return the cores of the job of a batch: no more than its samples can use."""
    return job_needs[wildcards.key].threads(evaluate_threads())


def batch_resource(name):
    """Return the function for a resource of batch jobs, from the study or else the profile."""
    return job_resource(
        name,
        lambda wildcards, threads, attempt: job_needs[wildcards.key].resources(
            threads, resource_factor(paths.jobs(wildcards.key), attempt)
        ),
    )


def job_resource(name, stated_of):
    """Return the function for a resource of jobs: what `stated_of` returns, or else the profile."""

    def amount(wildcards, input, threads, attempt, rulename, async_run):
        stated = stated_of(wildcards, threads, attempt)
        if name in stated:
            return stated[name]
        # cases without a value of their own take the default of the profile
        defaults = dict(workflow.resource_settings.default_resources or {})
        if name not in defaults:
            # Snakemake refuses None for memory; its SLURM plugin takes 0 as not stated
            return 0 if name == "mem_mb" else None
        known = dict(input=input, threads=threads, attempt=attempt)
        known |= dict(rulename=rulename, async_run=async_run)
        return defaults[name].evaluate(wildcards, **known).value

    return amount


def stays_here(rule):
    """Return whether a rule runs where Snakemake runs, as `set-resources` does not name it."""
    name = workflow.modifier.modify_rulename(rule)  # with the prefix of the module
    return name not in workflow.resource_settings.overwrite_resources


def amendments():
    """Return the file of samples that the user redid or skipped, if there is one."""
    return [paths.amendments] if paths.amendments.exists() else []


def targets():
    """Return all files that a run makes."""
    figures = [
        paths.figures / f"{name}.{kind}"
        for name in figure_names(study.config)
        for kind in ("svg", "png")
    ]
    whole = [paths.archive, paths.pickle, *figures, paths.report]
    if study.config.parareal:
        return [paths.solved(solved_digest(study)), paths.table("parareal"), *whole]
    # batch files and rounds are named too: otherwise Snakemake would not notice that one was
    # removed while the archive exists
    tables_of_study = [paths.table("samples"), paths.table("jobs"), *analysis_tables]
    return [*batch_files, *measured, *end_of_rounds(), *tables_of_study, *whole]


def cut(study):
    """Return the study with its batch size, which may depend on the times of earlier samples."""
    if study.config.parareal:  # has no batches
        return study
    # a job takes the size that the main process chose: new results would change the choice
    if not workflow.is_main_process:
        return in_one_line(with_settled_size, study, paths)
    from ensnare.evaluate.measured_size import with_measured_size

    return in_one_line(with_measured_size, study, paths)


def needs_of_jobs(sizes):
    """Return what the job of each batch needs, by its key, for all sizes that a design may have."""
    found = {}
    for sized, batches in sizes:
        needs = batch_resources(sized, batches)
        together = study.config.scaling is not None
        found |= {b.key: JobNeeds(needs[b.key], len(b), together) for b in batches}
    return found


study = load()
paths = StudyPaths.of(study.config.study)
study = cut(study)
doubling = in_one_line(Growth, study) if grows(study) else None
batches = [] if study.config.parareal else in_one_line(plan_batches, study)
job_needs = needs_of_jobs(doubling.sizes() if doubling else [(study, batches)])
measured = []
if doubling:  # the round that is evaluated now, or the last one
    present = in_one_line(doubling.present, paths)
    batches, measured = present.batches, [paths.round(present.key)]
# for a scaling study: the order of its runs, and those that cannot run here
order = measuring_order(batches, study.config.seed) if study.config.scaling else {}
lacks = find_lacks()
batch_files = [paths.batch(b.key) for b in batches if b.key not in lacks]
# for a parareal study: what a solve of each case needs
cases = in_one_line(plan_cases, study) if study.config.parareal else []
solve_needs = {case.key: study.config.resources_of(case.case) for case in cases}
tables = wanted_tables(study.config)
if study.config.scaling:
    # why runs have no time, by the first case of their batch
    reasons = {b.segments[0].case: lacks[b.key] for b in batches if b.key in lacks}
    tables |= {name: {"lacks": reasons} for name in SCALING_TABLES}
analysis_tables = [paths.table(name) for name in tables]

# Jobs use the Python of this installation, whatever is on PATH. It is no parameter of the rule,
# since results do not depend on where Ensnare is installed.
os.environ.update(ENSNARE_PYTHON=sys.executable)

# jobs parse this file again, after the main process has checked the study
if workflow.is_main_process:
    account = check_and_announce()
    # Snakemake does not call `onstart` of a module, so the module refuses here
    if (
        not workflow.modifier.is_main_snakefile()
        and not workflow.output_settings.dryrun
    ):
        refuse_rerun_of_study()


wildcard_constraints:
    key="[0-9a-f]{16}",
    iteration="[0-9]+",
    last="[0-9]+",


onstart:
    refuse_rerun_of_study()
    tell_jobs_of_retries()
    wait_for_run_lock(paths.lock, logger.info)


onsuccess:
    tell_outcome()
    tell_of_leftovers()


onerror:
    explain_failure(log)
