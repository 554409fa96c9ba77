import json
import os

import h5py
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from ensnare.errors import OutputError
from ensnare.model.outputs.files import RunFiles, to_float
from ensnare.model.outputs.parser import compile_parser
from ensnare.model.outputs.text import compile_success
from ensnare.study.model import Success
from ensnare.study.outputs import Output

OUTPUT = TypeAdapter(Output)


def read(directory, text, name="out", **output):
    """Write a file and return what an output finds in it."""
    content = text if isinstance(text, bytes) else text.encode()
    (directory / name).write_bytes(content)
    parser = compile_parser(OUTPUT.validate_python({"name": "y", **output}), "out")
    return parser(RunFiles(str(directory)))


def refusal(directory, text, **output):
    with pytest.raises(OutputError) as caught:
        read(directory, text, **output)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        (" -2e3\n", -2000.0),
        ("1.5D+03", 1500.0),
        ("-.5d0", -0.5),
        ("1.D-2", 0.01),
        ("1.234-101", 1.234e-101),
        ("-0.5+120", -0.5e120),
        (3, 3.0),
        (2.5, 2.5),
    ],
)
def test_numbers_are_read_as_fortran_and_c_write_them(text, value):
    assert to_float(text, "here") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "*****",
        "1,5",
        "10-100",
        "D",
        "1.5D",
        "x",
        None,
    ],
)
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(OutputError, match=r"^here: got .*; expected a (finite )?number$"):
        to_float(text, "here")


TREE = {
    "y": 1,
    "a": {"b": [10, {"c": "2.5e0"}], "x.y": 7},
    "t": True,
    "n": None,
    "l": [],
    "s": "no",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [("y", 1), ("a.b.0", 10), ("a.b.1.c", 2.5), ("a.b.-1.c", 2.5), ("a.x.y", 7)],
)
def test_a_number_in_json_is_found_by_its_path(tmp_path, key, value):
    assert read(tmp_path, json.dumps(TREE), json="out", key=key) == value


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("z", "'out': no 'z' of 'z'"),
        ("a.b.2", "'out': no '2' of 'a.b.2'"),
        ("a.b.c", "'out': no 'c' of 'a.b.c'"),
        ("y.z", "'out': no 'z' of 'y.z'"),
        ("t", "'out': t: got True; expected a number"),
        ("n", "'out': n: got None; expected a number"),
        ("l", "'out': l: got []; expected a number"),
        ("s", "'out': s: got 'no'; expected a number"),
    ],
)
def test_what_json_does_not_have_is_said(tmp_path, key, reason):
    assert refusal(tmp_path, json.dumps(TREE), json="out", key=key) == reason


def test_a_whole_number_or_list_may_be_all_of_a_json_file(tmp_path):
    assert read(tmp_path, "[1, 2, 3]", json="out", key="1") == 2


@pytest.mark.parametrize("text", ["", "{", "\x00", b"\xff\xfe", '{"y": NaN}', "[" * 100_000])
def test_json_that_is_none_is_refused(tmp_path, text):
    assert refusal(tmp_path, text, json="out", key="y").startswith("'out': ")


XML = """<?xml version="1.0"?>
<outputs y="1.5" xmlns:f="urn:f">
  <force unit="N"> 2.5 </force>
  <part name="left"><drag>3</drag></part>
  <part name="right"><drag>4</drag></part>
  <f:lift v="5">6</f:lift>
  <empty/>
</outputs>"""


@pytest.mark.parametrize(
    ("xpath", "value"),
    [
        ("@y", 1.5),
        ("./@y", 1.5),
        ("outputs/@y", 1.5),
        ("/outputs/@y", 1.5),
        ("force", 2.5),
        ("outputs/force", 2.5),
        ("/outputs/force/text()", 2.5),
        ("part/drag", 3),
        ("part[2]/drag", 4),
        ("part[@name='right']/drag", 4),
        ("outputs/part[@name='right']/drag", 4),
        (".//drag", 3),
        ("//drag", 3),
        ("{urn:f}lift", 6),
        ("{*}lift", 6),
        ("outputs/{*}lift/@v", 5),
    ],
)
def test_a_number_in_xml_is_found_by_its_path(tmp_path, xpath, value):
    assert read(tmp_path, XML, xml="out", xpath=xpath) == value


