import itertools
import subprocess
import sys

import h5py
import numpy as np
import pytest
from good_study import FOR_SALTELLI, FOR_TABLE, GOOD, changed, loaded, with_python
from hypothesis import given
from hypothesis import strategies as st

from ensnare.design.tables import count_csv_rows, count_hdf5_rows, read_table
from ensnare.plan.batches import boundaries, design_content, design_rows, plan_batches
from ensnare.study.loading import LoadedStudy, parse_study

COMMAND = 'command: [bin/code.sh, in.txt, "${mesh}"]'
SALTELLI = changed(*FOR_SALTELLI)
UNIFORM = {"Uniform": {"a": 0, "b": 1}}


def keys(study):
    return [batch.key for batch in plan_batches(study)]


def tree_of(size=10, sweep=None, batch=None, method="sobol", **model):
    """Return a study without files, so that many can be planned quickly."""
    outputs = [{"name": "y", "regex": "(.*)"}]
    return {
        "study": "s",
        "inputs": [{"name": "x", "distribution": UNIFORM}, {"name": "w", "distribution": UNIFORM}],
        "design": {"method": method, "size": size},
        "sweep": sweep or {},
        "batch": {"size": batch or "auto"},
        "model": {"command": ["true"], "outputs": outputs, **model},
    }


def study_of(*arguments, **named):
    return LoadedStudy(parse_study(tree_of(*arguments, **named)), ".", "study.yaml")


@pytest.mark.slow
@given(
    st.integers(1, 3000),
    st.integers(1, 40),
    st.one_of(st.none(), st.integers(1, 700)),
    st.sampled_from(["monte_carlo", "saltelli"]),
)
def test_every_sample_is_in_one_batch(size, cases, batch, method):
    study = study_of(size, {"n": list(range(cases))}, batch, method)
    batches = plan_batches(study)
    rows = design_rows(study)
    assert rows == (4 * size if method == "saltelli" else size)
    seen = sorted((s.case, s.start, s.stop) for b in batches for s in b.segments)
    for case in range(cases):
        own = [(start, stop) for c, start, stop in seen if c == case]
        assert own[0][0] == 0
        assert own[-1][1] == rows
        assert all(a[1] == b[0] for a, b in itertools.pairwise(own))
    assert sum(map(len, batches)) == rows * cases
    assert len({b.key for b in batches}) == len(batches)


