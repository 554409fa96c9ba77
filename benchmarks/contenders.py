"""The ways to run one external code many times: each prepares a directory and gives a command."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent

SHELL_SAMPLE = """\
set -e
mkdir run-$1
sed "s/@x@/$2/" "{template}" > run-$1/input.txt
cd run-$1
"{code}" input.txt output.txt > log.txt 2>&1
sed -n 's/^y = //p' output.txt >> ../results.txt
cd ..
rm -r run-$1
"""

SNAKEFILE = """\
N = {n}

rule all:
    input:
        expand("results/{{i}}.txt", i=range(N)),

rule run_sample:
    input:
        "{template}",
    output:
        "results/{{i}}.txt",
    params:
        run="run-{{i}}",
        x=lambda wildcards: (int(wildcards.i) + 0.5) / N,
    shell:
        "mkdir {{params.run}}; sed 's/@x@/{{params.x}}/' {{input}} > {{params.run}}/input.txt; "
        "(cd {{params.run}}; '{code}' input.txt output.txt > log.txt 2>&1); "
        "sed -n 's/^y = //p' {{params.run}}/output.txt > {{output}}; rm -r {{params.run}}"
"""

STUDY = """\
study: overhead
inputs:
  - {{name: x, distribution: {{Uniform: {{a: 0, b: 1}}}}}}
design: {{method: sobol, size: {n}}}
model:
  files:
    - {{template: "{template}", to: input.txt, delimiters: ["@", "@"]}}
  command: ["{code}", input.txt, output.txt]
  outputs:
    - {{name: y, regex: 'y = (\\S+)', in: output.txt}}
keep: none
"""


@dataclass(frozen=True)
class Setup:
    """What every contender is given.

    Parameters
    ----------
    loop : Path
        The compiled reference.
    code : Path
        The compiled external code.
    template : Path
        Its input file, with `@x@`.
    workers : int
        Samples to run at a time.
    """

    loop: Path
    code: Path
    template: Path
    workers: int


@dataclass(frozen=True)
class Contender:
    """One way to run the samples.

    Parameters
    ----------
    title : str
        Its name in the table.
    prepare : callable
        From the setup, n and an empty directory to the command to time in that directory.
    collect : callable
        From the directory after the run to the outputs, a list of n float.
    missing : callable
        Returns why it cannot run here; empty when it can.
    few : bool
        Whether it is too slow for the numbers of samples of the others.
    """

    title: str
    prepare: Callable[[Setup, int, Path], list[str]]
    collect: Callable[[Path], list[float]]
    missing: Callable[[], str] = lambda: ""
    few: bool = False


def prepare_loop(setup: Setup, n: int, root: Path) -> list[str]:
    """Return the command of the reference in C."""
    return [str(a) for a in (setup.loop, n, setup.workers, setup.code, setup.template)]


def prepare_farm(name: str) -> Callable[[Setup, int, Path], list[str]]:
    """Return the `prepare` of `<name>_farm.py`.

    Each is a program, so that none pays for the imports or the memory of another.
    """

    def prepare(setup: Setup, n: int, root: Path) -> list[str]:
        program = (sys.executable, HERE / f"{name}_farm.py")
        return [str(a) for a in (*program, n, setup.workers, setup.code, setup.template)]

    return prepare


def prepare_xargs(setup: Setup, n: int, root: Path) -> list[str]:
    """Write the script of one sample and the list of samples; return the command."""
    script = SHELL_SAMPLE.format(template=setup.template, code=setup.code)
    (root / "sample.sh").write_text(script)
    samples = "".join(f"{i} {(i + 0.5) / n:.14g}\n" for i in range(n))
    (root / "samples.txt").write_text(samples)
    return ["sh", "-c", f"xargs -P {setup.workers} -n 2 sh sample.sh < samples.txt"]


def prepare_jobs(setup: Setup, n: int, root: Path) -> list[str]:
    """Write a Snakefile with a job for each sample; return the command."""
    text = SNAKEFILE.format(n=n, template=setup.template, code=setup.code)
    (root / "Snakefile").write_text(text)
    return [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", str(setup.workers)]


def prepare_ensnare(setup: Setup, n: int, root: Path) -> list[str]:
    """Write a study; return the command."""
    study = STUDY.format(n=n, template=setup.template, code=setup.code)
    (root / "study.yaml").write_text(study)
    options = {
        "--snakefile": REPOSITORY / "Snakefile",
        "--profile": REPOSITORY / "profiles" / "local",
        "--configfile": root / "study.yaml",
        "--directory": root,
        "--cores": setup.workers,
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "snakemake", *words]


def collect_lines(root: Path) -> list[float]:
    """Return the outputs from results.txt."""
    return [float(line) for line in (root / "results.txt").read_text().split()]


def collect_files(root: Path) -> list[float]:
    """Return the outputs from one file for each sample."""
    return [float(path.read_text()) for path in (root / "results").iterdir()]


def collect_archive(root: Path) -> list[float]:
    """Return the outputs from the archive of the study."""
    import h5py

    with h5py.File(root / "results" / "overhead" / "archive.h5", "r", locking=False) as archive:
        return [float(y) for y in archive["outputs/y"]]


def missing_otwrapy() -> str:
    """Return why otwrapy cannot run here."""
    found = importlib.util.find_spec("otwrapy")
    return "" if found else "not installed; `pip install otwrapy` to compare with it"


def missing_ensnare() -> str:
    """Return why Ensnare cannot run here."""
    needed = (REPOSITORY / "Snakefile", REPOSITORY / "profiles" / "local")
    found = [
        path for path in needed if not path.exists() or (path.is_dir() and not any(path.iterdir()))
    ]
    return f"found no {found[0].relative_to(REPOSITORY)} in the repository" if found else ""


CONTENDERS = {
    "loop": Contender("loop in C", prepare_loop, collect_lines),
    "pool": Contender("multiprocessing.Pool", prepare_farm("pool"), collect_lines),
    "otwrapy": Contender(
        "otwrapy Parallelizer", prepare_farm("otwrapy"), collect_lines, missing_otwrapy
    ),
    "xargs": Contender("xargs -P", prepare_xargs, collect_lines),
    "jobs": Contender("Snakemake, job per sample", prepare_jobs, collect_files, few=True),
    "ensnare": Contender("Ensnare", prepare_ensnare, collect_archive, missing_ensnare),
}
