"""The example codes of the shipped studies, against formulas and analytic solutions."""

import ast
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2
import jinja2.meta
import numpy as np
import pytest

from ensnare import models
from ensnare.study.yaml12 import read_yaml

MODELS = Path(models.__file__).parent
CONFIG = Path(__file__).parents[3] / "config"
TEMPLATES = CONFIG / "templates"
PROGRAMS = ["simulator.py", "regimes.py", "openfoam_like.py"]
LEVER = {"F": 1e-6, "E": 169e9, "L": 200e-6, "h": 4e-6, "b": 5e-6, "nu": 0.22, "rho": 2329.0}

needs_ccx = pytest.mark.skipif(
    shutil.which("ccx") is None, reason="no ccx on PATH; apt install calculix-ccx"
)


def run(program, *arguments, cwd):
    command = [sys.executable, str(MODELS / program), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def assert_refused(done, *words):
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_can_be_executed_and_imports_little_of_the_standard_library(program):
    path = MODELS / program
    source = path.read_text()
    assert os.access(path, os.X_OK)
    assert source.startswith("#!/usr/bin/env python3\n")
    nodes = ast.walk(ast.parse(source))
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    assert imported <= {"math", "os", "sys"}  # what Python has loaded or loads in no time


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_called_wrongly_shows_its_usage(tmp_path, program):
    done = run(program, "a", "b", cwd=tmp_path)
    assert (done.returncode, done.stderr.split()[:2]) == (2, ["usage:", program])


# --- simulator


def test_simulator_prints_a_table_of_the_vibration_and_its_slope(tmp_path):
    done = run("simulator.py", 0.3, 2, 4, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    header, row = done.stdout.splitlines()
    assert header.split() == ["#", "x", "y", "slope"]
    z = 2 * np.exp((-1 + 4j) * 0.3)
    expected = [0.3, z.real, ((-1 + 4j) * z).real]
    np.testing.assert_allclose(np.array(row.split(), float), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["${x}", 2, 4], ["X is '${x}'", "a number"]),
        ([1, "nan", 4], ["A is nan", "finite"]),
        ([-1e4, 2, 4], ["range"]),
    ],
)
def test_simulator_refuses_what_is_no_usable_number(tmp_path, arguments, words):
    done = run("simulator.py", *arguments, cwd=tmp_path)
    assert_refused(done, "simulator: ", *words)
    assert done.stdout == ""


# --- regimes


def regimes(cwd, **deck):
    (cwd / "deck.txt").write_text("".join(f"{k} = {v}\n" for k, v in deck.items()))
    return run("regimes.py", "deck.txt", cwd=cwd)


def flow(cwd, **deck):
    done = regimes(cwd, **deck)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def gnielinski(Re, Pr):
    xi = (1.82 * math.log10(Re) - 1.64) ** -2
    k = math.sqrt(xi / 8)
    return k**2 * (Re - 1000) * Pr / (1 + 12.7 * k * (Pr ** (2 / 3) - 1))


def test_laminar_pipe_has_the_classic_nusselt_numbers(tmp_path):
    assert flow(tmp_path, Re=500, Pr=7, bc="isothermal") == {"Nu": 3.66, "Ri": 0.0, "regime": 0}
    isoflux = flow(tmp_path, Re=500, Pr=7, bc="isoflux", Gr=0)
    assert isoflux["Nu"] == pytest.approx(48 / 11)


@pytest.mark.parametrize(("Re", "Pr"), [(1e4, 0.7), (1e5, 7), (5e5, 2)])
def test_turbulent_pipe_follows_gnielinski_and_is_near_dittus_boelter(tmp_path, Re, Pr):
    found = flow(tmp_path, Re=Re, Pr=Pr, bc="isothermal")
    assert found["regime"] == 2
    assert found["Nu"] == pytest.approx(gnielinski(Re, Pr), rel=2e-3)
    assert found["Nu"] == pytest.approx(0.023 * Re**0.8 * Pr**0.4, rel=0.3)


def test_nusselt_number_is_continuous_through_the_transition(tmp_path):
    def at(Re):
        found = flow(tmp_path, Re=Re, Pr=7, bc="isothermal")
        return found["Nu"], found["regime"]

    assert at(2300) == (3.66, 0)
    assert at(2300.001) == (pytest.approx(3.66, abs=1e-3), 1)
    assert at(3999.999) == (pytest.approx(at(4000)[0], abs=1e-3), 1)
    assert at(3150)[0] == pytest.approx((3.66 + at(4000)[0]) / 2)