@pytest.mark.parametrize("xpath", ["@z", "lift", "empty", "part[3]/drag", "other/@y", "force/@y"])
def test_what_xml_does_not_have_is_said(tmp_path, xpath):
    assert refusal(tmp_path, XML, xml="out", xpath=xpath) == f"'out': nothing at '{xpath}'"


def test_a_root_of_a_namespace_is_found_by_any(tmp_path):
    text = '<a xmlns="urn:a"><b>2</b></a>'
    assert read(tmp_path, text, xml="out", xpath="{*}b") == 2


@pytest.mark.parametrize("text", ["", "<a>", "no", b"\xff\xfe\x00", "<a>\x00</a>"])
def test_xml_that_is_none_is_refused(tmp_path, text):
    assert refusal(tmp_path, text, xml="out", xpath="a").startswith("'out': not XML: ")


OPENFOAM = """\
# Force coefficients
# dragDir : (1 0 0)
# Time        \tCd            \tCl
0.1           \t1.0           \t2.0
0.2           \t1.5           \t2.5
"""


@pytest.mark.parametrize(
    ("text", "where", "value"),
    [
        ("t,y\n0,1\n1,2\n", {"column": "y"}, 2),
        ("t,y\n0,1\n1,2\n", {"column": "y", "row": 0}, 1),
        ("t,y\n0,1\n1,2\n", {"column": "t", "row": -2}, 0),
        ("t,y\n0,1\n1,2\n", {"column": 1}, 2),
        ("t,y\n0,1\n1,2\n", {"column": -1}, 2),
        ("0,1\n1,2\n", {"column": 1, "row": 0}, 1),
        ("t;y\n0;1,5\n1;2\n", {"column": "y"}, 2),
        ("t\ty\n0\t1\n", {"column": "y"}, 1),
        ("  t   y\n  0   1\n\n  1   2 \n", {"column": "y"}, 2),
        ('"t","lift, total","y"\n0,1,2\n', {"column": "y"}, 2),
        ('"t","lift, total","y"\n0,1,2\n', {"column": "lift, total"}, 1),
        ("# t y\n0 1\n1 2\n", {"column": "y"}, 2),
        ("#t y\n0 1\n# a comment, with a comma\n1 2\n#end\n", {"column": "y"}, 2),
        ("# a comment\nt,y\n0,1\n", {"column": "y"}, 1),
        (OPENFOAM, {"column": "Cd"}, 1.5),
        (OPENFOAM, {"column": "Cl", "row": 0}, 2),
        ("0 1.5D+00\n", {"column": 1}, 1.5),
        ("nan 1\ninf 2\n", {"column": 1}, 2),
        ("t|y\n0|1\n", {"column": "y", "delimiter": "|"}, 1),
        ("t || y\n0 || 1\n", {"column": "y", "delimiter": "||"}, 1),
        ("t, y\r\n0, 1\r\n", {"column": "y"}, 1),
        ("t,y\n0,1\n1\n2,3\n", {"column": "y"}, 3),
        ("5\n", {"column": 0}, 5),
        ("t,y,\n0,1\n", {"column": "y"}, 1),
        ("t,y\n0,1,\n", {"column": "y"}, 1),
        ("# t [s]\ty [m]\tz [m]\n0\t1\t2\n", {"column": "y [m]"}, 1),
    ],
)
def test_a_number_in_a_table_is_found_by_row_and_column(tmp_path, text, where, value):
    assert read(tmp_path, text, table="out", **where) == value


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("t,y\n0,1\n", {"column": "z"}, "'out': no column 'z'; found t, y"),
        ("0,1\n", {"column": "y"}, "'out': no header to find the column 'y' in"),
        ("", {"column": 0}, "'out': row -1, column 0: the table has 0 rows"),
        ("t,y\n", {"column": "y"}, "'out': row -1, column y: the table has 0 rows"),
        ("0,1\n", {"column": 0, "row": 3}, "'out': row 3, column 0: the table has 1 rows"),
        ("t,y\n0,1\n1\n", {"column": "y"}, "'out': row -1, column y: the row has 1 columns"),
        ("0,1\n", {"column": 2}, "'out': row -1, column 2: the row has 2 columns"),
        (
            "# t [s]  y [m]  z [m]\n0 1 2\n",
            {"column": "y"},
            "'out': row -1, column y: the row has 3 columns and the header 6 names; give the "
            "number of the column, from 0",
        ),
        (
            "t,y\n0,nan\n",
            {"column": "y"},
            "'out': row -1, column y: got nan; expected a finite number",
        ),
        ("t,y\n0,\n", {"column": "y"}, "'out': row -1, column y: got ''; expected a number"),
        ("t;y\n0;1,5\n", {"column": "y"}, "'out': row -1, column y: got '1,5'; expected a number"),
        ("y,y\n0,1\n", {"column": "y"}, "'out': two columns 'y'; give the number of one, from 0"),
    ],
)
def test_what_a_table_does_not_have_is_said(tmp_path, text, where, reason):
    assert refusal(tmp_path, text, table="out", **where) == reason


