# Studies whose next step depends on results: the input functions of their checkpoints and jobs. See
# docs/iterating.md.
from ensnare.plan.loops import follow
from ensnare.parareal.schedule import CaseLoop, block_of, blocks, end_digest


def steps_of(name, loop):
    """Return the recorded steps of a loop, each with what was measured in it.

    If a step is missing, Snakemake runs the checkpoint `name` for it, and calls this again.
    """

    def find(step):
        taken = getattr(checkpoints, name).get(**step.wildcards)
        return Path(taken.output[0])

    return in_one_line(follow, loop, find).done


def rounds_so_far():
    """Return the rounds of a design that grows by itself, each with what was measured in it."""
    return steps_of("measure_round", doubling) if doubling else []


def files_of_rounds(wildcards):
    """Return the files with what was measured in the rounds of a study."""
    return [paths.round(item.key) for item, _ in rounds_so_far()]


def end_of_rounds():
    """Return the file that says that a design has stopped growing, if the design grows."""
    return [paths.rounds_end(doubling.end_key)] if doubling else []


def files_to_gather(wildcards):
    """Return the batch files to gather; if the design grows by itself, those of the last round."""
    if not doubling:
        return batch_files
    last, _ = rounds_so_far()[-1]
    return [paths.batch(batch.key) for batch in last.batches]


def files_of_round(wildcards):
    """Return the batch files of a round."""
    found = next(item for item in doubling.rounds if item.key == wildcards.key)
    return [paths.batch(batch.key) for batch in found.batches]


def needs_of_slices(wildcards):
    """Return what a job of `solve_slices` needs."""
    block = block_of(study, int(wildcards.iteration), int(wildcards.last))
    return JobNeeds(solve_needs[wildcards.key], len(block))


def slices_threads(wildcards):
    """Return the cores of a job of `solve_slices`: no more than its solves can use."""
    return needs_of_slices(wildcards).threads(evaluate_threads())


def slices_stated(wildcards, threads, attempt):
    """Return what the study states for a job of `solve_slices`; more after it died."""
    return needs_of_slices(wildcards).resources(threads, attempt)


def serial_stated(wildcards, threads, attempt):
    """Return the resources of the serial solution of a case, which makes one solve at a time."""
    needs = solve_needs[wildcards.key]
    return JobNeeds(needs, study.config.parareal.slices).resources(needs.cores, attempt)


def states_before(wildcards):
    """Return the file with the states that an iteration begins with."""
    number = int(wildcards.iteration)
    return [paths.iterate(wildcards.key, number - 1)] if number else []


def fine_solves(wildcards):
    """Return one file for each job of `solve_slices` of an iteration."""
    number = int(wildcards.iteration)
    found = blocks(study, number) if number else []
    return [paths.fine_solve(wildcards.key, number, block[-1]) for block in found]


def last_states(wildcards):
    """Return the file with the states that a case ends with."""
    last, _ = steps_of("update_states", CaseLoop(study, wildcards.key))[-1]
    return paths.iterate(last.key, last.number)
