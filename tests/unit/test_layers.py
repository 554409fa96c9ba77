"""A module imports only from layers above it; what runs below us imports nothing of ours."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow/lib/ensnare"
# from above to below; within a line, from left to right
LAYERS = """
errors status machine paths hdf5file runlock signals directories provenance expressions conditions
constraints walltime jobrecords jobends handback legs accounting affinity
config
sweep neighbours identity picklefile tables cutting batches jobs capacity loops verdicts rounds
ids copulas inputs constrained conditioned points design functions
templates jinjatemplates outputs environment gpus process launcher inputfiles kept model
samples callables runs
journal recorded owner worker pool batchfile tally progress stop amendments reread older reuse work
abreast lost evaluate
resolved pastlevels sizing designfile planned adoption gather ranwith archive samplestable jobstable
results selection amend standing announce outcome unused programs check single locate elsewhere
clusterjobs
parareal
statistics sensitivity correlation morris scaling
analysis figurenames derived plots report
scalingfigures figures pararealfigures pararealreport deliver
scripting clistudy cliparareal cli
__main__
"""
ORDER = LAYERS.split()
PACKAGES = (
    *("analysis", "config", "constrained", "outputs", "parareal", "plots", "report", "scaling"),
    "sensitivity",
)
# programs and functions that a study wraps; nothing of ours, nobody imports them
APART = {"models"}
# of these, a thin command over a part of the library that designs use too
THIN = {"models.constrained_sampler": {"constrained", "errors", "paths"}}
# arrays in, arrays out: they know of no file and no study
PURE = {"statistics", "sensitivity", "correlation", "morris", "scaling"}
MAY_SAY_SNAKEMAKE = {"config.yaml12"}  # it reads configuration files again as Snakemake did


def name_of(path):
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}
MODULES = [name for name in FILES if name and name.partition(".")[0] not in APART]


def imported(name):
    """Return the modules that a file imports, anywhere in it but for the sake of types."""
    found = set()
    todo = [ast.parse(FILES[name].read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {m for m in below if m.removeprefix("ensnare.") in FILES}
            found |= modules or {node.module}
        todo += ast.iter_child_nodes(node)
    return found


def ours(name):
    return {
        module.removeprefix("ensnare.")
        for module in imported(name)
        if module == "ensnare" or module.startswith("ensnare.")
    }


def top(name):
    return name.partition(".")[0]


def test_every_module_has_its_layer():
    assert sorted({top(name) for name in MODULES}) == sorted(ORDER)
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_layers_above(name):
    above = ORDER[: ORDER.index(top(name))]
    outside = {module for module in ours(name) if top(module) != top(name)}
    assert {top(module) for module in outside} <= set(above)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_modules_of_a_package_do_not_import_each_other_in_a_circle(package):
    inside = {name: ours(name) for name in MODULES if top(name) == package}
    done = set()
    while len(done) < len(inside):
        ready = {
            n for n, needs in inside.items() if n not in done and not (needs & set(inside)) - done
        }
        assert ready, sorted(set(inside) - done)
        done |= ready


@pytest.mark.parametrize("name", [name for name in MODULES if top(name) in PURE])
def test_a_method_imports_methods_and_errors(name):
    assert {top(module) for module in ours(name)} <= PURE | {"errors"}


@pytest.mark.parametrize("name", [name for name in MODULES if top(name) == "plots"])
def test_a_plot_imports_plots(name):
    assert {top(module) for module in ours(name)} <= {"plots"}


@pytest.mark.parametrize("name", [name for name in FILES if top(name) in APART])
def test_an_example_code_imports_nothing_of_ours_but_for_a_thin_command(name):
    assert {top(module) for module in ours(name)} == THIN.get(name, set())


@pytest.mark.parametrize("name", MODULES)
def test_nothing_imports_an_example_code_or_snakemake(name):
    assert not {module for module in ours(name) if top(module) in APART}
    says = {module for module in imported(name) if top(module) == "snakemake"}
    assert not says or name in MAY_SAY_SNAKEMAKE