def test_a_binary_table_is_refused(tmp_path):
    assert refusal(tmp_path, b"\x00\xff\xfe\n\x01\n", table="out", column=0)


def test_the_last_match_counts(tmp_path):
    text = "y = 1\nx = 5\n  y = 2.5D0 m\n"
    assert read(tmp_path, text, regex=r"y = (\S+)") == 2.5
    assert read(tmp_path, text, regex=r"^y = (\S+)$") == 1


def test_a_match_is_looked_for_in_a_file_or_in_stdout(tmp_path):
    (tmp_path / "out").write_text("y = 1\n")
    assert read(tmp_path, "y = 2\n", name="log", regex="y = (.)", **{"in": "log"}) == 2
    assert read(tmp_path, "y = 1\n", regex="y = (.)") == 1


def test_a_large_file_is_searched_to_its_end(tmp_path):
    noise = b"\xff\x00 iteration\n" * 200_000  # larger than what is read at once
    text = b"y = 1\n" + noise + b"y = 2\n" + noise + b"y = 3"
    assert read(tmp_path, text, regex=r"^y = (\d)") == 3


def test_text_that_is_not_ascii_is_matched(tmp_path):
    assert read(tmp_path, "Kräfte: 4 µN\n", regex="Kräfte: ([0-9]+) µN") == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'out': nothing matches 'y = (.*)'"),
        ("x = 1\n", "'out': nothing matches 'y = (.*)'"),
        ("y = nan\n", "'out': 'y = (.*)': got nan; expected a finite number"),
        ("y = \n", "'out': 'y = (.*)': got ''; expected a number"),
    ],
)
def test_what_does_not_match_is_said(tmp_path, text, reason):
    assert refusal(tmp_path, text, regex="y = (.*)") == reason


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        (r"^vpp *= (\S+)", "; a line with 'vpp' is 'vpp   =  4.8e-01 from= 1'"),
        (r"vpp: (\S+)", ""),
        (r"runtime?= (\S+)", "; a line with 'runtim' is 'runtim 2'"),
        (r"(\S+) V", ""),
        (r"cut = (\S+)", f"; a line with 'cut =' is 'cut ={'x' * 75}'"),
    ],
)
def test_what_does_not_match_is_told_from_what_nearly_does(tmp_path, regex, said):
    text = f"vpp   =  1\nvpp   =  4.8e-01 from= 1\nruntim 2\ncut ={'x' * 100}\n"
    assert refusal(tmp_path, text, regex=regex) == f"'out': nothing matches '{regex}'{said}"


def test_an_optional_group_without_a_match_is_refused(tmp_path):
    assert (
        refusal(tmp_path, "y =\n", regex="y =( 1)?")
        == "'out': 'y =( 1)?': got ''; expected a number"
    )


@pytest.mark.parametrize(
    "output",
    [
        {"json": "none", "key": "y"},
        {"xml": "none", "xpath": "y"},
        {"table": "none", "column": 0},
        {"regex": "(y)", "in": "none"},
    ],
    ids=["json", "xml", "table", "regex"],
)
def test_a_file_that_the_code_did_not_write_is_named(tmp_path, output):
    assert refusal(tmp_path, "", **output) == "the code left no file 'none'"
    (tmp_path / "none").mkdir()
    assert refusal(tmp_path, "", **output).startswith("'none': ")


