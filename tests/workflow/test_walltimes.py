"""Resources, walltimes and long runs, through Snakemake on this machine."""

import contextlib
import os
import re
import signal
from collections import Counter

import h5py
import numpy as np
import pytest
from killing import Round, wait_until
from ruamel.yaml import YAML
from workflow_helpers import announced, awk_study

from ensnare.evaluate.jobs import read_records

STATED = {"mem_mb", "runtime", "cpus_per_task", "slurm_extra"}
ARCHIVE = "results/killed/archive.h5"
# usage: code LOG SAMPLE X: counts to 9 in a restart file; waits to be ended after 3 and 6, once
LONG_CODE = """#!/bin/sh
n=0; [ -e restart ] && n=$(cat restart)
echo "leg $2 $n" >> "$1"
while [ $n -lt 9 ]; do
  n=$((n + 1)); echo $n > restart.new; mv restart.new restart
  if [ $((n % 3)) = 0 ] && [ $n -lt 9 ] && mkdir "$1.$2.$n" 2> /dev/null; then
    exec sleep 300
  fi
done
echo "y = $(echo "$3 * $n" | bc -l)"
"""
# kills the job: the parent of the worker that started it
DEADLY_CODE = """#!/bin/sh
echo "start $2" >> "$1"
kill -9 $(ps -o ppid= -p $PPID)
sleep 300
"""


def change(study, **model):
    """Change the model of a study of `killing`; return its whole file as a mapping."""
    path = study.root / "study.yaml"
    tree = YAML(typ="safe").load(path.read_text())
    tree["model"] |= model
    with path.open("w") as file:
        YAML(typ="safe").dump(tree, file)
    return tree


def long_runs(root, retries):
    """Return a study of samples that need three jobs."""
    study = Round(root, "sobol", 2, targets=("--retries", str(retries), ARCHIVE))
    (root / "code").write_text(LONG_CODE)
    tree = change(study)
    change(study, resume=[tree["model"]["command"]])
    return study


def assert_every_leg_went_on(study, legs):
    """Each sample was begun once, went on where it was, and its result is right."""
    found = [line.split()[1:] for line in study.log.read_text().splitlines()]
    with h5py.File(study.root / ARCHIVE, "r") as file:
        ids = [name.decode() for name in file["sample_id"][:]]
        np.testing.assert_allclose(file["outputs/y"][:], 9 * file["inputs/x"][:])
        attempts = file["attempts"][:].tolist()
    for sample, attempt in zip(ids, attempts, strict=True):
        starts = [int(n) for name, n in found if name == sample]
        assert starts[0] == 0
        assert {3, 6} <= set(starts)
        assert starts == sorted(starts)
        assert len(starts) == attempt
        assert legs is None or attempt == legs


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_code_that_needs_three_jobs_goes_on_after_each_that_is_killed(tmp_path, number):
    study = long_runs(tmp_path, retries=5)
    with (tmp_path / "said").open("w") as output:
        snakemake = study.snakemake(output)
        for n in (3, 6):
            wait_until(lambda n=n: len(list(tmp_path.glob(f"log.*.{n}"))) == 2, f"step {n}")
            jobs = wait_until(lambda: study.job_processes()[0], "the job")
            for pid in jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        assert snakemake.wait() == 0, (tmp_path / "said").read_text()
    assert_every_leg_went_on(study, legs=3)
    assert study.processes() == {}
    assert not (study.results / "under_way").exists()