def test_a_strong_flux_makes_convection_mixed(tmp_path):
    found = flow(tmp_path, Re=500, Pr=7, bc="isoflux", Gr=1e6)
    assert found["Ri"] == pytest.approx(1e6 / (48 / 11 * 500**2))
    assert found["regime"] == 3
    assert flow(tmp_path, Re=500, Pr=7, bc="isoflux", Gr=1e5)["regime"] == 0


@pytest.mark.parametrize(
    ("deck", "words"),
    [
        ({"Re": 500, "Pr": 7, "bc": "isothermal", "Gr": 1}, ["Gr", "isoflux only"]),
        ({"Re": 500, "Pr": 7, "bc": "isoflux"}, ["no Gr"]),
        ({"Re": 500, "bc": "isothermal"}, ["no Pr"]),
        ({"Re": 500, "Pr": 7, "bc": "adiabatic"}, ["'adiabatic'", "isothermal or isoflux"]),
        ({"Re": 2e6, "Pr": 7, "bc": "isothermal"}, ["Re is 2000000.0", "1 to 1e+06"]),
        ({"Re": "nan", "Pr": 7, "bc": "isothermal"}, ["Re is nan", "1 to 1e+06"]),
        ({"Re": "{{ Re }}", "Pr": 7, "bc": "isothermal"}, ["Re is '{{ Re }}'", "a number"]),
        ({"RE": 500, "Pr": 7, "bc": "isothermal"}, ["line 1", "'RE'"]),
    ],
)
def test_regimes_refuses_a_deck_that_it_does_not_understand(tmp_path, deck, words):
    assert_refused(regimes(tmp_path, **deck), "regimes: deck.txt: ", *words)


@pytest.mark.parametrize("values", [{"bc": "isothermal"}, {"bc": "isoflux", "Gr": 1e6}])
def test_template_of_regimes_has_the_factor_only_where_it_exists(tmp_path, values):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    template = environment.from_string((TEMPLATES / "regimes.txt").read_text())
    (tmp_path / "deck.txt").write_text(template.render(Re=500.0, Pr=7.0, **values))
    done = run("regimes.py", "deck.txt", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == flow(tmp_path, Re=500.0, Pr=7.0, **values)


# --- openfoam-like


@pytest.fixture
def case(tmp_path):
    """Return a function that makes a case directory."""

    def make(name="case", **changes):
        values = {"nu": 0.01, "G": 0.02, "endTime": 400} | changes
        path = tmp_path / name
        shutil.copytree(TEMPLATES / "openfoam-like/case", path)
        shutil.copy(TEMPLATES / "openfoam-like/controlDict", path / "system")
        for file in ("system/controlDict", "constant/transportProperties"):
            text = (path / file).read_text()
            (path / file).write_text(re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), text))
        return path

    return make


def edit(path, found, instead):
    text = path.read_text()
    assert found in text
    path.write_text(text.replace(found, instead))


def foam(path, *steps):
    for step in steps or ("blockMesh", "simpleFoam"):
        done = run("openfoam_like.py", step, cwd=path)
        assert (done.returncode, done.stderr) == (0, "")
    return done


def probes(path, start="0"):
    return np.loadtxt(path / f"postProcessing/probes/{start}/U.csv", delimiter=",", skiprows=1).T


def test_channel_reaches_the_analytic_steady_state_and_forces(case):
    path = case()
    log = foam(path).stdout.splitlines()
    y, u = probes(path)
    assert y.shape == (200,)
    np.testing.assert_allclose(u, y + 0.02 / (2 * 0.01) * y * (1 - y), atol=1e-10)
    lines = (path / "postProcessing/forces/0/coefficient.dat").read_text().splitlines()
    assert lines[1].split() == ["#", "Time", "Cd", "Cd(lower)", "Cd(upper)"]
    expected = [400, 2 * 0.02, 2 * (0.01 + 0.01), 2 * (-0.01 + 0.01)]
    np.testing.assert_allclose(np.array(lines[-1].split(), float), expected, atol=1e-10)
    assert len(lines) == 402
    assert log[-1] == "End"
    assert sum("Initial residual" in line for line in log) == 400
    times = [p.name for p in path.iterdir() if p.name.isdecimal()]
    assert sorted(times) == ["0", "100", "200", "300", "400"]


