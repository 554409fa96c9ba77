"""What goes wrong on a cluster: the study completes, and no sample is lost or finishes twice."""

import getpass
import signal

import pytest
from cluster_helpers import running_cluster
from held_study import ARCHIVE, WORKERS, HeldStudy, N
from killing import assert_archive_is_right, kill, wait_until


@pytest.fixture
def held(slurm, tmp_path):
    """Return a study whose samples are held, on a cluster."""
    study = HeldStudy(tmp_path, slurm)
    yield study
    study.end_everything()


def test_after_a_kill_of_snakemake_running_jobs_go_on_and_are_not_doubled(held):
    first = held.begin()
    held.wait_until_held()
    first.kill()
    first.wait()
    held.begin()
    waiting = "another job evaluates this batch; waiting"
    wait_until(lambda: held.log_of("evaluate").count(waiting) == 2, "jobs that wait", 120)
    held.release()
    assert held.end()[0] == 0, held.said()
    assert_nothing_lost_nothing_twice(held, held.counts("start"))
    assert len(held.jobs()) == 2


def test_a_job_that_waits_since_before_a_kill_of_snakemake_runs_nothing_again(held):
    slurm, nodes = held.cluster, ",".join(held.cluster.node_names())
    drain = ["scontrol", "update", f"nodename={nodes}"]
    slurm.client(*drain, "state=drain", "reason=test")
    first = held.begin()
    wait_until(lambda: len(pending(slurm)) == 2, "jobs in the queue", 60)
    first.kill()
    first.wait()
    old = pending(slurm)
    slurm.client("scontrol", "hold", ",".join(old))
    slurm.client(*drain, "state=resume")
    held.release()
    held.begin()
    assert held.end()[0] == 0, held.said()
    slurm.client("scontrol", "release", ",".join(old))
    wait_until(lambda: not slurm.client("squeue", "-h").strip(), "the end of the old jobs", 120)
    assert_nothing_lost_nothing_twice(held, held.counts("start"))
    held.begin()
    complete(held, held.counts("start"))


def pending(cluster):
    return cluster.client("squeue", "-h", "-t", "pending", "-o", "%i").split()


def test_a_cancelled_job_is_submitted_again(held):
    job, done = begin(held)
    held.cluster.client("scancel", job)
    wait_until_gone(held, job)
    complete(held, done)
    assert len(held.jobs()) == 3


def test_a_batch_goes_on_elsewhere_when_its_node_is_lost(held):
    job, done = begin(held)
    node = node_of(held, job)
    held.cluster.daemons.end(node, signal.SIGKILL)
    for pid in held.processes_on(node):
        kill(pid)
    complete(held, done)


@pytest.mark.full
def test_a_job_that_passes_its_walltime_is_continued(held):
    held.options = ["--default-resources", "runtime=1", "mem_mb=500"]
    job, done = begin(held)
    wait_until_gone(held, job)
    complete(held, done)


def test_a_requeued_job_goes_on(held):
    job, done = begin(held)
    held.cluster.client("scontrol", "requeue", job)
    wait_until_gone(held, job)
    complete(held, done)
    assert len(held.jobs()) == 2


def test_a_refused_job_is_one_line_and_runs_with_the_next_call(tmp_path):
    with running_cluster(extra="AccountingStorageEnforce=limits") as cluster:
        limit(cluster, "1")
        held = HeldStudy(tmp_path, cluster, "--retries", "2")
        first = held.begin()
        wait_until(lambda: "AssocMaxSubmitJobLimit" in held.said(), "a refusal", 120)
        held.wait_until_held(WORKERS // 2)
        assert first.poll() is None
        held.release()
        code, said = held.end()
        assert code != 0, said
        line = "study killed: 1 of 2 batches are not finished; submissions that SLURM refused: 3"
        assert f"{line} (AssocMaxSubmitJobLimit)" in said
        done = held.counts("finish")
        limit(cluster, "-1")
        held.begin()
        complete(held, done)
        held.end_everything()


def test_jobs_go_on_while_the_controller_is_gone(held):
    _, done = begin(held)
    held.cluster.lose_controller()
    held.release()
    wait_until(lambda: sum(held.counts("finish").values()) == N, "all samples", 120)
    held.cluster.start_daemon("slurmctld")
    complete(held, done)


def test_a_run_goes_on_when_accounting_stops(held):
    _, done = begin(held)
    held.cluster.daemons.end("accounting", signal.SIGKILL)
    held.cluster.daemons.end("recorder", signal.SIGKILL)
    complete(held, done)


@pytest.mark.full
def test_a_site_that_asks_accounting_waits_until_it_answers_again(held):
    held.options = ["--slurm-status-command", "sacct"]
    _, done = begin(held)
    held.cluster.daemons.end("accounting", signal.SIGKILL)
    asked = held.cluster.calls()["sacct"]
    wait_until(lambda: held.cluster.calls()["sacct"] > asked + 1, "questions", 120)
    held.cluster.start_daemon("accounting")
    complete(held, done)


def test_a_node_that_is_set_down_gives_its_batch_to_another(held):
    job, done = begin(held)
    held.cluster.client(
        "scontrol", "update", f"nodename={node_of(held, job)}", "state=down", "reason=test"
    )
    wait_until_gone(held, job)
    complete(held, done)


def begin(held):
    """Start a study; return one of its jobs and the samples that finished, all others held."""
    held.begin()
    held.wait_until_held()
    return held.jobs()[0], held.counts("finish")


def complete(held, done):
    """Let the samples go on; the study completes."""
    held.release()
    code, said = held.end()
    assert code == 0, said
    assert_nothing_lost_nothing_twice(held, done)


def limit(cluster, jobs):
    """Let the user have so many jobs in the queue; -1 for any number."""
    user = getpass.getuser()
    cluster.client("sacctmgr", "-i", "modify", "user", user, "set", f"MaxSubmitJobs={jobs}")


def node_of(held, job):
    return held.cluster.client("squeue", "-h", "-j", job, "-o", "%N").strip()


def wait_until_gone(held, job):
    """Wait until a job runs no sample any more."""
    wait_until(lambda: not held.runs_code(job), "the end of the job", 180)


def assert_nothing_lost_nothing_twice(study, finished_before):
    """Assert that every sample finished once; those that had finished did not start again."""
    starts, finishes = study.counts("start"), study.counts("finish")
    assert len(starts) == N
    assert finishes == dict.fromkeys(starts, 1)
    assert {starts[sample] for sample in finished_before} == {1}
    assert_archive_is_right(study.root / ARCHIVE, N)
