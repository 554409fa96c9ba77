"""Small parareal studies for tests, and ways to solve them."""

from pathlib import Path

from ensnare.parareal.iteration import begin, is_over, needed_slices, solve_fine, update
from ensnare.parareal.pooled import solve_all
from ensnare.parareal.problem import problems
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import LoadedStudy, parse_study

MODELS = Path(__file__).parents[2] / "workflow/lib/ensnare/models"
SLOPE = {"call": str(MODELS / "oscillator.py:slope")}
EXACT = {"call": str(MODELS / "oscillator.py:displacement")}
EULER, RK4 = {"method": "euler", "steps": 1}, {"method": "rk4", "steps": 1}
FINE = {"method": "euler", "step": 0.01}
ZETAS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

# an external fine solver: it says when it starts and when it ends, and may be told to fail
CODE = """\
echo start ${t0} >> LOG
[ -z "$HOOK" ] || eval "$HOOK" || exit 3
awk 'BEGIN {
  q = ${q:.17g}; p = ${p:.17g}; n = 20; h = (${t1:.17g} - ${t0:.17g}) / n
  for (i = 0; i < n; i++) { a = q + h * p; p -= h * (2 * ${zeta} * p + q); q = a }
  printf "q = %.17g\\np = %.17g\\n", q, p
}'
echo end ${t0} >> LOG
"""


def parareal_tree(zetas=(0.5,), points=20, fine=None, coarse=None, **more):
    """Return the study of the damped oscillator as a mapping; `more` goes to `parareal`."""
    return {
        "study": "osc",
        "sweep": {"omega0": [1], "zeta": list(zetas)},
        "parareal": {
            "interval": [0, 15],
            "points": points,
            "state": {"q": 1, "p": 0},
            "rhs": SLOPE,
            "coarse": coarse or EULER,
            "fine": fine or FINE,
            "tolerance": 1e-4,
            **more,
        },
    }


def coded_tree(log, directory, hook="", points=8, **more):
    """Return a study whose fine propagator is a program that counts its runs."""
    Path(directory, "fine.sh").write_text(CODE.replace("LOG", str(log)))
    model = {
        "files": [{"template": "fine.sh"}],
        "command": ["sh", "fine.sh"],
        "environment": {"set": {"HOOK": hook}},
        "outputs": [
            {"name": "p", "regex": "p = (.*)"},
            {"name": "q", "regex": "q = (.*)"},
        ],
    }
    tree = parareal_tree((0.5,), points, {"model": model}, {"method": "rk4", "steps": 8}, **more)
    return {**tree, "sweep": {"omega0": [1], "zeta": [0.2, 0.5]}}


def load(tree, directory):
    return LoadedStudy(parse_study(tree, source="study.yaml"), Path(directory), "study.yaml")


def results_paths(directory, name="osc"):
    return StudyPaths(Path(directory) / "results" / name)


def solve(tree, directory, cores=2):
    """Solve a study with the pool; return the iterations of each case, in order."""
    study = load(tree, directory)
    last = solve_all(study, results_paths(directory), cores, lambda line: None)
    return list(last.values())


def solve_one_by_one(problem):
    """Solve a case by nothing but the core; return its iterations."""
    iterate = begin(problem)
    while not is_over(iterate, problem.parareal.tolerance):
        k = iterate.iteration + 1
        for i in needed_slices(k, problem.slices):
            solve_fine(problem, k, i)
        iterate = update(problem, k)
    return iterate.iteration


def problems_of(tree, directory):
    return problems(load(tree, directory), results_paths(directory))