def test_channel_started_from_rest_follows_the_series_of_couette_flow(case):
    path = case(G=0, endTime=5)
    edit(path / "system/controlDict", "deltaT          1;", "deltaT 0.05;")
    foam(path)
    y, u = probes(path)
    k = np.arange(1, 60)[:, None] * np.pi
    decay = np.exp(-0.01 * k**2 * 5) * np.cos(k) / k
    np.testing.assert_allclose(u, y + 2 * (decay * np.sin(k * y)).sum(axis=0), atol=2e-3)


def test_channel_restarted_from_its_latest_time_ends_as_if_never_stopped(case):
    whole, halves = case("whole", endTime=200), case("halves", endTime=100)
    foam(whole)
    foam(halves)
    edit(halves / "system/controlDict", "endTime         100;", "endTime 200;")
    log = foam(halves, "simpleFoam").stdout
    assert log.count("Initial residual") == 100
    np.testing.assert_array_equal(probes(halves, "100"), probes(whole, "0"))
    assert (halves / "200/U").read_bytes() == (whole / "200/U").read_bytes()
    assert foam(halves, "simpleFoam").stdout == "End\n"


def test_shipped_restart_file_fits_the_mesh_and_changes_nothing_in_the_steady_state(case):
    path = case(nu=0.012, G=0.03)
    (path / "100").mkdir()
    shutil.copy(TEMPLATES / "openfoam-like/restart/U", path / "100")
    foam(path)
    y, u = probes(path, "100")
    np.testing.assert_allclose(u, y + 0.03 / 0.024 * y * (1 - y), atol=1e-9)


@pytest.mark.parametrize(
    ("file", "found", "instead", "words"),
    [
        ("constant/transportProperties", "0.01;", "@nu@;", ["nu is '@nu@'", "<number>"]),
        ("constant/transportProperties", "0.01;", "-1;", ["nu is -1", "> 0"]),
        ("constant/transportProperties", "0.01;", "0.01", ["nu is", "<number>"]),
        ("constant/transportProperties", "G ", "g ", ["G is ''"]),
        ("system/controlDict", "400;", "nan;", ["endTime is nan"]),
        ("system/controlDict", "400;", "400", ["endTime is '400 deltaT"]),
        ("system/controlDict", "latestTime", "startTime", ["startFrom latestTime"]),
        ("0/U", "uniform (0 0 0)", "nonuniform List<vector> 1 ((0 0 0))", ["1 values", "200"]),
        ("0/U", "lowerWall", "wall", ["0/U", "lowerWall"]),
        ("0/U", "(1 0 0)", "(x 0 0)", ["0/U", "vectors"]),
        ("0/U", "; }\n}", "; }\n", ["0/U", "ends too early"]),
    ],
)
def test_channel_refuses_a_case_that_it_does_not_understand(case, file, found, instead, words):
    path = case()
    foam(path, "blockMesh")
    edit(path / file, found, instead)
    assert_refused(run("openfoam_like.py", "simpleFoam", cwd=path), "simpleFoam: ", file, *words)
    assert not (path / "postProcessing").exists()


def test_channel_without_a_mesh_names_the_file_that_is_missing(case):
    done = run("openfoam_like.py", "simpleFoam", cwd=case())
    assert_refused(done, "constant/polyMesh/points: No such file")


@pytest.mark.parametrize("cells", ["(1 1 1)", "(1 many 1)", "()"])
def test_block_mesh_refuses_a_block_without_cells(case, cells):
    path = case()
    edit(path / "system/blockMeshDict", "(1 199 1)", cells)
    done = run("openfoam_like.py", "blockMesh", cwd=path)
    assert_refused(done, "blockMesh: system/blockMeshDict: ", "expected")


# --- beam-slides


def test_sample_of_the_modulus_follows_its_stated_rule():
    lines = (CONFIG / "data/young.csv").read_text().splitlines()
    rng = random.Random(2013)
    expected = [
        2.8e7 + 2e7 * (1 - (1 - rng.random()) ** (1 / 2.2)) ** (1 / 0.9) for _ in range(150)
    ]
    assert [line[0] for line in lines[:3]] == ["#", "#", "E"]
    np.testing.assert_allclose(np.array(lines[3:], float), expected, rtol=1e-3)


