"""What checkpoints cost: loops of shell commands that do nothing, with and without checkpoints.

Every case is a loop; a round has some jobs and a step that waits for them. Without checkpoints the
same jobs are planned at once, since how many rounds there are is known here.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SNAKEFILE = """
CASES, ROUNDS, JOBS = {cases}, {rounds}, {jobs}


wildcard_constraints:
    case="[0-9]+",
    k="[0-9]+",


def last(wildcards):
    if not {loops}:
        return f"{{wildcards.case}}/step-{{ROUNDS}}"
    for k in range(ROUNDS + 1):
        found = checkpoints.step.get(case=wildcards.case, k=k).output[0]
    return found


rule all:
    input: [f"{{case}}/end" for case in range(CASES)]
    localrule: True


rule end:
    input: last
    output: "{{case}}/end"
    localrule: True
    shell: "echo > {{output}}"


rule job:
    input: lambda w: ancient(f"{{w.case}}/step-{{int(w.k) - 1}}")
    output: "{{case}}/job-{{k}}-{{i}}"
    localrule: True
    shell: "echo > {{output}}"


{kind} step:
    input: lambda w: [ancient(f"{{w.case}}/job-{{w.k}}-{{i}}") for i in range(JOBS) if int(w.k)]
    output: "{{case}}/step-{{k}}"
    localrule: True
    shell: "echo > {{output}}"
"""


def cpu_ms_per_job(cases: int, rounds: int, jobs: int, *, loops: bool) -> float:
    """Run all loops from nothing; return the CPU time of Snakemake and its jobs, per job [ms]."""
    kind = "checkpoint" if loops else "rule"
    text = SNAKEFILE.format(cases=cases, rounds=rounds, jobs=jobs, loops=loops, kind=kind)
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "Snakefile").write_text(text)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy"]
        before = os.times()
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        after = os.times()
        if done.returncode:
            sys.exit(done.stderr)
    cpu_s = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return 1000 * cpu_s / (cases * (rounds * (jobs + 1) + 2) + 1)


def main() -> None:
    """Print the CPU time per job for some numbers of cases."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, nargs="+", default=[1, 9, 36])
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--jobs", type=int, default=12)
    options = parser.parse_args()
    print(f"{'cases':>8}{'checkpoints [ms]':>20}{'none [ms]':>14}")
    for cases in options.cases:
        found = [
            cpu_ms_per_job(cases, options.rounds, options.jobs, loops=loops)
            for loops in (True, False)
        ]
        print(f"{cases:8d}{found[0]:20.1f}{found[1]:14.1f}")


if __name__ == "__main__":
    main()