def test_a_code_that_needs_three_jobs_goes_on_after_each_that_runs_out_of_time(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ENSNARE_UNTIL", "1")  # for every job: it ends what can go on, soon
    study = long_runs(tmp_path, retries=40)
    code, said = study.run()
    assert code == 0, said
    assert "2 samples that are under way go on in the next one" in said
    assert_every_leg_went_on(study, legs=None)  # a slow machine may take another one


def test_a_job_hands_back_what_it_has_no_time_for_and_the_retries_take_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ENSNARE_UNTIL", "1")
    study = Round(tmp_path, "sobol", 9, targets=("--retries", "12", ARCHIVE))
    code, said = study.run()
    assert code == 0, said
    counts = Counter(kind for kind, _, _ in study.lines())
    assert counts == {"start": 9, "finish": 9}
    assert re.search(r"ensnare: batch \w+: \d of 9 samples are handed back", said)
    (record,) = study.results.glob("batches/*.jobs")
    *before, last = read_records(record)
    assert {job.ended for job in before} == {"handed back"}
    assert last.ended == "done"


def test_jobs_that_die_without_a_sample_are_given_up_and_grow_before(tmp_path):
    study = Round(tmp_path, "sobol", 1, targets=("--retries", "6", ARCHIVE))
    (tmp_path / "code").write_text(DEADLY_CODE)
    tree = change(study)
    with (tmp_path / "study.yaml").open("w") as file:
        YAML(typ="safe").dump(tree | {"resources": {"memory": "700 MB", "runtime": "5 min"}}, file)
    code, said = study.run()
    assert code != 0
    assert len(study.lines()) == 3
    assert "3 jobs in a row ended without another sample on record" in said
    assert [int(n) for n in re.findall(r"mem_mb=(\d+)", said)][:3] == [1000, 2000, 3000]
    assert [int(n) for n in re.findall(r"runtime=(\d+)", said)][:3] == [10, 20, 30]


def test_the_next_call_begins_again_with_all_retries(tmp_path):
    study = Round(tmp_path, "sobol", 1, targets=("--retries", "6", ARCHIVE))
    good = (tmp_path / "code").read_text()
    (tmp_path / "code").write_text(DEADLY_CODE)
    assert study.run()[0] != 0
    (tmp_path / "code").write_text(good)
    code, said = study.run()
    assert code == 0, said


@pytest.mark.full
def test_changed_resources_run_nothing(snakemake):
    study = awk_study(20, sweep={"mesh": ["coarse", "fine"]})
    study["model"]["command"] = ["awk", "BEGIN {print 3 * ${a} + ${b}} # ${mesh}"]
    assert snakemake(study=study).code == 0
    study["resources"] = {"threads": 2, "memory": "1 GB", "gpus": 1}
    dry = snakemake("-n", study=study)
    assert announced(dry.text) == (0, 40)
    assert "evaluate" not in dry.job_counts()
    # cut by what samples need: other batches, which take over what is known
    study["overrides"] = [{"when": {"mesh": "fine"}, "resources": {"runtime": "6 h"}}]
    dry = snakemake("-n", study=study)
    assert announced(dry.text) == (0, 40)
    done = snakemake(study=study)
    assert done.code == 0, done.text
    assert done.job_counts()["evaluate"] == 21


def test_a_job_has_the_resources_of_its_samples_or_else_those_of_the_profile(snakemake):
    study = awk_study(2, sweep={"mesh": ["coarse", "fine"]})
    study["model"]["command"] = ["awk", "BEGIN {print 3 * ${a} + ${b}} # ${mesh}"]
    needs = {"runtime": "6 h", "memory": "16 GB", "threads": 4, "exclusive": True}
    study["overrides"] = [{"when": {"mesh": "fine"}, "resources": needs}]
    options = ["--set-threads", "evaluate=8", "--cores", "8"]
    options += ["--default-resources", "runtime=60", "mem_mb=2000 * attempt"]
    done = snakemake("-n", *options, study=study)
    assert done.code == 0, done.text
    jobs = re.findall(r"\nrule evaluate:\n.*?resources: (.*?)\n", done.text, re.DOTALL)
    found = sorted(
        [name for name in job.split(", ") if name.partition("=")[0] in STATED] for job in jobs
    )
    one = ["cpus_per_task=4", "mem_mb=16300", "runtime=365", "slurm_extra=--exclusive"]
    # two samples of one thread have no use for eight
    rest = ["cpus_per_task=2", "mem_mb=2000", "runtime=60"]
    assert sorted(map(sorted, found)) == sorted([rest, one, one])
