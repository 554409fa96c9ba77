"""The twelve packages: what each may import, and what its page of words says."""

import ast
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow/lib/ensnare"
# data flows down the list: a package imports only from those before it
ORDER = (
    *("errors", "store", "study", "design", "plan", "model", "evaluate", "archive"),
    *("analyses", "report", "parareal", "commands"),
)
# arrays in, arrays or figures out: they know of no file and no study
PURE = {"analyses.estimators": {"errors"}, "report.figures": set()}
# programs that studies wrap, named in their commands: nobody imports them, and they import nothing
# of ours, but for the command of the constrained sampler
EXAMPLES = "models"
EXAMPLES_MAY = {"models.constrained_sampler": {"design", "store", "errors"}}
FACES = {"", "__main__"}  # the public names and the command, imported when asked for
MOST_IN_A_CHAIN = 6
MOST_LINES = 300
# other people's packages that the modules of a package load with them, and those that they load
# when a function needs them
LOADED = {
    "errors": set(),
    "store": {"numpy"},
    "study": {"pydantic", "pydantic_core", "ruamel"},
    "design": {"numpy"},
    "plan": set(),
    "model": {"numpy"},
    "evaluate": {"numpy"},
    "archive": {"numpy", "h5py"},
    "analyses": {"numpy", "pandas"},
    "report": {"numpy", "pandas", "matplotlib"},
    "parareal": {"numpy", "h5py"},
    "commands": set(),
}
LOADED_BY_MODULE = {
    "store.hdf5": {"h5py"},
    "design.marginals": {"openturns"},
    "design.copulas": {"openturns"},
    "design.constrained.inputs": {"openturns"},
    "plan.samples": {"numpy"},
    "evaluate.adopt": {"h5py"},
    "evaluate.batchfile": {"h5py"},
    "evaluate.measured_size": {"h5py"},
    "report.page": {"jinja2", "markupsafe"},
    "report.sections": {"ruamel"},
    "parareal.figures": {"matplotlib"},
    "parareal.draw": {"matplotlib"},
    "parareal.report": {"pandas"},
    "commands.clean": {"h5py"},
    "commands.status": {"h5py", "numpy"},
    "commands.eval": {"numpy"},
    "commands.select": {"numpy"},
}
WHEN_NEEDED = {
    "study": {"numpy", "snakemake"},  # Snakemake's configuration is read again as it read it
    "design": {"openturns", "scipy", "h5py", "mpi4py"},
    "plan": {"h5py"},
    "model": {"psutil", "jinja2", "h5py", "scipy"},
    "archive": {"pandas"},
    "analyses": {"scipy"},
    "parareal": {"pandas"},
    "commands": {"numpy"},
}


def name_of(path):
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(name):
    return name.partition(".")[0]


FILES = {name_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}
INITS = [name for name, path in FILES.items() if path.name == "__init__.py"]
MODULES = [name for name in FILES if package_of(name) in ORDER]


def statements(node, in_function=False):
    """Yield the import statements below a node but for those that only types need."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from statements(child, inside)


def imported(tree):
    """Yield the full name of each module that a tree imports, and whether a function does."""
    for node, in_function in statements(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, in_function) for alias in node.names)
            continue
        assert node.level == 0, f"a relative import: {ast.unparse(node)}"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            is_module = whole.removeprefix("ensnare.") in FILES
            yield (whole if is_module else node.module), in_function


TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def ours(name):
    """Return what a file imports of the library, also for types: a package is a direction."""
    everything = ast.parse(FILES[name].read_text().replace("if TYPE_CHECKING:", "if True:"))
    found = {module for module, _ in imported(everything)}
    return {
        module.removeprefix("ensnare").lstrip(".")
        for module in found
        if module.partition(".")[0] == "ensnare"
    }


def theirs(name, in_function):
    return {
        top
        for module, lazily in imported(TREES[name])
        if lazily == in_function
        and (top := module.partition(".")[0]) not in sys.stdlib_module_names
        and top != "ensnare"
    }


def test_the_library_has_twelve_names():
    names = {package_of(name) for name in FILES} - FACES - {EXAMPLES}
    assert names == set(ORDER)
    entries = {path.stem for path in LIBRARY.iterdir() if path.name != "__pycache__"}
    assert entries - {"__init__", "__main__", "py", EXAMPLES} == set(ORDER)


@pytest.mark.parametrize("name", MODULES)
def test_a_package_imports_only_from_packages_before_it(name):
    allowed = set(ORDER[: ORDER.index(package_of(name)) + 1])
    # the face of the library, `from ensnare import open_study`, is above all of them
    assert {package_of(module) for module in ours(name)} <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(tuple(PURE))])
def test_what_computes_or_draws_knows_no_study_and_no_file(name):
    pure = next(package for package in PURE if name.startswith(package))
    assert {module for module in ours(name) if not module.startswith(pure)} <= PURE[pure]


@pytest.mark.parametrize("name", [name for name in INITS if package_of(name) in ORDER])
def test_the_init_file_of_a_package_is_words_only(name):
    body = TREES[name].body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("package", [name for name in INITS if package_of(name) in ORDER])
def test_the_words_of_a_package_say_what_each_of_its_files_is_for(package):
    words = ast.get_docstring(TREES[package])
    inside = [name.removeprefix(f"{package}.") for name in FILES if name.startswith(f"{package}.")]
    own = {name for name in inside if "." not in name}
    assert not [name for name in own if f"`{name}`" not in words]
    assert ">>>" in words
    assert 8 <= len(words.splitlines()) <= 70


@pytest.mark.parametrize("package", ORDER)
def test_the_modules_of_a_package_import_each_other_in_short_chains(package):
    inside = {name for name in FILES if package_of(name) == package}
    needs = {
        n: {m.removeprefix("ensnare.") for m, _ in imported(TREES[n])} & inside for n in inside
    }
    done = set()
    for _ in range(MOST_IN_A_CHAIN):
        done |= {name for name in inside if needs[name] <= done}
    assert done == inside


@pytest.mark.parametrize("name", MODULES)
def test_a_module_loads_only_what_its_package_may_load(name):
    package = package_of(name)
    loaded = LOADED[package] | LOADED_BY_MODULE.get(name, set())
    assert theirs(name, in_function=False) <= loaded
    assert theirs(name, in_function=True) <= loaded | WHEN_NEEDED.get(package, set())


def test_the_lists_of_this_test_name_nothing_that_is_gone():
    loads = {name: theirs(name, in_function=False) for name in MODULES}
    for package, names in LOADED.items():
        assert names <= set().union(*(loads[n] for n in MODULES if package_of(n) == package))
    for name, names in LOADED_BY_MODULE.items():
        assert names <= loads[name], name


@pytest.mark.parametrize("name", [name for name in FILES if package_of(name) == EXAMPLES])
def test_an_example_code_imports_nothing_of_ours(name):
    assert {package_of(module) for module in ours(name)} <= EXAMPLES_MAY.get(name, set())


@pytest.mark.parametrize("name", MODULES)
def test_nothing_of_ours_imports_an_example_code(name):
    assert EXAMPLES not in {package_of(module) for module in ours(name)}


@pytest.mark.parametrize("name", list(FILES))
def test_a_module_has_no_more_lines_than_one_can_read_at_once(name):
    assert len(FILES[name].read_text().splitlines()) <= MOST_LINES