def test_a_file_of_several_outputs_is_read_once(tmp_path):
    (tmp_path / "out").write_text("t,y\n0,1\n")
    files = RunFiles(str(tmp_path))
    parsers = [
        compile_parser(OUTPUT.validate_python({"name": n, "table": "out", "column": n}), "out")
        for n in "ty"
    ]
    assert parsers[0](files) == 0
    (tmp_path / "out").unlink()
    assert parsers[1](files) == 1


def test_an_output_without_a_place_has_no_parser():
    with pytest.raises(ValueError, match="output 'y' does not say where it stands"):
        compile_parser(OUTPUT.validate_python({"name": "y"}), "out")


def test_signs_of_success_are_all_needed(tmp_path):
    (tmp_path / "log").write_text("start\nEnd\n")
    signs = [Success(regex="^End"), Success.model_validate({"regex": "ok", "in": "other"})]
    first, second = compile_success(signs, "log")
    assert first(RunFiles(str(tmp_path))) == ""
    assert second(RunFiles(str(tmp_path))) == "the code left no file 'other'"
    (tmp_path / "other").write_text("no\n")
    assert second(RunFiles(str(tmp_path))) == "'other': nothing matches 'ok'"


PROFILE = "# x u\n" + "".join(f"{i} {10 * i}.5D+00\n" for i in range(20))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ({"rows": "5"}, 50.5),
        ({"rows": "-2"}, 180.5),
        ({"rows": 5}, 50.5),
        ({"rows": "10..12", "reduce": "mean"}, 110.5),
        ({"rows": "-3..", "reduce": "mean"}, 180.5),
        ({"rows": "..2", "reduce": "sum"}, 31.5),
        ({"rows": "-3..-2", "reduce": "min"}, 170.5),
        ({"reduce": "max"}, 190.5),
        ({"reduce": "first"}, 0.5),
        ({"reduce": "last"}, 190.5),
        ({"rows": "0..1", "reduce": "std"}, 50**0.5),
        ({"rows": "7..7", "reduce": "mean"}, 70.5),
    ],
)
def test_several_rows_make_one_number(tmp_path, where, value):
    found = read(tmp_path, PROFILE, table="out", column="u", **where)
    assert found == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"rows": "-500..", "reduce": "mean"}, "rows -500.., column u: the table has 20 rows"),
        ({"rows": "10..20", "reduce": "mean"}, "rows 10..20, column u: the table has 20 rows"),
        ({"rows": "12..10", "reduce": "mean"}, "rows 12..10, column u: mean of 0 numbers; exp"),
        ({"rows": "3..3", "reduce": "std"}, "rows 3..3, column u: std of 1 numbers; expected 2"),
        ({"rows": "20"}, "row 20, column u: the table has 20 rows"),
        ({"rows": "-21"}, "row -21, column u: the table has 20 rows"),
    ],
)
def test_rows_that_a_table_does_not_have_are_said(tmp_path, where, reason):
    found = refusal(tmp_path, PROFILE, table="out", column="u", **where)
    assert found.startswith(f"'out': {reason}")


def test_the_values_of_an_axis_may_be_a_rule():
    tree = {"name": "u", "table": "a", "column": 0, "shape": [3]}
    assert OUTPUT.validate_python({**tree, "axis": {"values": "geom(1, 100, 3)"}}).axis.values == [
        1,
        10,
        100,
    ]
    with pytest.raises(ValidationError, match="found 4; expected 3 as in shape"):
        OUTPUT.validate_python({**tree, "axis": {"values": "linspace(0, 1, 4)"}})


def test_a_column_is_an_array_with_its_axis_behind(tmp_path):
    output = {"table": "out", "column": "u", "shape": [20]}
    u = (10 * np.arange(20) + 0.5).tolist()
    assert read(tmp_path, PROFILE, **output) == u
    assert read(tmp_path, PROFILE, **output, axis={"column": "x"}) == u + list(range(20))
    part = output | {"rows": "5..8", "shape": [4]}
    assert read(tmp_path, PROFILE, **part, axis={"name": "x", "column": 0}) == [*u[5:9], 5, 6, 7, 8]


