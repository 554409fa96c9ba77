"""What samples need of a machine: stated, by case, and as the needs of a job."""

import pytest
from good_study import loaded
from small_studies import evaluate, labels, load, logged, python, shell, started, study_tree

from ensnare.errors import ConfigError
from ensnare.evaluate.forecast import count_samples
from ensnare.plan.batches import batch_resources, case_table, plan_batches, size_for
from ensnare.plan.needs import JobNeeds, stated_names
from ensnare.store.paths import StudyPaths
from ensnare.study.resources import Resources

H = 3600.0
MESHES = {"mesh": ["coarse", "middle", "fine"], "n": [1, 2]}
SOBOL = {"method": "sobol"}
FINE = {"when": {"mesh": "fine"}, "resources": {"runtime": "6 h", "memory": "16 GB"}}


def tree_of(overrides=(), **rest):
    model = shell("echo y = ${x}; : ${mesh} ${n}")
    return study_tree(model, sweep=MESHES, overrides=list(overrides), **rest)


def plan(tmp_path, *overrides, **rest):
    return plan_batches(load(tree_of(overrides, **rest), tmp_path))


def test_resources_are_read_with_their_units_and_written_back(tmp_path):
    text = "resources: {ranks: 2, threads: 3, memory: 4 GB, runtime: 2 h, nodes: 1, gpus: 1}"
    study = loaded(tmp_path, ("timeout: 30 s", text)).config
    found = study.resources
    assert (found.memory, found.runtime, found.nodes, found.gpus) == (4 * 10**9, 2 * H, 1, 1)
    assert (found.cores, found.exclusive) == (6, False)
    assert type(study).model_validate(study.model_dump(mode="json", by_alias=True)) == study


def test_overrides_change_what_they_name_and_later_ones_win(tmp_path):
    more = {"when": {"mesh": "fine", "n": 2}, "resources": {"memory": "32 GB", "threads": 4}}
    tree = tree_of([FINE, more], resources={"runtime": "1 h", "gpus": 1})
    study = load(tree, tmp_path).config
    study = type(study).model_validate(study.model_dump(mode="json", by_alias=True))
    common = study.resources_of({"mesh": "coarse", "n": 2})
    assert common == study.resources
    fine = study.resources_of({"mesh": "fine", "n": 1})
    assert (fine.runtime, fine.memory, fine.threads, fine.gpus) == (6 * H, 16 * 10**9, 1, 1)
    finest = study.resources_of({"mesh": "fine", "n": 2})
    assert (finest.runtime, finest.memory, finest.threads) == (6 * H, 32 * 10**9, 4)


@pytest.mark.parametrize("size", [5, 2000])
@pytest.mark.parametrize("batch", ["auto", 3, 7])
def test_a_batch_has_samples_of_one_kind(tmp_path, size, batch):
    study = load(tree_of([FINE], batch={"size": batch}) | {"design": SOBOL | {"size": size}}, "")
    batches = plan_batches(study)
    needs = batch_resources(study, batches)
    fine = [case["mesh"] == "fine" for case in case_table(study)]
    for b in batches:
        assert {fine[s.case] for s in b.segments} == {needs[b.key].memory is not None}
    assert sum(map(len, batches)) == 6 * size


def test_a_class_of_its_own_leaves_the_other_whole_batches_as_they_were(tmp_path):
    rest = {"design": SOBOL | {"size": 512}, "batch": {"size": 512}}
    one = load(tree_of() | rest, tmp_path)
    two = load(tree_of([{"when": {"n": 1}, "resources": {"memory": "1 GB"}}]) | rest, tmp_path)
    assert {b.key for b in plan_batches(one)} == {b.key for b in plan_batches(two)}


def test_what_all_samples_need_decides_no_name_of_a_batch(tmp_path):
    needs = [{}, {"memory": "1 GB"}, {"threads": 4, "gpus": 1}, {"nodes": 2, "exclusive": True}]
    keys = {tuple(b.key for b in plan(tmp_path, resources=some)) for some in needs}
    assert len(keys) == 1


def test_an_override_runs_nothing_again(tmp_path):
    log = tmp_path / "log"
    tree = study_tree(logged(log, ": ${mesh} ${n};"), size=4, sweep=MESHES)
    evaluate(tree, tmp_path)
    tree["overrides"] = [FINE]
    study = load(tree, tmp_path)
    paths = StudyPaths(tmp_path / "results" / "small")
    assert count_samples(study, plan_batches(study), paths).run == 0
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 24
    assert len(started(log)) == 24


def test_threads_are_those_of_the_case(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    wide = {"when": {"mesh": "fine"}, "resources": {"threads": 3}}
    outputs = [{"name": name, "regex": rf"{name} = (\S+)"} for name in "yo"]
    model = shell("echo y = ${threads}; echo o = $OMP_NUM_THREADS; : ${mesh} ${n} ${x}", *outputs)
    model["environment"] = {"set": {"WIDTH": "${threads}"}}
    _, arrays = evaluate(study_tree(model, size=1, sweep=MESHES, overrides=[wide]), tmp_path)
    expected = [3.0 if mesh == "fine" else 1.0 for mesh in arrays.levels("mesh")]
    assert arrays.y[:, 0].tolist() == expected
    assert arrays.y[:, 1].tolist() == expected


# --- how large batches are ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("runtime_s", "cores", "size"),
    [
        (6 * H, 1, 1),
        (H, 4, 1),
        (1200, 4, 1),
        (600, 1, 8),
        (600, 4, 2),
        (60, 64, 16),
        (60, 1, 64),
        (66, 1, 64),
        (1e-3, 1, 65536),
    ],
)
def test_a_job_takes_about_twenty_minutes_on_four_cores(runtime_s, cores, size):
    assert size_for(runtime_s, cores) == size


