"""What the jobs of batches get from a real SLURM, and what they do when their time is up."""

from collections import Counter

import h5py
import pandas as pd
import pytest
from cluster_helpers import submitted
from workflow_helpers import awk_study

# usage: code LOG SAMPLE: a sample of some seconds, a start and a finish in the log
SHORT_CODE = """#!/bin/sh
echo "start $2" >> "$1"
sleep 5
echo "finish $2" >> "$1"
echo 1
"""
# usage: code LOG SAMPLE: counts to 3 in a restart file, and waits at 1 and 2 to be ended, once
LONG_CODE = """#!/bin/sh
n=0; [ -e restart ] && n=$(cat restart)
echo "leg $2 $n $SLURM_JOB_ID" >> "$1"
n=$((n + 1)); echo $n > restart
[ $n -lt 3 ] && exec sleep 1000
echo $n
"""


def coded(tmp_path, text, size, **rest):
    """Return a study of a code that writes a log outside its directory."""
    code = tmp_path / "code"
    code.write_text(text)
    code.chmod(0o755)
    command = [str(code), str(tmp_path / "log"), "${sample}", "${a}", "${b}"]
    study = awk_study(size, analyses=[], **rest)
    study["model"]["command"] = command
    return study


def test_jobs_get_what_their_samples_need_side_by_side(slurm, on_cluster, tmp_path):
    study = coded(tmp_path, "#!/bin/sh\necho 1 # $5\n", 4, sweep={"mesh": ["coarse", "fine"]})
    study["model"]["command"].append("${mesh}")
    study["resources"] = {"threads": 2, "memory": "100 MB"}
    fine = {"when": {"mesh": "fine"}, "resources": {"runtime": "25 min", "memory": "200 MB"}}
    study["overrides"] = [fine]
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    # four coarse samples, two at a time, with the time of the profile; a fine one for each job
    assert submitted(done.text) == 5
    asked = slurm.client("sacct", "-X", "-n", "-P", "-o", "reqcpus,reqmem,timelimitraw")
    jobs = Counter(asked.split()[-5:])
    assert jobs == {"4|500M|60": 1, "2|500M|30": 4}


def test_a_sample_that_is_killed_gets_a_job_with_more_memory(slurm, on_cluster, tmp_path):
    # 100 MB for a sample, with 300 for us
    code = "#!/bin/sh\necho $2 >> $1; [ $(grep -c $2 $1) -lt 2 ] && kill -9 $$; echo 1\n"
    study = coded(tmp_path, code, 3, resources={"memory": "100 MB"})
    done = on_cluster(slurm, "--set-threads", "evaluate=1", study=study)
    assert done.code == 0, done.text
    assert submitted(done.text) == 2
    assert {*Counter((tmp_path / "log").read_text().split()).values()} == {2}
    jobs = pd.read_csv(tmp_path / "results/small/jobs.csv")
    assert jobs["ended"].tolist() == ["short of memory", "done"]
    assert jobs["asked_mb"].tolist() == pytest.approx([400 * 1.048576, 800 * 1.048576])
    assert {*pd.read_csv(tmp_path / "results/small/samples.csv")["status"]} == {"ok"}


@pytest.mark.parametrize("ranks", [{}, {"ranks": 1}])
def test_gpus_reach_the_job_and_its_samples(slurm, on_cluster, tmp_path, ranks):
    # the two wait for each other: they run side by side
    code = "#!/bin/sh\necho $CUDA_VISIBLE_DEVICES >> $1\n"
    code += "until [ $(wc -l < $1) -ge 2 ]; do sleep 0.1; done; echo 1\n"
    study = coded(tmp_path, code, 2)
    study["resources"] = {"gpus": 1, "threads": 2} | ranks
    study["timeout"] = "60 s"
    done = on_cluster(slurm, study=study)
    assert done.code == 0, done.text
    assert sorted((tmp_path / "log").read_text().split()) == ["0", "1"]


@pytest.mark.full
def test_no_sample_is_killed_by_the_walltime(slurm, on_cluster, tmp_path):
    study = coded(tmp_path, SHORT_CODE, 8)
    options = ["--set-threads", "evaluate=1", "--set-resources", "evaluate:runtime=1"]
    done = on_cluster(slurm, *options, study=study)
    assert done.code == 0, done.text
    assert submitted(done.text) > 1
    lines = (tmp_path / "log").read_text().splitlines()
    assert Counter(line.split()[0] for line in lines) == {"start": 8, "finish": 8}
    logs = "".join(path.read_text() for path in tmp_path.rglob(".snakemake/slurm_logs/**/*.log"))
    assert "of 8 samples are handed back" in logs + done.text


@pytest.mark.full
def test_a_code_that_needs_three_walltimes_goes_on_in_each(slurm, on_cluster, tmp_path):
    study = coded(tmp_path, LONG_CODE, 1)
    study["model"]["resume"] = [study["model"]["command"]]
    done = on_cluster(slurm, "--set-resources", "evaluate:runtime=1", study=study)
    assert done.code == 0, done.text
    legs = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [int(n) for _, _, n, _ in legs] == [0, 1, 2]
    assert len({job for *_, job in legs}) == 3
    with h5py.File(tmp_path / "results/small/archive.h5") as file:
        assert file["attempts"][:].tolist() == [3]
        assert file["outputs/y"][:].tolist() == [3]