@pytest.mark.parametrize("output", [
    {"table": "out", "column": 0},
    {"json": "out", "key": "a"},
    {"xml": "out", "xpath": "a"},
])  # fmt: skip
def test_an_array_of_another_size_is_refused(tmp_path, output):
    text = {"table": "1\n2\n3\n", "json": '{"a": [1, 2, 3]}', "xml": "<a>1, 2 3</a>"}[
        next(iter(output))
    ]
    if "xml" in output:
        output = output | {"xpath": "."}
    assert read(tmp_path, text, **output, shape=[3]) == [1, 2, 3]
    found = refusal(tmp_path, text, **output, shape=[4])
    assert found == "output 'y' has 3 values; expected 4"


def test_of_several_files_the_numerically_last_counts(tmp_path):
    for time, y in (("200", 1), ("1000", 2), ("0.5", 3), ("1e2", 4)):
        (tmp_path / "probes" / time).mkdir(parents=True)
        (tmp_path / "probes" / time / "U.csv").write_text(f"{y}\n")
    assert read(tmp_path, "", table="probes/*/U.csv", column=0) == 2
    assert read(tmp_path, "", table="**/U.csv", column=0) == 2
    assert refusal(tmp_path, "", table="x/*.csv", column=0) == "the code left no file 'x/*.csv'"
    assert read(tmp_path, "7\n", name="a[1].csv", table="a[1].csv", column=0) == 7


DAT = """
 displacements for set TIP and time  0.1000000E+01

    41  1.0E-09  0.0  5.9D-07

 displacements for set TIP and time  0.2000000E+01

    41  2.0E-09  0.0  7.9D-07
"""


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ({"after": "time  0.1000000E+01", "field": 4}, 5.9e-7),
        ({"after": "set TIP and time", "field": 5}, 7.9e-7),
        ({"after": "set TIP and time", "field": 5, "occurrence": 1}, 5.9e-7),
        ({"after": "set TIP and time", "occurrence": 2}, 2.0),
        ({"after": "set TIP and time", "occurrence": -2}, 1.0),
    ],
)
def test_a_number_is_found_by_what_stands_before_it(tmp_path, where, value):
    assert read(tmp_path, DAT, **where) == value
    large = "x" * (1 << 21) + DAT + " " * (1 << 21) + "end"
    assert read(tmp_path, large, **where) == value


def test_what_does_not_stand_behind_a_text_is_said(tmp_path):
    assert refusal(tmp_path, DAT, after="nodes") == "'out': no 'nodes' (occurrence -1)"
    assert refusal(tmp_path, DAT, after="set TIP", occurrence=3).endswith("(occurrence 3)")
    assert "the file ends before it" in refusal(tmp_path, DAT, after="TIP", field=9)
    assert read(tmp_path, "F = 1.5, 2;", after="F =", field=2) == 2


