"""How much the scheduler and its database are asked: never once per sample."""

import sys

import pandas as pd
import pytest
from cluster_helpers import submitted
from workflow_helpers import ROOT, awk_study

SAMPLES = 10_000


@pytest.mark.full
def test_ten_thousand_samples_cost_few_calls(slurm, on_cluster, tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--profile", ROOT / "profiles/slurm", "--configfile", "study.yaml"]
    on_cluster.command(study=awk_study(SAMPLES))
    before = slurm.calls()
    done = on_cluster.run(slurm, [*map(str, command)])
    calls = slurm.calls() - before
    print(f"calls: {dict(calls)}")
    assert done.code == 0, done.text
    assert (pd.read_csv(tmp_path / "results/small/samples.csv")["status"] == "ok").sum() == SAMPLES
    assert calls["sbatch"] == submitted(done.text) == calls["srun"] < 15
    # each job asks once when it ends, and Snakemake in it for its node; the rest is for all at once
    del calls["sbatch"], calls["srun"]
    assert calls["squeue"] < 15
    assert calls["sacct"] <= 4
    assert calls.total() < 40


def test_no_call_is_made_for_a_sample(slurm, on_cluster):
    counts = []
    for size in (10, 200):
        before = slurm.calls()
        done = on_cluster(slurm, study=awk_study(size, study=f"n{size}"))
        assert done.code == 0, done.text
        calls = slurm.calls() - before
        # accounting may have to be asked once more at the end, if it is late
        assert calls["sacct"] <= 3
        counts.append((calls["sbatch"], calls["srun"], calls["sacctmgr"]))
    assert counts[0] == counts[1]
    assert counts[0][:2] == (1, 1)
