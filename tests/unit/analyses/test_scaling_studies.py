"""Scaling studies: what the study file may say, its points, runs, tables and figures."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_studies import evaluate, load, prepare

from ensnare.analyses.tables import ANALYSES, write_table
from ensnare.archive.archive import write_archive
from ensnare.archive.gather import gather
from ensnare.archive.results import open_study
from ensnare.errors import ConfigError
from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.concurrency import siblings_of, spread
from ensnare.evaluate.forecast import known_batches
from ensnare.evaluate.jobs import about_job, append_line
from ensnare.model.checks import check_study
from ensnare.plan.batches import batch_resources, plan_batches
from ensnare.plan.needs import (
    Capacity,
    JobNeeds,
    lack_notes,
    local_capacity,
    measuring_order,
    not_attempted,
    read_sinfo,
    stated_names,
)
from ensnare.report.draw import draw_figures
from ensnare.report.names import figure_names
from ensnare.report.scaling_section import scaling_section
from ensnare.store.journal import read_journal
from ensnare.store.paths import StudyPaths
from ensnare.study.analyses import SCALING_TABLES
from ensnare.study.loading import parse_study, read_resolved
from ensnare.study.yaml12 import read_yaml

STUDIES = Path(__file__).parents[3] / "config/studies"
PRINT = {"command": ["echo", "y", "=", "1"], "outputs": [{"name": "y", "regex": r"y = (\S+)"}]}


def tree(scaling, model=PRINT, **rest):
    return {"study": "scaled", "scaling": scaling, "model": model, **rest}


def shell(script):
    return {"command": ["sh", "-c", script], "outputs": PRINT["outputs"], "serial": "all"}


def results_of(study, directory):
    loaded, paths, _ = prepare(study, directory)
    _, arrays = evaluate(study, directory)
    write_archive(paths.archive, loaded, arrays)
    return open_study(paths.archive)


def scaling_tables(results, lacks):
    return {name: ANALYSES[name](results, lacks=lacks) for name in SCALING_TABLES}


def wrong(**changes):
    with pytest.raises(ConfigError) as caught:
        parse_study(tree(**changes), source="study.yaml")
    return str(caught.value)


def test_counts_and_repeats_are_crossed_with_the_sweep():
    study = parse_study(tree({"threads": [1, 4], "repeats": 2}, sweep={"mesh": ["a", "b"]}))
    assert len(study.cases()) == 8
    assert study.cases()[-1] == {"mesh": "b", "threads": 4, "repeat": 2}
    assert study.resources_of(study.cases()[-1]).threads == 4
    assert list(study.factors) == ["mesh", "threads", "repeat"]


def test_the_resolved_study_reads_back_the_same(tmp_path):
    for scaling in ({"ranks": [1, 2]}, {"nodes": [1, 2], "ranks_per_node": 4}, {"threads": [3]},
                    {"threads": "igeom(1, 4, 3)", "mode": "throughput"}):  # fmt: skip
        study, paths, batches = prepare(tree(scaling), tmp_path)
        again = read_resolved(paths.study)
        assert again.config == study.config
        assert [b.key for b in plan_batches(again)] == [b.key for b in batches]


def test_every_run_is_a_batch_and_new_counts_or_repeats_rename_none(tmp_path):
    before = {b.key for b in plan_batches(load(tree({"ranks": [2, 1], "repeats": 2}), tmp_path))}
    more = plan_batches(load(tree({"ranks": [1, 2, 4], "repeats": 3}), tmp_path))
    assert len(before) == 4
    assert len(more) == 9
    assert before < {b.key for b in more}
    assert {len(b) for b in more} == {1}


def test_nodes_have_so_many_ranks_each():
    study = parse_study(tree({"nodes": [1, 3], "ranks_per_node": 8}, resources={"threads": 2}))
    needs = study.resources_of({"nodes": 3, "repeat": 1})
    assert (needs.nodes, needs.ranks, needs.cores) == (3, 24, 48)


def test_copies_run_together_in_one_batch(tmp_path):
    study = load(tree({"threads": [1, 3], "repeats": 2, "mode": "throughput"}), tmp_path)
    batches = plan_batches(study)
    assert sorted(map(len, batches)) == [1, 1, 3, 3]
    needs = batch_resources(study, batches)
    assert {n.threads for n in needs.values()} == {1}
    job = JobNeeds(needs[batches[-1].key], 3, together=True)
    # a profile that gives 1 core does not cut them apart
    assert (job.side_by_side(1), job.resources(1, 1)) == (3, {"cpus_per_task": 3})


def test_a_job_on_slurm_gets_exactly_its_cores(tmp_path):
    study = load(tree({"ranks": [4], "repeats": 1}, resources={"threads": 2}), tmp_path)
    (batch,) = plan_batches(study)
    job = JobNeeds(batch_resources(study, [batch])[batch.key], 1, together=True)
    assert job.resources(1, 1) == {"mpi": "srun", "tasks": 4, "cpus_per_task": 2}
    assert {"mpi", "tasks"} <= set(stated_names(study))


@pytest.mark.parametrize(
    ("nodes", "each", "tasks", "per_node"), [(2, 3, 6, 3), (1, 1, 2, 2), (3, 1, 3, 1)]
)
def test_ranks_of_a_point_are_spread_over_its_nodes(tmp_path, nodes, each, tasks, per_node):
    scaling = {"nodes": [nodes], "ranks_per_node": each, "repeats": 1}
    study = load(tree(scaling, resources={"exclusive": True}), tmp_path)
    (batch,) = plan_batches(study)
    job = JobNeeds(batch_resources(study, [batch])[batch.key], 1, together=True)
    found = job.resources(1, 1)
    assert (found["nodes"], found["tasks"]) == (nodes, tasks)
    assert found["slurm_extra"] == f"--exclusive --ntasks-per-node={per_node}"
    assert "slurm_extra" in stated_names(study)


UNCERTAIN = [{"name": "x", "distribution": {"Uniform": {"a": 0, "b": 1}}}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scaling": {"ranks": [1], "threads": [1]}}, "found ranks and threads of"),
        ({"scaling": {"repeats": 2}}, "found none of ranks, threads and nodes; expected one"),
        ({"scaling": {"ranks": [1, 2, 1]}}, "scaling.ranks: found 1 twice; keep one"),
        ({"scaling": {"ranks": [0]}}, "got 0; expected whole numbers above 0"),
        ({"scaling": {"ranks": 4}}, "got 4; expected a list such as [1, 2, 4, 8]"),
        ({"scaling": {"ranks": []}}, "got an empty list; expected a list such as [1, 2, 4, 8]"),
        ({"scaling": {"ranks": [1], "time": "wal"}}, "'wal' is neither wall nor an output; did"),
        ({"scaling": {"threads": [1], "repeat": 3}}, "did you mean 'repeats'?"),
        ({"scaling": {"nodes": [1], "mode": "throughput"}}, "expected ranks or threads"),
        ({"scaling": {"ranks": [1], "ranks_per_node": 2}}, "expected nodes too; found ranks"),
        (
            {"scaling": {"threads": [1]}, "resources": {"threads": 2}},
            "resources.threads: found 2, but `scaling` decides it; remove it",
        ),
        ({"scaling": {"ranks": [1]}, "sweep": {"repeat": [1]}}, "'repeat' is already used in"),
        ({"scaling": {"ranks": [1]}, "sweep": {"speedup": [1]}}, "'speedup' is taken by Ensnare"),
        ({"scaling": {"ranks": [1]}, "batch": {"size": 8}}, "batch.size: every run of a scaling"),
        (
            {"scaling": {"ranks": [1]}, "inputs": UNCERTAIN,
             "design": {"method": "sobol", "size": 2}},
            "scaling: the input 'x' is uncertain; expected constants",
        ),
        (
            {"scaling": {"threads": [2]},
             "overrides": [{"when": {"threads": 2}, "resources": {"threads": 3}}]},
            "overrides[0].resources.threads: `scaling` decides it; remove it",
        ),
        (
            {"scaling": {"threads": [2], "mode": "throughput"}, "on_failure": {"retries": 2}},
            "on_failure.retries: a copy would run again without the others",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(changes, said):
    message = wrong(**changes)
    assert said in message
    assert "\n" not in message


def test_a_problem_that_does_not_grow_is_no_weak_scaling(tmp_path):
    scaling = {"threads": [1], "mode": "weak"}
    with pytest.raises(ConfigError, match=r"mode weak, but nothing depends on \$\{threads\}"):
        check_study(load(tree(scaling), tmp_path))
    derived = {"n": "1000 * threads"}
    model = {**PRINT, "command": ["echo", "y = ${n}"]}
    check_study(load(tree(scaling, model, derived=derived), tmp_path))


SINFO = """\
debug|2|4|1
compute*|3|16+|1-2
compute*|1|64|1-infinite
"""


def test_sinfo_says_what_a_partition_has():
    whole = read_sinfo(SINFO)
    assert (whole.nodes, whole.most_nodes, whole.whose) == ((16, 16, 16, 64), 2, "the cluster")
    assert whole.largest == (64, 16)
    assert read_sinfo(SINFO, "debug") == Capacity((4, 4), 1, "partition debug")
    assert not read_sinfo("").nodes


def test_a_run_lacks_cores_of_all_or_of_one_node_or_nodes():
    def lack(copies=1, **scaling):
        study = parse_study(tree({**scaling, "repeats": 1}))
        return Capacity((4, 8), whose="the cluster").lack(
            study.resources_of(study.cases()[-1]), copies
        )

    assert lack(ranks=[12]) == ""
    assert lack(ranks=[13]) == "needs 13 cores; the cluster has 12"
    assert lack(threads=[8]) == ""
    assert lack(threads=[9]) == "needs 9 cores of one node; a node of the cluster has 8"
    assert lack(nodes=[2], ranks_per_node=6) == ""
    assert lack(nodes=[3]) == "needs 3 nodes; the cluster has 2"
    assert lack(threads=[13], mode="throughput", copies=13) == "needs 13 cores; the cluster has 12"
    assert Capacity().lack(parse_study(tree({"ranks": [9]})).resources_of({"ranks": 9})) == ""


def test_this_machine_has_no_more_cores_than_it_has(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert local_capacity(10**6).nodes == (len(os.sched_getaffinity(0)),)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert local_capacity(10**6).nodes == (10**6,)


def test_what_cannot_run_is_not_attempted_unless_it_is_to_share_cores_or_has_run(tmp_path):
    scaling = {"threads": [1, 2, 4], "repeats": 2}
    study = load(tree(scaling, sweep={"k": [1, 2]}), tmp_path)
    batches, paths = plan_batches(study), StudyPaths(tmp_path / "results")
    lacks = not_attempted(study, batches, paths, Capacity((2,)))
    assert lack_notes(study, batches, lacks) == [
        "not attempted: 4 threads: needs 4 cores; this run has 2 (4 runs)"
    ]
    paths.batches.mkdir(parents=True)
    paths.batch(next(iter(lacks))).touch()
    assert len(not_attempted(study, batches, paths, Capacity((2,)))) == 3
    shared = load(tree(scaling | {"oversubscribe": True}), tmp_path)
    assert not not_attempted(shared, plan_batches(shared), paths, Capacity((2,), shares=True))
    # SLURM would refuse the job
    assert not_attempted(shared, plan_batches(shared), paths, Capacity((2,)))


def test_what_ran_on_a_larger_machine_is_known_on_a_smaller_one_under_other_parsers(tmp_path):
    study = tree({"threads": [1, 2], "repeats": 1}, keep="all")
    evaluate(study, tmp_path)
    again = {**PRINT, "outputs": [*PRINT["outputs"], {"name": "z", "regex": "(1)"}]}
    loaded, paths, batches = prepare({**study, "model": again}, tmp_path)
    lacks = not_attempted(loaded, batches, paths, Capacity((1,)))
    assert list(lacks) == [batches[1].key]
    assert known_batches(loaded, batches, paths) == {b.key for b in batches}
    other = {**PRINT, "command": ["echo", "y = 2"]}
    loaded, paths, batches = prepare({**study, "model": other}, tmp_path)
    assert not known_batches(loaded, batches, paths)


def test_the_order_is_random_by_the_seed_and_stays_when_counts_are_added(tmp_path):
    def order(counts, seed=0):
        batches = plan_batches(load(tree({"ranks": counts}), tmp_path))
        found = measuring_order(batches, seed)
        return [b.key for b in batches], sorted(found, key=found.__getitem__)

    as_listed, few = order([1, 2, 4, 8])
    assert few not in (as_listed, as_listed[::-1])
    assert few == order([1, 2, 4, 8])[1]
    assert few != order([1, 2, 4, 8], seed=1)[1]
    assert [key for key in order([1, 2, 4, 8, 16])[1] if key in few] == few


def test_one_hardware_thread_of_each_core_is_taken_first(tmp_path):
    for core, text in ((0, "0-1"), (1, "0-1"), (2, "2,3"), (3, "2,3")):
        (tmp_path / f"cpu{core}/topology").mkdir(parents=True)
        (tmp_path / f"cpu{core}/topology/thread_siblings_list").write_text(f"{text}\n")
    found = siblings_of(range(5), tmp_path)  # of cpu4 nothing is known
    assert found == {0: 0, 1: 1, 2: 0, 3: 1}
    assert spread({3, 1, 2, 0}, found) == [0, 2, 1, 3]


def test_a_run_has_as_many_cores_as_it_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    model = shell("echo y = $(nproc)")
    results = results_of(tree({"threads": [1], "repeats": 2}, model | {"serial": []}), tmp_path)
    np.testing.assert_array_equal(results.outputs["y"], 1)


HOLD = """
import sys
from ensnare.store.locks import timing_lock
with timing_lock(print):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_two_studies_at_a_time_are_timed_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = tmp_path / "log"
    model = shell(f"echo runs >> {log}; echo y = 1") | {"serial": []}
    loaded, paths, (batch,) = prepare(tree({"threads": [1], "repeats": 1}, model), tmp_path)
    waited = []

    def say(line):
        if "something else is timed on this machine" in line:
            assert not log.exists()
            waited.append(line)
            other.stdin.close()  # it ends, and gives way

    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment, **pipes) as other:
        assert other.stdout.readline() == "holds\n"
        evaluate_batch(loaded, batch, paths, 1, say)
    assert len(waited) == 1
    assert log.read_text() == "runs\n"