def test_numbers_are_read_from_hdf5(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a/y"] = np.arange(6.0).reshape(2, 3)
        file["a/x"] = np.array([0.1, 0.2, 0.3])
        file["n"] = 4
        file["bad"] = np.array([1.0, np.nan])
    place = {"hdf5": "f.h5", "dataset": "a/y"}
    assert read(tmp_path, "", **place, index=[1, 2]) == 5
    assert read(tmp_path, "", **place, index=[-1, -1]) == 5
    assert read(tmp_path, "", **place, reduce="mean") == 2.5
    assert read(tmp_path, "", **place, index=[-1], shape=[3]) == [3, 4, 5]
    axis = {"name": "x", "dataset": "a/x"}
    assert read(tmp_path, "", **place, index=[0], shape=[3], axis=axis) == [0, 1, 2, 0.1, 0.2, 0.3]
    assert read(tmp_path, "", hdf5="f.h5", dataset="n") == 4
    assert refusal(tmp_path, "", **place).startswith("'f.h5': a/y: found 6 numbers; expected one")
    assert refusal(tmp_path, "", **place, shape=[5]) == "output 'y' has 6 values; expected 5"
    assert "no 'z' in the file; found a, bad, n" in refusal(tmp_path, "", hdf5="f.h5", dataset="z")
    assert "is a group" in refusal(tmp_path, "", hdf5="f.h5", dataset="a")
    assert "f.h5" in refusal(tmp_path, "", **place, index=[5, 0])
    assert "nan at position 1" in refusal(tmp_path, "", hdf5="f.h5", dataset="bad", shape=[2])
    assert refusal(tmp_path, "no", hdf5="out", dataset="a").startswith("'out': ")


@pytest.mark.parametrize("kind", ["classic", "netcdf4"])
def test_numbers_are_read_from_netcdf_and_unpacked(tmp_path, kind):
    raw = np.array([[10, 20], [30, -9]], "i2")
    if kind == "classic":
        from scipy.io import netcdf_file

        with netcdf_file(tmp_path / "f.nc", "w") as file:
            for name in "tx":
                file.createDimension(name, 2)
            made = file.createVariable("T", "i2", ("t", "x"))
            made[:] = raw
            made.scale_factor, made.add_offset, made._FillValue = 0.5, 100.0, np.int16(-9)
    else:
        with h5py.File(tmp_path / "f.nc", "w") as file:
            file["T"] = raw
            file["T"].attrs.update(scale_factor=0.5, add_offset=100.0, _FillValue=np.int16(-9))
    place = {"netcdf": "f.nc", "variable": "T"}
    assert read(tmp_path, "", **place, index=[0], shape=[2]) == [105, 110]
    assert read(tmp_path, "", **place, index=[0, -1]) == 110
    assert "nan" in refusal(tmp_path, "", **place, index=[1, 1])
    assert "no 'U' in the file; found T" in refusal(tmp_path, "", netcdf="f.nc", variable="U")


def test_a_function_is_given_the_directory(tmp_path):
    (tmp_path / "parse.py").write_text(
        "import os\nimport numpy as np\n"
        "def f(directory):\n    os.chdir('/')\n"
        "    return np.loadtxt(directory / 'out')\n"
        "def bad(directory):\n    raise SystemExit(3)\n"
        "def text(directory):\n    return 'no'\n"
    )

    def parse(function, text, **output):
        (tmp_path / "out").write_text(text)
        whole = {"name": "y", "python": f"parse.py:{function}", **output}
        return compile_parser(OUTPUT.validate_python(whole), "out", tmp_path)(
            RunFiles(str(tmp_path))
        )

    here = os.getcwd()
    assert parse("f", "1.5") == 1.5
    assert parse("f", "1 2 3", shape=[3]) == [1, 2, 3]
    assert os.getcwd() == here
    for function, text, output, reason in (
        ("f", "1 2", {}, "found 2 numbers; expected one"),
        ("f", "1 2", {"shape": [3]}, "output 'y' has 2 values; expected 3"),
        ("f", "nan", {}, "expected a finite number"),
        ("f", "x", {}, "raises ValueError"),
        ("bad", "", {}, "raises SystemExit: 3"),
        ("text", "", {}, "expected real numbers"),
    ):
        with pytest.raises(OutputError, match=reason):
            parse(function, text, **output)


@pytest.mark.parametrize("output", [
    {"json": "out", "key": "y"}, {"xml": "out", "xpath": "y"}, {"table": "out", "column": 0},
    {"regex": "(y)"}, {"after": "y"}, {"hdf5": "out", "dataset": "y"},
    {"netcdf": "out", "variable": "y"}, {"table": "o*t", "column": 0},
])  # fmt: skip
def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path, output):
    os.mkfifo(tmp_path / "out")
    parser = compile_parser(OUTPUT.validate_python({"name": "y", **output}), "out")
    with pytest.raises(OutputError, match="not a file, but a pipe"):
        parser(RunFiles(str(tmp_path)))


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ({"table": "a", "column": 0, "rows": "1-2"}, "expected rows such as"),
        ({"table": "a", "column": 0, "rows": "1..2"}, "add reduce or shape"),
        ({"table": "a", "column": 0, "rows": "1", "row": 2}, "write rows instead"),
        ({"table": "a", "column": 0, "reduce": "mean", "shape": [2]}, "both reduce and shape"),
        ({"table": "a", "column": 0, "axis": {"column": 1}}, "an axis but no shape"),
        ({"json": "a", "key": "b", "shape": [2], "axis": {"column": 1}}, "is for a table"),
        ({"table": "a", "column": 0, "shape": [2], "axis": {"values": [1]}}, "found 1; expected 2"),
        ({"regex": "a", "shape": [2]}, "this gives one number"),
        ({"after": "a", "occurrence": 0}, "expected 1 for the first"),
        ({"python": "parse.py"}, "expected file.py:function"),
    ],
)
def test_outputs_that_cannot_be_are_refused(output, reason):
    with pytest.raises(ValidationError, match=reason):
        OUTPUT.validate_python({"name": "y", **output})
