import ast
import csv
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openturns as ot
import pytest

from ensnare import models
from ensnare.models.flood import flood, solve
from ensnare.models.ishigami import ishigami

MODELS = Path(models.__file__).parent
TEMPLATES = Path(__file__).parents[3] / "config" / "templates"
BEAM = {"F": 300.0, "E": 67.0e9, "L": 2.55, "I": 1.45e-7}
FLOOD = {
    "Q": 1013.0, "Ks": 30.0, "Zv": 50.0, "Zm": 55.0, "B": 300.0, "L": 5000.0, "Zb": 55.5, "Hd": 8.0,
}  # fmt: skip


def run(program, *arguments, cwd):
    command = [sys.executable, str(MODELS / program), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def beam_deck(**changes):
    text = (TEMPLATES / "beam.xml").read_text()
    for name, value in {**BEAM, **changes}.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def flood_deck(**changes):
    text = (TEMPLATES / "flood.txt").read_text()
    for name, value in {**FLOOD, **changes}.items():
        text = text.replace(f"${{{name}}}", str(value))
    return text


def run_beam(text, cwd):
    (cwd / "in.xml").write_text(text)
    return run("beam.py", "in.xml", "out.xml", cwd=cwd)


def run_flood(text, cwd):
    (cwd / "deck.txt").write_text(text)
    return run("flood.py", "deck.txt", cwd=cwd)


def assert_refused(done, *words):
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_templates_hold_one_placeholder_for_each_variable():
    beam = (TEMPLATES / "beam.xml").read_text()
    flood = (TEMPLATES / "flood.txt").read_text()
    assert sorted(re.findall(r"@(\w+)@", beam)) == sorted(BEAM)
    assert sorted(re.findall(r"\$\{(\w+)\}", flood)) == sorted(FLOOD)


@pytest.mark.parametrize("program", ["beam.py", "flood.py"])
def test_program_can_be_executed_and_imports_only_the_standard_library(program):
    path = MODELS / program
    source = path.read_text()
    assert os.access(path, os.X_OK)
    assert source.startswith("#!/usr/bin/env python3\n")
    nodes = list(ast.walk(ast.parse(source)))
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_beam_writes_the_deviation_of_the_formula(tmp_path):
    done = run_beam(beam_deck(), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = re.search(r'<outputs unit="m" deviation="(.+?)"/>', (tmp_path / "out.xml").read_text())
    expected = 300 * 2.55**3 / (3 * 67e9 * 1.45e-7)
    assert float(found[1]) == pytest.approx(expected, rel=1e-14)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.xml", "out.xml"]


def test_beam_runs_as_a_module(tmp_path):
    (tmp_path / "in.xml").write_text(beam_deck())
    command = [sys.executable, "-m", "ensnare.models.beam", "in.xml", "out.xml"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert "deviation" in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"E": "@E@"}, ["E is '@E@'", "a number"]),
        ({"E": "nan"}, ["E is nan Pa", "> 0"]),
        ({"I": 0}, ["I is 0 m^4", "> 0"]),
        ({"L": -1}, ["L is -1 m", "> 0"]),
        ({"F": "inf"}, ["F is inf N", "finite"]),
        ({"L": 1e200}, ["deviation is inf"]),
        ({"E": 1e-300, "I": 1e-300}, ["division by zero"]),
    ],
)
def test_beam_refuses_a_value_without_a_meaning(tmp_path, changes, words):
    assert_refused(run_beam(beam_deck(**changes), tmp_path), "beam: in.xml: ", *words)
    assert not (tmp_path / "out.xml").exists()


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ('unit="Pa"', 'unit="MPa"', ["E is in MPa", "unit Pa"]),
        ('unit="m^4"', "", ["I is in None", "unit m^4"]),
        ("<load", "<weight", ["no F", '<load unit="N"']),
        ("</beam>", "", ["not XML", "line"]),
        ("</beam>", "<span/></beam>", ["<span> again"]),
    ],
)
def test_beam_refuses_a_deck_that_it_does_not_understand(tmp_path, found, instead, words):
    assert_refused(run_beam(beam_deck().replace(found, instead), tmp_path), *words)


def test_beam_reports_files_that_it_cannot_open(tmp_path):
    assert_refused(run("beam.py", "no.xml", "out.xml", cwd=tmp_path), "no.xml: No such file")
    (tmp_path / "in.xml").write_text(beam_deck())
    done = run("beam.py", "in.xml", "no/out.xml", cwd=tmp_path)
    assert_refused(done, "no/out.xml: No such file")


@pytest.mark.parametrize("program", ["beam.py", "flood.py"])
def test_program_called_without_a_deck_shows_its_usage(tmp_path, program):
    done = run(program, cwd=tmp_path)
    assert (done.returncode, done.stderr.split()[:2]) == (2, ["usage:", program])


def test_flood_as_a_function_is_the_program():
    values = {"Q": 1200, "Ks": 31, "Zv": 50, "Zm": 55, "B": 300, "L": 5000, "Zb": 55.5, "Hd": 8}
    found = flood(**values)
    assert (found["H"], found["S"]) == solve(values)


