"""Allocated cores that do useful work: samples of one second on 4 nodes of 4 CPUs.

    python benchmarks/slurm.py

It needs SLURM on this machine (tests/cluster/slurm_cluster.py starts one). A sample is `sleep 1`:
the virtual CPUs share the cores of the machine. Beside it, one Snakemake job per sample.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from slurm_cluster import SlurmCluster  # noqa: E402

SAMPLE_S = 1.0
BATCHES, PER_BATCH, CPUS = 8, 512, 4
JOBS = 48
PER_SAMPLE = """
rule all:
    input: expand("done/{i}", i=range(%d))
    localrule: True
rule sample:
    output: "done/{i}"
    shell: "sleep 1; touch {output}"
"""


def study() -> dict:
    """Return a study of two batches per node."""
    return {
        "study": "sleep",
        "inputs": [{"name": "x", "distribution": {"Uniform": {"a": 0, "b": 1}}}],
        "design": {"method": "monte_carlo", "size": BATCHES * PER_BATCH},
        "model": {
            "command": ["sh", "-c", f"sleep {SAMPLE_S:g}; echo $0", "${x}"],
            "outputs": [{"name": "y", "regex": "(.*)"}],
        },
        "batch": {"size": PER_BATCH},
        "analyses": [],
    }


def run(cluster: SlurmCluster, folder: Path, *arguments: object) -> float:
    """Run Snakemake on the cluster; return the core-seconds that were allocated to its jobs."""
    first = int(cluster.client("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "true"))
    command = [sys.executable, "-m", "snakemake", "--profile", ROOT / "profiles/slurm", *arguments]
    variables = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([*map(str, command)], cwd=folder, env=cluster.environment(variables), check=True)
    table = cluster.client("sacct", "-X", "-n", "-P", "-o", "jobid,cputimeraw")
    rows = [tuple(map(int, line.split("|"))) for line in table.split()]
    return float(sum(cpu_s for job, cpu_s in rows if job > first))


def main() -> None:
    """Print useful time over allocated time, in batches and with a job per sample."""
    with tempfile.TemporaryDirectory(prefix="ensnare-bench-") as name:
        folder = Path(name)
        cluster = SlurmCluster(folder / "slurm").start(nodes=4, cpus=CPUS)
        try:
            with (folder / "study.yaml").open("w") as file:
                YAML(typ="safe").dump(study(), file)
            (folder / "Snakefile").write_text(PER_SAMPLE % JOBS)
            batches = run(
                cluster, folder, "--snakefile", ROOT / "Snakefile", "--configfile", "study.yaml"
            )
            single = run(cluster, folder, "--set-threads", "sample=1")
        finally:
            cluster.stop()
    n = BATCHES * PER_BATCH
    print(f"{n} samples in {BATCHES} batches: {n * SAMPLE_S / batches:.3f} useful / allocated")
    print(f"{JOBS} jobs of one sample: {JOBS * SAMPLE_S / single:.3f} useful / allocated")


if __name__ == "__main__":
    main()