def test_deck_of_the_slides_gives_the_deviation_in_metres(tmp_path):
    study = read_yaml(CONFIG / "studies/beam-slides.yaml")
    values = {"F": 3e4, "E": 3e7, "L": 255, "I": 400}
    si = {k: eval(str(v), {"__builtins__": {}}, values) for k, v in study["derived"].items()}
    text = (TEMPLATES / "beam-slides.xml").read_text()
    rendered = re.sub(r"@(\w+)", lambda m: repr((values | si)[m[1]]), text)
    (tmp_path / "in.xml").write_text(rendered)
    done = run("beam.py", "in.xml", "out.xml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.search(r'deviation="(.+?)"', (tmp_path / "out.xml").read_text())
    assert float(found[1]) == pytest.approx(3e4 * 255**3 / (3 * 3e7 * 400) / 100, rel=1e-12)


# --- calculix


def lever_deck(number_format=".14g", load=None, **changes):
    """Return the deck; `load` is the text of the load instead of its value in the format."""

    def show(value):
        return format(value, number_format) if isinstance(value, float) else value

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, finalize=show)
    text = (TEMPLATES / "calculix/cantilever.inp").read_text()
    if load is not None:
        text = text.replace("{{ F }}", load)
    return environment.from_string(text).render(**{**LEVER, **changes})


def ccx(cwd, text):
    (cwd / "cantilever.inp").write_text(text)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = ["ccx", "cantilever"]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def word_after(text, marker, field):
    return float(text.rpartition(marker)[2].split()[field - 1])


def results(cwd):
    """Return deflection and frequency, found as the study file says."""
    text = (cwd / "cantilever.dat").read_text()
    outputs = read_yaml(CONFIG / "studies/calculix.yaml")["model"]["outputs"]
    assert all(text.count(o["after"]) == 1 for o in outputs)
    return [word_after(text, o["after"], o["field"]) for o in outputs]


def beam_theory(F, E, L, h, b, nu, rho):
    """Return Timoshenko's deflection [m] and Euler-Bernoulli's first frequency [Hz]."""
    area, inertia, shear = b * h, b * h**3 / 12, E / (2 * (1 + nu))
    coefficient = 10 * (1 + nu) / (12 + 11 * nu)  # Cowper (1966), doi:10.1115/1.3625046
    deflection = F * L**3 / (3 * E * inertia) + F * L / (coefficient * shear * area)
    root = 1.8751040687119611  # cos x cosh x = -1
    frequency = root**2 / (2 * math.pi) * math.sqrt(E * inertia / (rho * area * L**4))
    return deflection, frequency


def test_deck_of_calculix_takes_the_inputs_of_its_study_and_no_others():
    text = (TEMPLATES / "calculix/cantilever.inp").read_text()
    names = jinja2.meta.find_undeclared_variables(jinja2.Environment().parse(text))
    study = read_yaml(CONFIG / "studies/calculix.yaml")
    assert names - {"range"} == {item["name"] for item in study["inputs"]} == set(LEVER)


@needs_ccx
@pytest.mark.parametrize("change", [{}, {"L": 190e-6, "h": 4.2e-6}, {"E": 157e9, "F": -1.1e-6}])
def test_calculix_agrees_with_beam_theory(tmp_path, change):
    done = ccx(tmp_path, lever_deck(**change))
    assert (done.returncode, "Job finished" in done.stdout) == (0, True)
    np.testing.assert_allclose(results(tmp_path), beam_theory(**LEVER | change), rtol=0.01)


@needs_ccx
def test_calculix_reads_a_number_of_the_default_format_whole(tmp_path):
    load = -1.2345678901234567e-06  # sign, 14 digits and exponent fill the field of 20
    assert len(format(load, ".14g")) == 20
    assert ccx(tmp_path, lever_deck(F=load)).returncode == 0
    deflection, _ = beam_theory(**LEVER | {"F": load})
    assert results(tmp_path)[0] == pytest.approx(deflection, rel=0.01)


@needs_ccx
@pytest.mark.parametrize(
    ("load", "decades"),
    [
        (format(1.234567890123401e-06, ".17g"), 6),  # 21 characters: e-0 is left
        (repr(1.234567890123456e-06), 6),
        (format(-1.23456789012345e-06, ".15g"), 6),
        (format(1.234567890123456e-06, ".18e"), 6),  # of numpy.savetxt: no exponent is left
        (format(1.234567890123402e-12, ".17g"), 11),  # e-1 is left
    ],
)
def test_calculix_returns_a_wrong_answer_and_exit_code_0_for_longer_numbers(
    tmp_path, load, decades
):
    done = ccx(tmp_path, lever_deck(load=load))
    assert (done.returncode, "Job finished" in done.stdout) == (0, True)
    assert "ERROR" not in done.stdout
    assert "WARNING" not in done.stdout
    deflection, _ = beam_theory(**LEVER | {"F": float(load)})
    assert results(tmp_path)[0] / deflection == pytest.approx(10.0**decades, rel=0.01)