FAILS = "test ${ranks} -lt 4 || { echo cannot start >&2; exit 3; }; echo y = $(( 12 / ${ranks} ))"


def test_points_have_speed_ups_of_an_output_and_failed_ones_a_reason(tmp_path):
    scaling = {"ranks": [1, 2, 3, 4], "repeats": 2, "time": "y", "oversubscribe": True}
    tables = scaling_tables(results_of(tree(scaling, shell(FAILS)), tmp_path), {})
    points = tables["scaling_points"].set_index("ranks")
    np.testing.assert_allclose(points["speedup"], [1, 2, 3, math.nan])
    np.testing.assert_allclose(points["efficiency"], [1, 1, 1, math.nan])
    assert points["n_failed"].tolist() == [0, 0, 0, 2]
    assert points["reason"][4] == "failed: step 1 ended with exit code 3: cannot start"
    assert set(points["reference"]) == {1}
    assert points["level"].tolist() == [0.5, 0.5, 0.5, 0]
    runs = tables["scaling"]
    assert runs["status"].tolist() == ["ok"] * 6 + ["failed"] * 2
    assert runs.loc[runs["status"] == "failed", "time_s"].isna().all()
    assert runs["cores"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    fits = tables["scaling_fits"].set_index(["fit", "parameter"])["value"]
    assert fits["amdahl", "serial_fraction"] == pytest.approx(0, abs=1e-9)
    assert fits["universal", "best_count"] == math.inf


def test_the_best_count_has_its_time_and_its_cost(tmp_path):
    # t = 3600 (1 + 0.25 p (p - 1)) / p: the shortest time at 2 ranks of 2 threads
    script = "echo y = $(echo 'p = ${ranks}; 3600 * (1 + 0.25 * p * (p - 1)) / p' | bc -l)"
    scaling = {"ranks": [1, 2, 3, 4], "repeats": 1, "time": "y", "oversubscribe": True}
    study = tree(scaling, shell(script), resources={"threads": 2})
    tables = scaling_tables(results_of(study, tmp_path), {})
    found = tables["scaling_fits"].query("fit == 'universal'").set_index("parameter")["value"]
    assert found["best_count"] == pytest.approx(2)
    assert found["best_time_s"] == pytest.approx(2700)
    assert found["best_cost_core_h"] == pytest.approx(2700 * 2 * 2 / 3600)


def test_a_time_that_is_not_above_zero_is_a_hole(tmp_path):
    scaling = {"ranks": [1, 2], "repeats": 1, "time": "y", "oversubscribe": True}
    study = tree(scaling, shell("echo y = $(( ${ranks} - 1 ))"))
    points = scaling_tables(results_of(study, tmp_path), {})["scaling_points"]
    assert points["reason"].tolist() == ["y is 0 s; expected more than 0", ""]
    assert points["reference"].tolist() == [2, 2]


def test_a_level_whose_program_is_not_there_is_a_hole_of_its_curve(tmp_path):
    model = {**PRINT, "command": ["${program}", "y = 1"]}
    study = tree({"threads": [1], "repeats": 1}, model, sweep={"program": ["echo", "echo9.9"]})
    check_study(load(study, tmp_path))
    tables = scaling_tables(results_of(study, tmp_path), {})
    assert tables["scaling"]["status"].tolist() == ["ok", "failed"]
    assert "echo9.9" in tables["scaling"]["reason"][1]


def test_a_module_that_is_not_there_is_a_hole_of_its_curve(tmp_path):
    environment = {"source": "${version}.sh"}
    (tmp_path / "old.sh").write_text("export SAYS=1\n")
    model = {"command": ["sh", "-c", "echo y = $SAYS"], "outputs": PRINT["outputs"]}
    study = tree(
        {"threads": [1], "repeats": 1},
        model | {"environment": environment},
        sweep={"version": ["old", "new"]},
    )
    check_study(load(study, tmp_path))
    tables = scaling_tables(results_of(study, tmp_path), {})
    assert tables["scaling"]["status"].tolist() == ["ok", "error"]
    assert "no file" in tables["scaling"]["reason"][1]
    assert "Traceback" not in tables["scaling"]["reason"][1]
    (tmp_path / "old.sh").unlink()
    with pytest.raises(ConfigError, match="no file"):
        check_study(load(study, tmp_path))


def test_copies_are_timed_together_and_by_their_number(tmp_path):
    scaling = {"threads": [1, 2], "repeats": 1, "mode": "throughput", "time": "y"}
    model = shell("echo y = $(( 10 * ${copy} ))") | {"serial": []}
    tables = scaling_tables(results_of(tree(scaling, model), tmp_path), {})
    assert tables["scaling"]["time_s"].tolist() == [10, 10]  # the last of two, by two
    assert tables["scaling_points"]["cores"].tolist() == [1, 2]
    assert tables["scaling_points"]["speedup"].tolist() == [1, 1]


def test_all_copies_run_again_when_some_of_them_did_not_end(tmp_path):
    log = tmp_path / "log"
    scaling = {"threads": [3], "repeats": 1, "mode": "throughput"}
    model = shell(f"echo ${{copy}} >> {log}; echo y = 1") | {"serial": []}
    evaluate(tree(scaling, model), tmp_path)
    _, paths, (batch,) = prepare(tree(scaling, model), tmp_path)
    paths.batch(batch.key).unlink()
    journal = paths.journal(batch.key)
    while len(read_journal(journal, 1).rows) > 2:  # the last one did not come so far
        journal.write_bytes(journal.read_bytes()[:-10])
    evaluate(tree(scaling, model), tmp_path)
    assert sorted(log.read_text().split()) == sorted("123123")
    assert len(read_journal(journal, 1).rows) == 3


def test_a_run_whose_jobs_die_again_and_again_is_a_hole_and_ends_nothing(tmp_path):
    study = tree({"threads": [1], "repeats": 1})
    loaded, paths, (batch,) = prepare(study, tmp_path)
    for attempt in (1, 2, 3):
        append_line(paths.jobs(batch.key), about_job(1, 0.0) | {
            "attempt": attempt, "recorded": 0, "goes_on": False
        })  # fmt: skip
    evaluate_batch(loaded, batch, paths, 1, lambda line: None, attempt=4)
    arrays = gather(loaded, [batch], paths)
    write_archive(paths.archive, loaded, arrays)
    runs = scaling_tables(open_study(paths.archive), {})["scaling"]
    assert runs["status"].tolist() == ["killed"]
    assert runs["reason"][0].startswith("killed: its jobs died one after the other")
    assert runs["time_s"].isna().all()


def test_what_was_not_attempted_says_why_and_what_was_measured_stands_beside_its_run(tmp_path):
    scaling = {"threads": [1, 2], "repeats": 1}
    results = results_of(tree(scaling), tmp_path)
    _, origins = results.of_runs()
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
    for key, row in zip(
        origins, ("9.0\t0:00:09\t50.5\t1\t1\t1\t0\t2\t80\t7.5", "NA\t-" + "\tNA" * 8), strict=True
    ):
        path = results.paths.benchmark(key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{header}\n{row}\n")
    results.status[1] = 9  # not_run
    runs = scaling_tables(results, {1: "needs 2 cores; this run has 1"})["scaling"]
    assert runs[["max_rss_mb", "cpu_time_s", "io_out_mb"]].iloc[0].tolist() == [50.5, 7.5, 2]
    assert runs["reason"][1] == "not attempted: needs 2 cores; this run has 1"
    assert math.isnan(runs["max_rss_mb"][1])
    # a job that was shorter than the run only took its results over
    path = results.paths.benchmark(origins[0])
    path.write_text(path.read_text().replace("9.0\t", "0.0\t"))
    assert scaling_tables(results, {})["scaling"]["max_rss_mb"].isna().all()


def test_what_slurm_accounted_stands_beside_the_wall_time(tmp_path):
    results = results_of(tree({"threads": [1, 2], "repeats": 1}), tmp_path)
    _, (first, second) = results.of_runs()
    header = "batch,number,job,cores,elapsed_s,cpu_efficiency,max_rss_mb,ended,accounting"
    lines = [
        f"{first},1,70,1,9.000,0.500,11.000,died,sacct",
        f"{first},2,71,2,5.000,0.500,12.500,done,sacct",
        f"{second},1,,2,5.000,0.500,12.500,done,",
    ]
    results.paths.table("jobs").write_text("\n".join([header, *lines]))
    runs = scaling_tables(results, {})["scaling"]
    columns = ["slurm_job", "slurm_elapsed_s", "slurm_cpu_s", "slurm_max_rss_mb"]
    assert runs.loc[0, columns].tolist() == [71, 5, 5, 12.5]
    assert runs.loc[1, columns].isna().all()


def test_every_curve_has_a_reference_of_its_own(tmp_path):
    script = "test ${k} = a -o ${ranks} -gt 1 || exit 1; echo y = $(( 8 / ${ranks} ))"
    scaling = {"ranks": [1, 2, 4], "repeats": 1, "time": "y", "oversubscribe": True}
    study = tree(scaling, shell(script), sweep={"k": ["a", "b"]})
    points = scaling_tables(results_of(study, tmp_path), {})["scaling_points"]
    assert points["reference"].tolist() == [1] * 3 + [2] * 3
    np.testing.assert_allclose(points["speedup"], [1, 2, 4, math.nan, 1, 2])
    assert list(points.columns[:2]) == ["k", "ranks"]
    assert isinstance(points, pd.DataFrame)


@pytest.mark.slow
def test_the_published_study_has_the_speed_ups_of_its_times_and_a_hole(tmp_path):
    study = read_yaml(STUDIES / "published-scaling.yaml")
    study["model"]["files"][0]["copy"] = str(STUDIES / "../data/sampler-times.csv")
    results = results_of(study, tmp_path)
    tables = scaling_tables(results, {})
    points = tables["scaling_points"].set_index("ranks")
    np.testing.assert_allclose(points["speedup"], [1, 1.98, 3.64, 7.21, 13.8, math.nan], rtol=0.003)
    assert points.loc[36, "reason"] == "failed: step 1 ended with exit code 1: failed to start"
    assert points["n_failed"].tolist() == [0] * 5 + [1]
    files = {name: results.paths.table(name) for name in tables}
    for name, table in tables.items():
        write_table(table, files[name])
    draw_figures(results, files)
    for name in figure_names(results.study):
        assert (results.paths.figures / f"{name}.png").stat().st_size > 500
    section = scaling_section(results.study, tables)
    page = " ".join(" ".join(map(scaling_text, section)).split())
    assert "Reference of speed-up and efficiency: ranks = 1, the smallest that succeeded" in page
    assert "failed to start" in page
    assert "∞" in page  # the count of the shortest time, which these runs do not show


def scaling_text(table):
    return f"{table.note} {table.frame.to_string()}"
