"""SIGKILL at any process of a running study: the next run loses nothing and repeats nothing."""

import random
import time
from collections import Counter

import pytest
from killing import WORKERS, Round, assert_archive_is_right, kill, wait_until

N = 40
ARCHIVE = "results/killed/archive.h5"
PARTS = 10  # of the run: each kind of kill comes once in each
START_UP_S = 2.0


def one_of(find):
    """Return a function that kills one of the processes that `find` finds, if there are any."""

    def kill_one(study, snakemake, chance):
        found = wait_until(lambda: find(study) or snakemake.poll() is not None, "a victim")
        if found is not True:  # or all samples had ended
            kill(chance.choice(found))

    return kill_one


KILLS = {
    "a worker": one_of(lambda study: study.job_processes()[1]),
    "the code": one_of(Round.codes),
    "the batch job": one_of(lambda study: study.job_processes()[0]),
    "Snakemake": lambda study, snakemake, chance: snakemake.kill(),
    "everything": lambda study, snakemake, chance: study.kill_everything(),
}
ROUNDS = [
    # two of each kind, spread over the run, whenever tests are run
    pytest.param(name, part, marks=[] if part % 5 == k else pytest.mark.full)
    for k, name in enumerate(KILLS)
    for part in range(PARTS)
]


def wait_for_moment(study, snakemake, part, chance):
    """Wait for a moment in one of the parts of a run, from its very start to its end."""
    share = (part + chance.random()) / PARTS
    lines = int(2 * N * share)
    wait_until(lambda: len(study.lines()) >= lines or snakemake.poll() is not None, "the moment")
    time.sleep(chance.uniform(0, 0.05 if lines else START_UP_S))


@pytest.mark.parametrize(("name", "part"), ROUNDS)
def test_after_a_kill_the_next_run_completes_the_study(tmp_path, name, part):
    study = Round(tmp_path, "sobol", N, targets=(ARCHIVE,))
    chance = random.Random(f"{name} {part}")
    with (tmp_path / "first").open("w") as output:
        first = study.snakemake(output)
        wait_for_moment(study, first, part, chance)
        recorded = study.recorded() | study.done_by(study.lines())
        KILLS[name](study, first, chance)
        first.wait()
    goes_on = name in ("a worker", "the code")
    assert first.returncode == 0 or not goes_on, (tmp_path / "first").read_text()

    code, said = study.run()
    assert code == 0, said
    assert study.processes() == {}
    assert_archive_is_right(study.root / ARCHIVE, N)
    starts = Counter(sample for kind, sample, _ in study.lines() if kind == "start")
    assert len(starts) == N
    again = {sample for sample, count in starts.items() if count > 1}
    assert len(again) <= (0 if name == "Snakemake" else WORKERS)
    assert max(starts.values()) <= 2
    assert not again & recorded

    lines = study.lines()
    code, said = study.run()
    assert (code, study.lines()) == (0, lines)
    assert "Nothing to be done" in said
    assert not list(study.results.glob("batches/*.owner*"))
    assert not list(study.results.rglob("*.part"))
