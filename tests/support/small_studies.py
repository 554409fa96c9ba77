"""Small studies for the tests of the back half: from a mapping to evaluated batches, in process."""

from pathlib import Path

from waiting import lines_of

from ensnare.archive.gather import gather
from ensnare.design.table import make_design
from ensnare.evaluate.batch import evaluate_batch
from ensnare.plan.batches import plan_batches
from ensnare.plan.samples import write_design
from ensnare.store.outcome import Status
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy, parse_study, resolved_tree, write_resolved

UNIFORM = {"Uniform": {"a": 0, "b": 1}}


def study_tree(model, size=8, inputs=("x",), **rest):
    """Return a study of uniform inputs on [0, 1] as a mapping."""
    return {
        "study": "small",
        "inputs": [{"name": name, "distribution": UNIFORM} for name in inputs],
        "design": {"method": "sobol", "size": size},
        "model": model,
        **rest,
    }


def shell(script, *outputs, **rest):
    """Return a model that runs a shell script; by default `y` is a number on stdout."""
    found = list(outputs) or [{"name": "y", "regex": r"y = (\S+)"}]
    return {"command": ["sh", "-c", script], "outputs": found, **rest}


def logged(log, script="", **rest):
    """Return a model that records its starts and finishes; y is the square of x."""
    text = f"echo start ${{sample}} ${{x}} >> {log}; {script} y=$(echo '${{x}} * ${{x}}' | bc -l)"
    return shell(f"{text}; echo y = $y; echo finish ${{sample}} ${{x}} >> {log}", **rest)


def started(log):
    return [line.split()[1] for line in lines_of(log) if line.startswith("start")]


def python(call, *names, **rest):
    """Return a model that calls a Python function."""
    outputs = [{"name": name} for name in names or ("y",)]
    return {"python": {"call": call, **rest}, "outputs": outputs}


def load(tree, directory):
    return LoadedStudy(parse_study(tree, source="study.yaml"), Path(directory), "study.yaml")


def prepare(tree, directory):
    """Write the files that a batch needs; return study, paths, batches."""
    study = load(tree, directory)
    paths = StudyPaths(Path(directory) / "results" / study.config.study)
    write_resolved(resolved_tree(study), paths.study)
    write_design(paths.design, study, make_design(study))
    return study, paths, plan_batches(study)


def evaluate(tree, directory, workers=2):
    """Evaluate the batches that do not exist; return the lines that were said, and the arrays."""
    study, paths, batches = prepare(tree, directory)
    said = []
    for batch in batches:
        if not paths.batch(batch.key).exists():
            evaluate_batch(study, batch, paths, workers, said.append)
    return said, gather(study, batches, paths)


def labels(arrays):
    return [Status(s).label for s in arrays.status]