@given(st.integers(0, 10**6), st.one_of(st.none(), st.integers(1, 10**6)), st.integers(1, 1000))
def test_boundaries_do_not_move_when_the_total_grows(total, size, first):
    size = None if size is None else max(size, total // 100 + 1)
    one = list(boundaries(total, size, first))
    two = list(boundaries(total + first, size, first))
    assert two[: max(0, len(one) - 1)] == one[:-1]
    assert sum(stop - start for start, stop in one) == total
    if size is not None:
        assert all(stop - start == size for start, stop in one[:-1])


@pytest.mark.parametrize("method", ["monte_carlo", "sobol", "saltelli"])
def test_a_million_rows_are_few_batches(method):
    size = 250_000 if method == "saltelli" else 10**6
    assert len(plan_batches(study_of(size, method=method))) <= 64
    assert len(plan_batches(study_of(1, {"n": list(range(10_000))}))) <= 64


@pytest.mark.parametrize("method", ["monte_carlo", "sobol", "saltelli"])
def test_a_study_that_grows_keeps_its_whole_batches(method):
    small, large = keys(study_of(24000, method=method)), keys(study_of(60000, method=method))
    assert small[:-1] == large[: len(small) - 1]
    assert len(large) > len(small) > 2


def test_a_batch_of_one_size_takes_as_many_samples():
    assert [len(b) for b in plan_batches(study_of(10, batch=4))] == [4, 4, 2]
    two = {"n": [1, 2], "m": [1, 2, 3]}
    assert [len(b) for b in plan_batches(study_of(2, two, 4))] == [4, 4, 4]


def test_a_level_that_is_added_leaves_the_batches_of_the_others():
    one = set(keys(study_of(9000, {"mesh": ["a", "b"]})))
    two = set(keys(study_of(9000, {"mesh": ["c", "a", "b"]})))
    assert one < two


def test_a_factor_with_a_default_leaves_the_batches(tmp_path):
    one = set(keys(loaded(tmp_path)))
    sweep = "sweep: {mesh: [coarse, fine], cores: [1, 2]}"
    more = "sweep: {mesh: [coarse, fine], cores: [1, 2], solver: [cg]}\ndefaults: {solver: cg}"
    assert set(keys(loaded(tmp_path, (sweep, more)))) == one


SAME = {
    "a comment": ("seed: 1\n", "seed: 1  # a comment\n\n"),
    "another order of keys": (
        GOOD,
        "".join(reversed(GOOD.splitlines(keepends=True)[-2:]))
        + "".join(GOOD.splitlines(keepends=True)[:-2]),
    ),
    "another order of inputs": ("- {name: c, value: 2}", "- {name: c, value: 2.0}"),
    "a unit": ("unit: m", "unit: cm"),
    "a description": ("unit: m", "description: length"),
    "a title": ("seed: 1", "seed: 1\ntitle: Good"),
    "the time limit": ("30 s", "1 h"),
    "what is kept": ("30 s", "30 s\nkeep: all"),
    "resources": ("30 s", "30 s\nresources: {threads: 2}"),
    "a range": ("range: [0, 100]", "range: [1, 2]"),
    "analyses": ("[statistics]", "[]"),
    "the environment": ("  success", "  environment: {set: {A: 1}}\n  success"),
    "levels": ("[coarse, fine]", "[fine, coarse]"),
    "factors": ("{mesh: [coarse, fine], cores: [1, 2]}", "{cores: [2, 1.0], mesh: [fine, coarse]}"),
    "the order of outputs": (
        """    - {name: r, json: out.json, key: r, range: [0, 100]}
    - {name: s, regex: "s = (.*)"}
""",
        """    - {name: s, regex: "s = (.*)"}
    - {name: r, json: out.json, key: r, range: [0, 100]}
""",
    ),
    "a pair of the copula": ("[[x, y, 0.5]]", "[[y, x, 0.5]]"),
    "the name of the study": ("study: good", "study: better"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_decides_no_result_keeps_the_names_of_batches(tmp_path, what):
    assert set(keys(loaded(tmp_path, SAME[what]))) == set(keys(loaded(tmp_path)))


@pytest.mark.parametrize("text", [GOOD, SALTELLI], ids=["monte_carlo", "saltelli"])
def test_the_order_of_inputs_keeps_the_names_of_batches(tmp_path, text):
    lines = text.splitlines(keepends=True)
    lines[3:6] = lines[3:6][::-1]
    assert set(keys(loaded(tmp_path, text="".join(lines)))) == set(
        keys(loaded(tmp_path, text=text))
    )


OTHER = {
    "the seed": ("seed: 1", "seed: 2"),
    "a constant": ("value: 2", "value: 3"),
    "a distribution": ("sigma: 1", "sigma: 2"),
    "a truncation": ("[0.1, null]", "[0.2, null]"),
    "the copula": ("0.5]]", "0.6]]"),
    "the method": ("monte_carlo", "sobol"),
    "the size": ("size: 10", "size: 11"),
    "a derived value": ("x * c", "x / c"),
    "an argument": ('in.txt, "${mesh}"', 'in.txt, "${mesh}", -v'),
    "a step": (COMMAND, 'command: [["true"], [bin/code.sh, in.txt, "${mesh}"]]'),
    "a format": ("{template: in.txt}", "{template: in.txt, format: .3g}"),
    "delimiters": ("{template: in.txt}", "{template: in.txt, delimiters: ['$<', '>']}"),
    "a file": ("{copy: data.bin}", "{copy: data.bin, to: more.bin}"),
    "success": ("regex: done", "regex: Done"),
    "where an output stands": ("key: r", "key: s"),
    "the name of an output": ("name: r", "name: t"),
    "stdout": ("  success", "  stdout: log\n  success"),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_decides_results_changes_the_names_of_batches(tmp_path, what):
    assert not set(keys(loaded(tmp_path, OTHER[what]))) & set(keys(loaded(tmp_path)))


def test_the_bytes_of_templates_and_copies_change_the_names_of_batches(tmp_path):
    before = keys(loaded(tmp_path))
    assert keys(loaded(tmp_path)) == before
    assert not set(keys(loaded(tmp_path, files={"in.txt": "${x} ${y} ${z} ${cores}"}))) & set(
        before
    )
    assert not set(keys(loaded(tmp_path, files={"data.bin": b"\xff"}))) & set(before)


def test_linked_files_and_programs_do_not_change_the_names_of_batches(tmp_path):
    change = ("{copy: data.bin}", "{link: data.bin}")
    before = keys(loaded(tmp_path, change))
    files = {"data.bin": b"other", "bin/code.sh": "#!/bin/sh\nexit 1\n"}
    assert keys(loaded(tmp_path, change, files=files)) == before


def test_a_tree_counts_without_what_is_left_out(tmp_path):
    change = ("{copy: data.bin}", '{tree: case, except: ["processor*", "*.log"]}')
    files = {"case/a": "1", "case/system/b": "2"}
    before = keys(loaded(tmp_path, change, files=files))
    more = files | {"case/processor0/p": "3", "case/system/a.log": "4"}
    assert keys(loaded(tmp_path, change, files=more)) == before
    for name in ("case/a", "case/system/b", "case/system/c"):
        assert not set(keys(loaded(tmp_path, change, files=files | {name: "5"}))) & set(before)


def test_a_table_that_changes_changes_the_names_of_batches(tmp_path):
    text = changed(*FOR_TABLE)
    before = keys(loaded(tmp_path, text=text))
    other = keys(loaded(tmp_path, text=text, files={"table.csv": "x,y\n1,2\n3,5\n"}))
    assert not set(other) & set(before)


def test_code_and_not_comments_change_the_batches_of_a_function(tmp_path):
    text = with_python()
    before = keys(loaded(tmp_path, text=text))
    comment = "# what it does\n\ndef f(x, y, z,\n      mesh, cores): return z\n"
    assert keys(loaded(tmp_path, text=text, files={"model.py": comment})) == before
    code = "def f(x, y, z, mesh, cores): return -z\n"
    assert not set(keys(loaded(tmp_path, text=text, files={"model.py": code}))) & set(before)


def test_the_place_of_the_study_does_not_matter(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert keys(loaded(tmp_path / "a")) == keys(loaded(tmp_path / "b"))


def test_names_of_batches_are_what_they_were_in_the_first_release():
    assert keys(study_of(1200, {"mesh": ["a", "b"], "n": [1]}, 512)) == FIRST_RELEASE


FIRST_RELEASE = [
    "4effab7b9cc52123",
    "4c72b6ae04c997d6",
    "58386c0710c3032b",
    "e73ddaaab77964f6",
    "3285653a52daa93b",
    "7155d17b070f8a65",
]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("seed: 1", "seed: 2"), False),
        (("sigma: 1", "sigma: 2"), False),
        (("size: 10", "size: 11"), False),
        (("fine]", "fine, finest]"), False),
        (("name: x,", "name: x2,"), False),
        (("unit: m", "unit: cm"), True),
        (("30 s", "31 s"), True),
        (("value: 2", "value: 3"), True),
    ],
    ids=lambda c: str(c),
)
def test_the_design_file_is_made_again_when_its_content_changes(tmp_path, change, same):
    before = design_content(loaded(tmp_path))
    changes = [change]
    if change[1] == "name: x2,":
        changes += [("{z: x * c}", "{z: x2 * c}"), ("[[x, y", "[[x2, y")]
    assert (design_content(loaded(tmp_path, *changes)) == before) == same


def test_a_sequence_is_the_same_design_for_every_seed(tmp_path):
    assert design_content(loaded(tmp_path, text=SALTELLI)) == design_content(
        loaded(tmp_path, ("seed: 1", "seed: 2"), text=SALTELLI)
    )


def test_planning_batches_imports_nothing_heavy():
    text = "import sys, ensnare.plan.batches, ensnare.study.loading; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    heavy = {"openturns", "pandas", "scipy", "matplotlib", "h5py", "numpy"}
    assert not heavy & set(done.stdout.split())


def test_rows_of_a_table_are_counted_as_they_are_read(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["bounds"] = np.zeros(10), np.zeros(2)
    assert count_hdf5_rows(tmp_path / "t.h5", None, ["x"]) == 10
    (tmp_path / "t.csv").write_text('\ufeff# made\nx,note\n1,"a\nb"\n  # c\n3,c\n')
    assert count_csv_rows(tmp_path / "t.csv") == 2
    assert read_table(tmp_path / "t.csv", ["x"]).tolist() == [[1], [3]]
