"""Make golden results: what one version of Ensnare leaves behind, kept for all later ones.

    <its .venv>/bin/python tests/data/golden/make.py <clone of that version> [name ...]

runs the studies of this directory that have no results yet, in a neutral place (`/opt`) on a
machine named `golden`, and puts here what says what has run, the archive and the tables. It also
writes `batch_names.json` if there is none. Needs Linux and `unshare`; see README.md.
"""

import base64
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASE, PLACE = "/opt/ensnare", "/opt/golden"  # where the version and the studies seem to be
NEUTRAL = f"""\
mount -t tmpfs golden /opt && mkdir {BASE} {PLACE} && mount --bind "$1" {BASE} &&
mount -o remount,bind,ro {BASE} && mount --bind "$2" {PLACE} && hostname golden &&
cd {PLACE}/"$3" && shift 3 && exec "$@" """
LEFT_OUT = ("logs", "figures", "report.html", "run.lock", "*.owner", "*.part", "derived.json")
FINAL = ("archive.h5", "archive.pklz", "*.csv", "figures/*", "report.html")
NO_KERNEL = 'import platform\n\nplatform.platform = lambda *_, **__: "Linux"\n'
HANG_AT = 13  # of the study that is killed: in the second of its three batches


class Maker:
    """Runs one study in a neutral place below a scratch directory."""

    def __init__(self, base: Path, scratch: Path, name: str) -> None:
        self.base, self.scratch, self.name = base, scratch, name
        self.root, self.results = scratch / name, scratch / name / "results" / name
        shutil.copytree(HERE / name, self.root)

    def command(self, *words) -> list[str]:
        """Return a command that runs Python with `words` in the neutral place."""
        neutral = ["unshare", "--user", "--map-root-user", "--mount", "--uts", "sh", "-c", NEUTRAL]
        where = ["sh", str(self.base), str(self.scratch), self.name]
        return [*neutral, *where, f"{BASE}/.venv/bin/python", *map(str, words)]

    def environment(self, **more) -> dict[str, str]:
        """Return an environment that says nothing of this machine."""
        own = {
            "HOME": f"{PLACE}/home",
            "PYTHONPATH": f"{PLACE}/neutral:{BASE}/workflow/lib",
            "USER": "golden",
            "LOGNAME": "golden",
            "LANG": "C.UTF-8",
        }
        path = f"{BASE}/.venv/bin:/usr/bin:/bin"
        return {**own, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def snakemake(self, *words) -> list[str]:
        """Return the command of a run of Snakemake."""
        files = ["--snakefile", f"{BASE}/Snakefile", "--profile", f"{BASE}/profiles/local"]
        return self.command(
            *("-m", "snakemake", *files, "--configfile", "study.yaml", "--cores", 2, *words)
        )

    def run(self, *words) -> None:
        """Run the study to its end."""
        subprocess.run(self.snakemake(*words), env=self.environment(), check=True)

    def ensnare(self, *words) -> None:
        """Run a command of Ensnare."""
        subprocess.run(self.command("-m", "ensnare", *words), env=self.environment(), check=True)

    def run_and_kill(self) -> None:
        """Run the study with one worker, and kill every process when a sample hangs."""
        log = self.scratch / "log"
        environment = self.environment(GOLDEN_LOG=f"{PLACE}/log", GOLDEN_HANG=str(HANG_AT))
        run = subprocess.Popen(self.snakemake("--cores", 1), env=environment)
        while not log.exists() or len(log.read_text().splitlines()) < HANG_AT:
            if run.poll() is not None:
                sys.exit(f"{self.name}: ended before it was killed")
            time.sleep(0.05)
        while found := self._processes():
            for pid in found:
                os.kill(pid, signal.SIGKILL)
        run.wait()

    def _processes(self) -> list[int]:
        """Return the processes of the run that is to be killed."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                marked = b"GOLDEN_HANG=" in (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marked and state not in "ZX":
                found.append(int(entry.name))
        return found


def keep(results: Path, target: Path) -> None:
    """Copy results without what says nothing about what has run."""
    shutil.copytree(results, target, ignore=shutil.ignore_patterns(*LEFT_OUT))


def keep_records(root: Path, target: Path) -> None:
    """Copy Snakemake's records of the files that are kept and that runs of samples depend on."""
    for record in (root / ".snakemake/metadata").rglob("*"):
        if not record.is_file():
            continue
        coded = str(record.relative_to(root / ".snakemake/metadata")).replace("/@", "/")
        name = Path(base64.b64decode(coded.replace("/", ""), altchars=b"-_").decode())
        kept = (target / name).exists() and not any(name.match(pattern) for pattern in FINAL)
        if kept:
            to = target / record.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(record, to)


def make(maker: Maker) -> None:
    """Make the results of one study."""
    name, target = maker.name, HERE / maker.name
    if name == "killed":
        maker.run_and_kill()
    else:
        maker.run()
    if name == "amended":
        maker.ensnare("skip", "study.yaml", "--where", "x > 0.85", "--reason", "not this far")
        maker.ensnare("redo", "study.yaml", "--where", "x > 0.5 and x < 0.8")
        maker.run()
    keep(maker.results, target / "results" / name)
    keep_records(maker.root, target)
    if name == "killed":  # and how it ends
        maker.run()
        expected = target / "expected"
        expected.mkdir()
        for path in (p for pattern in FINAL[:3] for p in maker.results.glob(pattern)):
            shutil.copyfile(path, expected / path.name)
    for path in (p for p in target.rglob("*") if p.is_file()):
        refuse_traces(path, maker)


def refuse_traces(path: Path, maker: Maker) -> None:
    """End with an error if a file names this machine, or a place on it."""
    traces = [str(maker.base), str(maker.scratch), str(HERE), str(Path.home()), "/tmp/"]
    traces += [f'"{socket.gethostname()}"', f'"{socket.getfqdn()}"']
    traces += [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
    for text in contents(path):
        for trace in traces:
            if trace.encode() in text:
                sys.exit(f"{path}: it holds {trace}")


def contents(path: Path):
    """Yield the bytes of a file, and those that are packed in it."""
    yield path.read_bytes()
    if path.suffix == ".pklz":
        yield gzip.decompress(path.read_bytes())
    if path.suffix == ".tar":
        with tarfile.open(path) as file:
            yield repr([member.get_info() for member in file]).encode()
    if path.suffix == ".h5":
        import h5py
        import numpy as np

        with h5py.File(path) as file:
            found = [repr(dict(file.attrs))]
            file.visititems(lambda _, item: found.append(repr(dict(item.attrs))))
            sets = []
            file.visititems(lambda _, item: sets.append(item) if hasattr(item, "shape") else None)
            found += [repr(np.asarray(item[()]).tolist()) for item in sets]
        yield "\n".join(found).encode()


def name_batches(base: Path) -> None:
    """Write the names of what the shipped studies run, if there is no such list."""
    target = HERE / "batch_names.json"
    if not target.exists():
        tests = HERE.parents[1]
        sys.path[:0] = [str(tests / "workflow"), str(tests / "support")]
        from test_golden import names_of_shipped_studies

        target.write_text(json.dumps(names_of_shipped_studies(base), indent=1) + "\n")


def main() -> None:
    """Run the studies that have no results."""
    base, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    every = sorted(path.parent.name for path in HERE.glob("*/study.yaml"))
    todo = [n for n in names or every if not (HERE / n / "results").exists()]
    with tempfile.TemporaryDirectory(prefix="golden-", dir=os.environ.get("GOLDEN_SCRATCH")) as at:
        (Path(at) / "neutral").mkdir()
        (Path(at) / "neutral/sitecustomize.py").write_text(NO_KERNEL)
        for name in todo:
            make(Maker(base, Path(at), name))
            print(f"made {name}", flush=True)
    name_batches(base)


if __name__ == "__main__":
    main()