def test_samples_of_hours_are_one_batch_each_and_others_share_one(tmp_path):
    batches = plan(tmp_path, FINE, resources={"runtime": "10 s"})
    assert sorted(map(len, batches)) == [1] * 16 + [32]


def test_a_size_that_is_given_holds(tmp_path):
    batches = plan(tmp_path, resources={"runtime": "6 h"}, batch={"size": 8})
    assert [len(b) for b in batches] == [8] * 6


def test_runtimes_that_are_close_make_the_same_batches(tmp_path):
    a, b = (plan(tmp_path, resources={"runtime": time}) for time in ("60 s", "70 s"))
    assert a == b


# --- what a job needs ---------------------------------------------------------------------


def test_a_job_has_what_its_samples_need_side_by_side():
    sample = Resources(threads=4, memory="4 GB", runtime="10 min", gpus=1)
    job = JobNeeds(sample, 64)
    assert job.side_by_side(16) == 4
    assert job.resources(16, 1) == {"mem_mb": 16300, "runtime": 165, "gpu": 4}


def test_a_job_of_one_sample_takes_the_cores_of_one():
    sample = Resources(threads=2, memory="4 GB", runtime="6 h")
    assert JobNeeds(sample, 1).threads(16) == 2
    found = JobNeeds(sample, 1).resources(16, 1)
    assert found == {"mem_mb": 4300, "runtime": 365, "cpus_per_task": 2}


def test_a_sample_that_is_wider_than_the_job_of_the_profile_gets_its_cores():
    assert JobNeeds(Resources(threads=16), 8).resources(4, 1) == {"cpus_per_task": 16}


def test_ranks_are_tasks():
    sample = Resources(ranks=64, threads=2, nodes=2, exclusive=True)
    assert JobNeeds(sample, 8).resources(4, 1) == {
        "mpi": "srun",
        "tasks": 64,
        "cpus_per_task": 2,
        "nodes": 2,
        "slurm_extra": "--exclusive",
    }


def test_ranks_with_gpus_are_not_multiplied_by_them():
    # the plugin asks for so many tasks for each GPU unless it is told a number
    found = JobNeeds(Resources(ranks=2, gpus=1), 8).resources(8, 1)
    assert (found["tasks"], found["gpu"], found["tasks_per_gpu"]) == (8, 4, 0)


def test_one_rank_is_an_mpi_job_too_and_no_ranks_are_none():
    # the plugin refuses an MPI job of one task
    assert JobNeeds(Resources(ranks=1), 1).resources(4, 1) == {
        "mpi": "srun",
        "tasks": 2,
        "cpus_per_task": 1,
    }
    assert "mpi" not in JobNeeds(Resources(threads=2), 1).resources(4, 1)


def test_a_job_grows_in_memory_and_time_and_in_nothing_else():
    sample = Resources(threads=4, memory="4 GB", runtime="10 min", gpus=1, nodes=1)
    one, three = (JobNeeds(sample, 4).resources(16, growth) for growth in (1, 3))
    assert {name: three[name] / one[name] for name in one} == {
        "mem_mb": 3, "runtime": 3, "nodes": 1, "gpu": 1,
    }  # fmt: skip


def test_what_the_study_does_not_state_is_left_to_the_profile(tmp_path):
    assert JobNeeds(Resources(), 512).resources(16, 2) == {}
    assert stated_names(load(tree_of(), tmp_path)) == ["cpus_per_task"]
    assert stated_names(load(tree_of([FINE]), tmp_path)) == ["mem_mb", "runtime", "cpus_per_task"]


@pytest.mark.slow
def test_a_python_function_has_needs_too(tmp_path):
    (tmp_path / "model.py").write_text("def f(x, mesh, n): return x\n")
    tree = tree_of([FINE]) | {"model": python("model.py:f")}
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 48


BAD = {
    "{when: {mash: fine}, resources: {memory: 1 GB}}": "overrides[0].when: 'mash' is not a factor "
    "of the sweep; did you mean 'mesh'?",
    "{when: {mesh: fin}, resources: {memory: 1 GB}}": "overrides[0].when.mesh: no level 'fin'; "
    "did you mean 'fine'?",
    "{when: {}, resources: {memory: 1 GB}}": "overrides[0].when: found no factor; expected some, "
    "such as {mesh: fine}",
    "{when: {mesh: fine}, resources: {}}": "overrides[0].resources: found nothing; expected some, "
    "such as {runtime: 6 h}",
    "{when: {mesh: fine}, resources: {memory: lots}}": "overrides[0].resources.memory: got 'lots'; "
    "expected a size such as 500 MB, 1 GB",
    "{when: {mesh: fine}, resources: {gpus: -1}}": "overrides[0].resources.gpus: got -1; expected "
    "0 or more",
}


@pytest.mark.parametrize("text", BAD)
def test_an_override_that_is_about_nothing_is_one_line(tmp_path, text):
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, ("timeout: 30 s", f"overrides: [{text}]"))
    assert str(error.value).endswith(BAD[text])