@needs_ccx
def test_calculix_stops_at_a_number_cut_behind_the_e(tmp_path):
    load = format(1.2345678901234567e-06, ".17g")
    assert (len(load), load[19:]) == (22, "-06")
    done = ccx(tmp_path, lever_deck(load=load))
    assert (done.returncode, "*ERROR reading *CLOAD" in done.stdout) == (201, True)


# --- the studies


@pytest.mark.parametrize("path", sorted((CONFIG / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_files_that_a_shipped_study_names_exist(path):
    model = read_yaml(path).get("model", {})  # of parareal, functions that its check loads
    steps = model.get("command", [])
    steps = [steps] if steps and not isinstance(steps[0], list) else steps
    named = [step[0] for step in steps if "/" in step[0]]
    kinds = ("template", "tree", "link", "copy")
    named += [f[k] for f in model.get("files", []) for k in kinds if k in f]
    for name in named:
        assert (path.parent / name).exists(), name


# --- ngspice

COLPITTS = {"L": 10e-6, "C1": 1e-9, "C2": 4.7e-9, "RL": 2000.0, "BF": 150, "VCC": 9, "RE": 3000}
needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="no ngspice on PATH; apt install ngspice"
)


def oscillate(cwd, **changes):
    """Simulate the oscillator; return what the study finds in its output, and the spectrum."""
    text = (TEMPLATES / "ngspice/colpitts.cir").read_text()
    for name, value in (COLPITTS | changes).items():
        text = text.replace(f"@{name}@", format(value, ".14g"))
    (cwd / "colpitts.cir").write_text(text)
    study = read_yaml(CONFIG / "studies/ngspice.yaml")["model"]
    done = subprocess.run(study["command"], cwd=cwd, capture_output=True, text=True, check=True)
    assert re.search(study["success"][0]["regex"], done.stdout, re.MULTILINE)
    patterns = {o["name"]: o["regex"] for o in study["outputs"] if "regex" in o}
    found = {n: float(re.findall(p, done.stdout, re.MULTILINE)[-1]) for n, p in patterns.items()}
    return found, np.loadtxt(cwd / "spectrum.txt")


def test_netlist_takes_the_inputs_of_its_study_and_no_others():
    text = (TEMPLATES / "ngspice/colpitts.cir").read_text()
    study = read_yaml(CONFIG / "studies/ngspice.yaml")
    names = {item["name"] for item in study["inputs"]} | set(study["sweep"])
    assert set(re.findall("@(.*?)@", text)) == names == set(COLPITTS)


@needs_ngspice
@pytest.mark.parametrize("change", [{}, {"L": 9.5e-6, "C2": 4.5e-9}, {"C1": 1.05e-9, "RE": 6000}])
def test_the_oscillator_has_the_frequency_of_its_tank(tmp_path, change):
    found, spectrum = oscillate(tmp_path, **change)
    at = COLPITTS | change
    tank = 1 / (2 * math.pi * math.sqrt(at["L"] / (1 / at["C1"] + 1 / at["C2"])))
    assert found["frequency"] == pytest.approx(tank, rel=0.01)
    part = spectrum[1:206]
    assert part[-1, 0] == pytest.approx(5e6, rel=0.01)
    assert part[part[:, 1].argmax(), 0] == pytest.approx(tank, rel=0.02)


@needs_ngspice
@pytest.mark.parametrize("RE", [6000, 12000])
def test_it_oscillates_where_the_transistor_makes_up_for_the_losses(tmp_path, RE):
    """At the limit RL gm n (1 - n) = 1, with n = C1 / (C1 + C2) and gm = Ic / 25.85 mV."""
    share = 1e-9 / 5.7e-9
    current = (9 * 10 / 32 - 0.66) / RE
    limit = 25.85e-3 / (current * share * (1 - share))
    weak, _ = oscillate(tmp_path, RE=RE, RL=0.8 * limit)
    assert weak["swing"] < 1e-3
    assert weak["frequency"] == 0
    strong, _ = oscillate(tmp_path, RE=RE, RL=1.5 * limit)
    assert strong["swing"] > 0.1
