"""Designs that double until their indices are known well enough: loops, rounds, what ends them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from small_studies import evaluate, load, python, shell, study_tree

from ensnare.analyses.estimators.sobol import sobol_indices
from ensnare.analyses.rounds import measure_round
from ensnare.errors import ArchiveError, BatchError, ConfigError
from ensnare.evaluate.adopt import adopt
from ensnare.evaluate.forecast import count_rounds, rounds_note
from ensnare.plan.batches import plan_batches
from ensnare.plan.criteria import Measured, Widest, decide, ending, round_report
from ensnare.plan.loops import follow
from ensnare.plan.rounds import Growth, as_it_grew, as_it_stands, at_size, round_of, write_round
from ensnare.report.figures.rounds import plot_rounds
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import parse_study

INPUTS = ("x1", "x2", "x3")
Y = {"python": {"call": "m.py:y"}, "outputs": [{"name": "y"}]}


def growing(directory, until=None, size=16, **changes):
    until = {"width": 0.1, "budget": 1000} | (until or {})
    model = changes.pop("model", python("m.py:y", "y"))
    (directory / "m.py").write_text("def y(x1, x2, x3):\n    return x1 + 2 * x2\n")
    tree = study_tree(model, inputs=INPUTS, **changes)
    return tree | {"design": {"method": "saltelli", "size": size, "until": until}}


def measured(size=16, **widths):
    """Return what was measured; a text instead of a width says why there is none."""
    outputs = {
        name: Widest(name, None, "x1", {}, width)
        if isinstance(width, str)
        else Widest(name, width, "x1", {}, "")
        for name, width in widths.items()
    }
    return Measured(size, 5 * size, 0, outputs)


@dataclass
class Halving:
    """A loop that halves a number until it is small enough; its files hold the numbers."""

    goal: float
    first: int = 0

    def read(self, path):
        return float(path.read_text())

    def after(self, done):
        step, value = done[-1]
        return None if value < self.goal else step + 1


def run(loop, directory):
    """Take the steps that are missing; return them."""
    taken = []
    while True:
        found = follow(
            loop,
            lambda step: p if (p := directory / str(step)).exists() else None,
        )
        if found.missing is None:
            return taken, found.done
        taken.append(found.missing)
        (directory / str(found.missing)).write_text(str(2.0**-found.missing))


def test_a_loop_takes_each_step_once_and_none_again_for_another_goal(tmp_path):
    assert run(Halving(0.3), tmp_path)[0] == [0, 1, 2]
    assert run(Halving(0.3), tmp_path)[0] == []
    assert run(Halving(0.1), tmp_path)[0] == [3, 4]
    taken, done = run(Halving(0.6), tmp_path)
    assert (taken, done) == ([], [(0, 1.0), (1, 0.5)])


@pytest.mark.parametrize(
    ("widths", "end"),
    [
        ({"y": 0.0999}, "reached"),
        ({"y": 0.1}, ""),  # narrower than, not as narrow as
        ({"y": 0.0}, "reached"),  # an input that does nothing
        ({"y": 0.01, "z": 0.2}, ""),
        ({"y": 0.01, "z": "constant"}, "undefined"),
        ({"y": 0.2, "z": "constant"}, ""),
        ({"y": "constant", "z": "constant"}, "undefined"),
    ],
)
def test_a_design_ends_when_every_interval_is_narrow_or_none_can_become_so(tmp_path, widths, end):
    outputs = [{"name": name} for name in widths]
    model = python("m.py:y", "y") | {"outputs": outputs}
    study = parse_study(growing(tmp_path, model=model))
    assert decide(study, measured(**widths)).end == end
    if not end:
        assert decide(study, measured(size=200, **widths)).end == "budget"
        assert decide(study, measured(size=199, **widths)).end == ""


def test_a_design_with_too_few_base_rows_grows_while_it_can(tmp_path):
    study = parse_study(growing(tmp_path))
    few = Widest("y", None, "", {}, "2 of 16 base rows have all their samples", too_few=True)
    found = Measured(16, 80, 60, {"y": few})
    assert decide(study, found).end == ""
    said = "output y: 2 of 16 base rows have all their samples, expected less than 0.1"
    assert ending(study, [found]) == f"not reached yet: {said}"
    spent = Measured(200, 1000, 900, {"y": few})
    assert ending(study, [spent]) == f"budget of 1000 samples spent: {said}"


def test_only_the_outputs_that_are_named_count(tmp_path):
    model = python("m.py:y", "y", "z")
    study = parse_study(growing(tmp_path, {"outputs": ["y"]}, model=model))
    assert decide(study, measured(y=0.05, z=0.9)).end == "reached"
    assert decide(study, measured(y=0.05, z="constant")).end == "reached"


def test_a_line_says_why_a_design_ended(tmp_path):
    study = parse_study(growing(tmp_path))
    assert ending(study, [measured(y=0.05)]) == (
        "reached: widest interval 0.05 (output y, x1), expected less than 0.1"
    )
    assert ending(study, [measured(200, y=0.5)]) == (
        "budget of 1000 samples spent: widest interval 0.5 (output y, x1), expected less than 0.1"
    )
    assert ending(study, [measured(y="none vary")]) == ("cannot be reached: output y: none vary")


def test_a_line_says_which_outputs_are_not_judged_and_how_the_others_stand(tmp_path):
    study = parse_study(growing(tmp_path, model=python("m.py:y", "y", "z")))
    some, none = measured(y=0.5, z="constant"), measured(y=0.05, z="constant")
    assert ending(study, [some]) == (
        "not reached yet: widest interval 0.5 (output y, x1), expected less than 0.1; "
        "output z: constant"
    )
    assert ending(study, [none]) == (
        "cannot be reached: output z: constant; all other intervals are narrower than 0.1, the "
        "widest is 0.05 (output y, x1)"
    )
    both = measured(y="all failed", z="constant")
    said = "cannot be reached: output y: all failed; output z: constant"
    assert ending(study, [both]) == said
    assert round_report(study, 1, none).splitlines()[0] == (
        "study small: round 2: 16 base rows, 80 samples; widest interval: y 0.05 (x1), z none; "
        "expected less than 0.1"
    )
    assert round_report(study, 1, both).splitlines()[1] == f"study small: rounds: {said}"


@pytest.mark.parametrize(
    ("budget", "sweep", "sizes"),
    [
        (80, {}, [16]),
        (84, {}, [16]),
        (85, {}, [16, 17]),
        (1000, {}, [16, 32, 64, 128, 200]),
        (1280, {}, [16, 32, 64, 128, 256]),
        (1279, {"k": [1, 2]}, [16, 32, 64, 127]),
    ],
)
def test_a_design_doubles_and_at_last_takes_what_is_left_of_the_budget(
    tmp_path, budget, sweep, sizes
):
    study = load(growing(tmp_path, {"budget": budget}, sweep=sweep), tmp_path)
    rounds = Growth(study).rounds
    assert [item.size for item in rounds] == sizes
    counts = [sum(map(len, item.batches)) for item in rounds]
    assert counts == [n * 5 * max(1, len(sweep.get("k", []))) for n in sizes]
    assert counts[-1] <= budget


def test_batches_are_those_of_a_study_of_that_size(tmp_path):
    tree = growing(tmp_path)
    rounds = Growth(load(tree, tmp_path)).rounds
    for item in rounds:
        plain = tree | {"design": {"method": "saltelli", "size": item.size}}
        assert item.batches == plan_batches(load(plain, tmp_path))


def test_the_criterion_is_not_part_of_the_name_of_a_round(tmp_path):
    def keys(until=None, **changes):
        return [r.key for r in Growth(load(growing(tmp_path, until, **changes), tmp_path)).rounds]

    first = keys()
    assert len(set(first)) == 5
    assert keys({"width": 0.01, "outputs": ["y"]}) == first
    assert keys({"budget": 700})[:4] == first[:4]
    for other in (
        {"analyses": [{"sobol": {"confidence": 0.9}}]},
        {"analyses": [{"sobol": {"estimator": "jansen"}}]},
        {"model": python("m.py:y", "y") | {"outputs": [{"name": "y", "range": [0, 1]}]}},
        {"seed": 1},
    ):
        assert not set(keys(**other)) & set(first)


def test_a_study_stands_where_its_files_tell(tmp_path):
    study, paths = load(growing(tmp_path), tmp_path), StudyPaths(tmp_path / "results/small")
    growth = Growth(study)
    assert as_it_stands(study, paths).config.design.size == 16
    for item, width in zip(growth.rounds, (0.5, 0.3, 0.05), strict=False):
        write_round(paths.round(item.key), measured(item.size, y=width))
    stands = as_it_stands(study, paths)
    assert stands.config.design.size == 64
    assert stands.stated == study.config
    assert as_it_stands(stands, paths) == stands
    assert [r.key for r in Growth(stands).rounds] == [r.key for r in growth.rounds]
    paths.round(growth.rounds[1].key).write_text("{")
    with pytest.raises(ArchiveError, match="not the record of a round; remove it"):
        as_it_stands(study, paths)


def measure(tree, directory):
    """Evaluate the first round; return what is measured in it."""
    _, arrays = evaluate(tree, directory)
    study = Growth(load(tree, directory)).rounds[0].study
    return measure_round(study, arrays)


def test_a_round_knows_its_widest_interval_over_cases_and_inputs(tmp_path):
    tree = growing(tmp_path, sweep={"k": [0, 1]})
    tree["model"]["outputs"].append({"name": "u", "shape": [2]})
    source = "def y(x1, x2, x3, k):\n    return {'y': x1 + k * 9 * x2 * x2, 'u': [1, 2]}\n"
    (tmp_path / "m.py").write_text(source)
    _, arrays = evaluate(tree, tmp_path)
    found = measure_round(Growth(load(tree, tmp_path)).rounds[0].study, arrays)
    assert (found.size, found.samples, found.failed) == (16, 160, 0)
    assert set(found.outputs) == {"y"}  # arrays do not count
    # rows are groups of A, B, E_1 .. E_3, case by case
    cases = arrays.y[:, 0].reshape(2, 16, 5)
    width = np.array([(i := sobol_indices(y)).total_high - i.total_low for y in cases])
    k, i = np.unravel_index(width.argmax(), width.shape)
    assert found.outputs["y"] == Widest("y", width.max(), f"x{i + 1}", {"k": int(k)}, "")
    assert Measured.from_json(found.to_json()) == found


def test_an_output_that_is_constant_has_no_interval(tmp_path):
    tree = growing(tmp_path)
    (tmp_path / "m.py").write_text("def y(x1, x2, x3):\n    return 3.0\n")
    y = measure(tree, tmp_path).outputs["y"]
    assert y.width is None
    assert y.undefined == "constant (3), so its indices do not exist"


def test_what_is_undefined_is_said_of_its_own_case(tmp_path):
    tree = growing(tmp_path, sweep={"k": [1, 0]})
    (tmp_path / "m.py").write_text("def y(x1, x2, x3, k):\n    return 3.0 + k * x1 * x2\n")
    y = measure(tree, tmp_path).outputs["y"]
    assert (y.case, y.width > 0) == ({"k": 1}, True)
    assert y.undefined == "k=0: constant (3), so its indices do not exist"


def test_a_change_of_the_model_says_what_is_lost_of_all_rounds(tmp_path):
    tree = growing(tmp_path)
    paths = StudyPaths(tmp_path / "results/small")
    for size in (16, 32, 64):
        evaluate(tree | {"design": {"method": "saltelli", "size": size}}, tmp_path)
    growth = Growth(load(tree, tmp_path))
    for item, width in zip(growth.rounds, (0.5, 0.3, 0.05), strict=False):
        write_round(paths.round(item.key), measured(item.size, y=width))
    account = count_rounds(growth, paths)
    assert (account.run, account.reused, account.rerun) == (0, 320, 0)

    (tmp_path / "m.py").write_text("def y(x1, x2, x3):\n    return x1 - 2 * x2\n")
    changed = Growth(load(tree, tmp_path))
    account = count_rounds(changed, paths)
    assert (account.run, account.reused, account.rerun) == (80, 0, 320)
    assert "round 1 of at most 5, of 16 base rows" in rounds_note(changed, paths)
    assert as_it_grew(load(tree, tmp_path), paths).config.design.size == 64
    assert adopt(as_it_grew(load(tree, tmp_path), paths), paths) == 320
    assert count_rounds(changed, paths).reused == 80


def test_too_few_base_rows_without_failures_have_no_interval(tmp_path):
    tree = growing(tmp_path)
    source = "def y(x1, x2, x3):\n    if x1 > 0.2: raise ValueError('no')\n    return x2\n"
    (tmp_path / "m.py").write_text(source)
    found = measure(tree, tmp_path)
    assert found.failed > 40
    assert "of 16 base rows have all their samples; 4 are needed" in found.outputs["y"].undefined
    assert found.outputs["y"].too_few


def test_where_every_sample_fails_a_larger_design_would_not_help(tmp_path):
    tree = growing(tmp_path, sweep={"k": [0, 1]})
    source = "def y(x1, x2, x3, k):\n    if k or x1 > 0.2: raise ValueError('no')\n    return x2\n"
    (tmp_path / "m.py").write_text(source)
    y = measure(tree, tmp_path).outputs["y"]
    assert (y.undefined, y.too_few) == (
        "k=1: none of 80 samples has a value, so there are no indices",
        False,
    )


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ({"width": 0, "budget": 80}, "design.until.width: got 0.0; expected more than 0"),
        ({"with": 0.1, "budget": 80}, "design.until: unknown key 'with'; did you mean 'width'?"),
        ({"budget": 80}, "design.until: missing key 'width'; add it"),
        ({"width": 0.1}, "design.until: missing key 'budget'; add it"),
        (
            {"width": 0.1, "budget": 79},
            "design.until.budget: got 79; the first round has 80 samples",
        ),
        (
            {"width": 0.1, "budget": 1e12},
            "design.until.budget: 1e+12 rows of a design; expected at most 1e+08",
        ),
        (
            {"width": 0.1, "budget": 80, "outputs": ["yy"]},
            "design.until.outputs: no output 'yy'; did you mean 'y'?",
        ),
    ],
)
def test_a_mistake_in_until_is_one_line(tmp_path, until, expected):
    tree = growing(tmp_path)
    tree["design"]["until"] = until
    with pytest.raises(ConfigError) as caught:
        parse_study(tree, source="study.yaml")
    assert str(caught.value) == f"study.yaml: {expected}"


def test_other_designs_do_not_double(tmp_path):
    tree = growing(tmp_path)
    tree["design"]["method"] = "sobol"
    with pytest.raises(ConfigError, match="design: unknown key 'until'"):
        parse_study(tree)


def test_until_needs_indices_and_an_output_that_is_a_number(tmp_path):
    tree = growing(tmp_path, analyses=["statistics"])
    with pytest.raises(ConfigError, match=r"design\.until: needs the analysis sobol; add it"):
        parse_study(tree)
    model = shell("true", {"name": "u", "table": "t.csv", "column": 1, "shape": [3]})
    with pytest.raises(ConfigError, match=r"design\.until: all outputs are arrays"):
        parse_study(growing(tmp_path, model=model))
    model = shell("true", *model["outputs"], {"name": "y", "regex": "y"})
    with pytest.raises(ConfigError, match="'u' is an array; expected a number: reduce it"):
        parse_study(growing(tmp_path, {"outputs": ["u"]}, model=model))


def test_a_key_that_no_round_has_is_one_line(tmp_path):
    study = load(growing(tmp_path), tmp_path)
    assert round_of(study, Growth(study).rounds[2].key).size == 64
    with pytest.raises(BatchError, match=r"no round 0+ in the study as it is now"):
        round_of(study, "0" * 16)
    assert at_size(study, 99).config.design.size == 99


def table(*rows):
    columns = ["round", "size", "samples", "n_failed", "output", "width", "input", "note"]
    return pd.DataFrame(rows, columns=columns)


def test_a_figure_shows_each_round_of_each_output_and_the_goal():
    rows = [(k + 1, 16 << k, 80 << k, 0, y, w / 2**k, "x1", None)
            for y, w in (("y", 0.4), ("z", 0.2)) for k in range(4)]  # fmt: skip
    figure = plot_rounds(table(*rows), width=0.1, budget=1000)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["y"].get_xdata().tolist() == [80, 160, 320, 640]
    np.testing.assert_allclose(lines["z"].get_ydata(), [0.2, 0.1, 0.05, 0.025])
    assert {"to be reached: 0.1", "budget: 1000"} <= set(lines)
    assert axes.get_xlabel() == "samples"
    assert axes.get_ylabel() == "widest interval of a total index [-]"


def test_a_figure_says_in_which_round_an_interval_is_not_defined():
    rows = [(1, 16, 80, 0, "y", None, "x1", "constant"), (2, 32, 160, 0, "y", 0.0, "x1", None)]
    figure = plot_rounds(table(*rows), width=0.1, budget=1000)
    assert "not defined in round 1" in figure.get_suptitle()
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [0.05]  # 0 on a log axis
    figure = plot_rounds(table(rows[0]), width=0.1, budget=1000)
    assert "no interval is defined" in [t.get_text() for t in figure.axes[0].texts]