def test_flood_writes_the_height_and_the_overflow_of_the_formulas(tmp_path):
    done = run_flood(flood_deck(), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    height = (1013 / (30 * 300 * math.sqrt(5 / 5000))) ** 0.6
    header, row = csv.reader((tmp_path / "flood.csv").read_text().splitlines())
    assert header == ["H", "S"]
    np.testing.assert_allclose(np.array(row, float), [height, 50 + height - 63.5], rtol=1e-14)
    printed = re.fullmatch(r"S = (\S+) m\n", done.stdout)
    assert float(printed[1]) == pytest.approx(height - 13.5, rel=1e-9)


def test_flood_over_the_dyke_is_a_result(tmp_path):
    done = run_flood(flood_deck(Q=1e5), tmp_path)
    assert done.returncode == 0
    assert float(done.stdout.split()[2]) > 0


def test_flood_without_slope_is_refused_with_both_levels(tmp_path):
    assert_refused(run_flood(flood_deck(Zm=50), tmp_path), "Zm is 50 m", "more than Zv, 50 m")


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        ("Q  = 1013.0", "Q  = ${Q}", ["line 2", "Q is '${Q}'", "a number"]),
        ("Q  = 1013.0", "Q  = -1", ["line 2", "Q is -1 m^3/s", "> 0"]),
        ("Zb = 55.5", "Zb = nan", ["line 8", "Zb is nan m", "finite"]),
        ("Ks = 30.0", "KS = 30.0", ["line 3", "'KS'", "Ks"]),
        ("Ks = 30.0", "", ["no Ks"]),
        ("Ks = 30.0", "Ks = 30.0\nKs = 31", ["line 4", "Ks again"]),
        ("Ks = 30.0", "Ks: 30.0", ["line 3", "key = value"]),
    ],
)
def test_flood_refuses_a_deck_that_it_does_not_understand(tmp_path, found, instead, words):
    done = run_flood(flood_deck().replace(found, instead), tmp_path)
    assert_refused(done, "flood: deck.txt: ", *words)
    assert not (tmp_path / "flood.csv").exists()


def test_flood_reports_a_deck_that_it_cannot_open(tmp_path):
    assert_refused(run("flood.py", "no.txt", cwd=tmp_path), "no.txt: No such file")


def truncated_flood():
    """Return the truncated variant, whose output has a variance."""

    def between(distribution, *bounds):
        return ot.TruncatedDistribution(distribution, *bounds)

    gumbel = ot.Gumbel(558, 1013)
    marginals = {
        "Q": between(gumbel, 500.0, 3000.0),
        "Ks": between(ot.Normal(30, 8), 15.0, ot.TruncatedDistribution.LOWER),
        "Zv": ot.Triangular(49, 50, 51),
        "Zm": ot.Triangular(54, 55, 56),
        "B": ot.Triangular(295, 300, 305),
        "L": ot.Triangular(4990, 5000, 5010),
        "Zb": ot.Triangular(55, 55.5, 56),
        "Hd": ot.Uniform(7, 9),
    }
    return list(marginals), ot.JointDistribution(list(marginals.values()))


def test_overflow_of_the_truncated_flood_has_its_known_mean_and_variance():
    names, distribution = truncated_flood()
    design = ot.LowDiscrepancyExperiment(ot.SobolSequence(), distribution, 2**14, False)
    rows = np.array(design.generate())
    S = np.array([solve(dict(zip(names, row, strict=True)))[1] for row in rows.tolist()])
    assert S.mean() == pytest.approx(-10.9444938, abs=1e-3)
    assert S.var() == pytest.approx(1.1744703, rel=3e-3)


def test_ishigami_has_its_known_variance_and_indices():
    node, weight = np.polynomial.legendre.leggauss(32)
    x1, x2, x3 = np.meshgrid(*3 * [np.pi * node], indexing="ij")
    y = ishigami(x1.ravel(), x2.ravel(), x3.ravel())["y"].reshape(x1.shape)
    w = weight / 2
    mean = np.einsum("ijk,i,j,k", y, w, w, w)
    variance = np.einsum("ijk,i,j,k", (y - mean) ** 2, w, w, w)
    assert variance == pytest.approx(13.844587940719254, rel=1e-12)
    conditional = [np.einsum(f"ijk,{a},{b}", y, w, w) for a, b in ("jk", "ik", "ij")]
    first_order = [np.dot(w, (c - mean) ** 2) / variance for c in conditional]
    np.testing.assert_allclose(first_order, [0.313905, 0.442411, 0], atol=1e-6)


def test_ishigami_takes_single_numbers():
    assert ishigami(math.pi / 2, math.pi / 2, 1.0)["y"] == pytest.approx(8.1, rel=1e-15)
    assert ishigami(math.pi / 2, 0, 2)["y"] == pytest.approx(2.6, rel=1e-15)
