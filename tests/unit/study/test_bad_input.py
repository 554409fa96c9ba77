"""What a user reads when a study is wrong: one line with where, got, expected, what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from good_study import (
    FOR_SALTELLI,
    FOR_TABLE,
    GOOD,
    changed,
    with_python,
    write_study,
)

from ensnare.errors import EnsnareError
from ensnare.model.checks import check_study
from ensnare.plan.batches import plan_batches
from ensnare.study.loading import load_study

ROOT = Path(__file__).parents[3]
# the parser of Python 3.13 takes what that of 3.12 does not; the limit of ours is after it
REFUSED_BY = "is nested too deeply" if sys.version_info >= (3, 13) else "is not an arithmetic"
TABLE = changed(*FOR_TABLE)
X = "distribution: {Normal: {mu: 0, sigma: 1}}"
DESIGN = "design: {method: monte_carlo, size: 10}\n"
OUTPUT = "json: out.json, key: r"
SUCCESS = "  success: [{regex: done}]\n"
COMMAND = 'command: [bin/code.sh, in.txt, "${mesh}"]'
MANY = "".join(f"  - {{name: q{i}, {X}}}\n" for i in range(600))
ALLOWED = "is not allowed; expected numbers, names, + - * / ** and functions such as sqrt"
NAME = "expected letters, digits and _, starting with a letter"
OUTSIDE = "lies outside the working directory of the sample; expected a relative path without .."
SIZE = "expected a size such as 500 MB, 1 GB"
DURATION = "expected a duration such as 30 s, 5 min, 2 h"
DISTRIBUTION = "inputs[0].distribution"
SIMPLE = 'model: {command: ["true"], outputs: [{name: r, json: a, key: b}]}\n'


def all_checks(path):
    study = load_study(path)
    check_study(study)
    plan_batches(study)


def message_of(directory, text, files=None):
    """Return what a study is refused with, without the directory of the test."""
    path = write_study(directory, text, files)
    with pytest.raises(EnsnareError) as caught:
        all_checks(path)
    return str(caught.value).replace(f"{directory}/", "")


def assert_says(message, expected):
    """Compare a line with what is expected, where ` ... ` stands for anything."""
    assert "\n" not in message
    assert len(message) < 400
    assert message.startswith("study.yaml:")
    parts = expected.split(" ... ")
    rest = (
        message.removeprefix("study.yaml: ") if not expected.startswith("study.yaml") else message
    )
    if len(parts) == 1:
        assert rest == expected
    else:
        assert rest.startswith(parts[0])
        assert rest.endswith(parts[-1])
        assert all(part in rest for part in parts)


NOT_A_STUDY = {
    "an empty file": (
        "",
        "found nothing; expected a mapping that starts with 'study: ...'",
    ),
    "only a comment": (
        "# a study\n",
        "found nothing; expected a mapping that starts with 'study: ...'",
    ),
    "a list": (
        "[1, 2]\n",
        "found a list; expected a mapping that starts with 'study: ...'",
    ),
    "a text": (
        "beam\n",
        "found a text; expected a mapping that starts with 'study: ...'",
    ),
    "a binary file": (
        b"\x89PNG\r\n\x1a\n\x00\xff",
        "cannot read the study file: not UTF-8 text",
    ),
    "a control character": (
        "study: a\x07\n",
        "not valid YAML: unacceptable character #x0007 ... position 8",
    ),
    "brackets that do not close": (
        "a: [1\nb: {\n",
        "study.yaml:2: not valid YAML: expected ',' or ']', but got ':'",
    ),
    "a tab": (
        "study: a\n\tseed: 2\n",
        "study.yaml:2: not valid YAML: found a tab; indent with spaces",
    ),
    "a key that is indented as none before": (
        changed(("  success:", " success:")),
        "study.yaml:16: not valid YAML: the indentation is not that of the lines before; keys of "
        "one mapping, and the dashes of one list, begin in the same column",
    ),
    "a title with a colon": (
        "study: a\ntitle: beam: the second\n",
        "study.yaml:2: not valid YAML: found a ': ' that does not belong here; mend the "
        "indentation, or quote a text that holds one: 'a: b'",
    ),
    "a pattern between double quotes": (
        changed(('"s = (.*)"', '"s = (\\S+)"')),
        "study.yaml:19: not valid YAML: found unknown escape character 'S'; between double quotes "
        "write \\\\ for \\, or use single quotes",
    ),
    "a repeated key": (
        GOOD + "seed: 2\n",
        'study.yaml:22: not valid YAML: found duplicate key "seed"; keep one',
    ),
    "a repeated key inside": (
        changed(("value: 2", "value: 2, value: 3")),
        'study.yaml:6: not valid YAML: found duplicate key "value"; keep one',
    ),
    "two documents": (
        "study: a\n---\nstudy: b\n",
        "study.yaml:2: not valid YAML: expected a single document in the stream, but found "
        "another document",
    ),
    "a tag that makes objects": (
        "study: !!python/object/apply:os.system [ls]\n",
        "study.yaml:1: not valid YAML: could not determine a constructor ... os.system'",
    ),
    "an alias to nothing": (
        "study: *a\n",
        "study.yaml:1: not valid YAML: found undefined alias 'a'",
    ),
    "an alias to itself": (
        changed(("[statistics]", "&a [*a]")),
        "analyses: got a list; expected the name of an analysis",
    ),
}


@pytest.mark.parametrize("case", NOT_A_STUDY)
def test_a_file_that_is_no_study_is_refused(tmp_path, case):
    text, expected = NOT_A_STUDY[case]
    assert_says(message_of(tmp_path, text), expected)


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(EnsnareError) as caught:
        load_study(tmp_path / "none.yaml")
    expected = f"{tmp_path}/none.yaml: cannot read the study file: No such file or directory"
    assert str(caught.value) == expected


# (what stands in the good study, what stands there instead, what the user reads)
WRONG_KEYS = [
    ("timeout:", "timout:", "unknown key 'timout'; did you mean 'timeout'?"),
    ("unit: m", "units: m", "inputs[0]: unknown key 'units'; did you mean 'unit'?"),
    ("size: 10", "sise: 10", "design: unknown key 'sise'; did you mean 'size'?"),
    ("key: r", "kee: r", "model.outputs[0]: unknown key 'kee'; did you mean 'key'?"),
    (
        "{template: in.txt}",
        "{template: in.txt, delimiter: a}",
        "model.files[0]: unknown key 'delimiter'; did you mean 'delimiters'?",
    ),
    (
        'regex: "s = (.*)"',
        'regex: "s = (.*)", file: a',
        "model.outputs[1]: unknown key 'file'; "
        "expected one of axis, description, in, labels, name, range, regex, shape, unit",
    ),
    (
        "[statistics]",
        "[statistcs]",
        "analyses: unknown key 'statistcs'; did you mean 'statistics'?",
    ),
    (
        "[statistics]",
        "[{statistics: {confidense: 0.9}}]",
        "analyses.statistics: unknown key 'confidense'; did you mean 'confidence'?",
    ),
    ("{normal:", "{clayton:", "copula: unknown key 'clayton'; did you mean 'ClaytonCopula'?"),
    ("timeout: 30 s", "no: 30 s", "unknown key 'no'"),
    ("timeout: 30 s", "3: a", "found the key 3; expected a text (quote it: '3')"),
    ("cores:", "3:", "sweep: found the key 3; expected a text (quote it: '3')"),
    ("study: good\n", "", "missing key 'study'; add it"),
    ("name: c, value: 2", "value: 2", "inputs[2]: missing key 'name'; add it"),
    ("method: monte_carlo, ", "", "design: missing key 'method'; expected one of ... , table"),
    (", size: 10", "", "design: missing key 'size'; add it"),
    (OUTPUT, "xml: out.xml", "model.outputs[0]: missing key 'xpath'; add it"),
    (
        "{copy: data.bin}",
        "{copy: data.bin, link: data.bin}",
        "model.files[1]: found both 'copy' and 'link'; keep one",
    ),
    (
        OUTPUT,
        "json: out.json, key: r, xml: a",
        "model.outputs[0]: found both 'json' and 'xml'; keep one",
    ),
    (
        "{copy: data.bin}",
        "{to: data.bin}",
        "model.files[1]: found none; "
        "expected a mapping with one of the keys template, copy, link, tree",
    ),
]
WRONG_TYPES = [
    ("study: good", "study: 12", "study: got 12; expected a text (quote it: '12')"),
    ("study: good", "study: true", "study: got true; expected a text (quote it: 'true')"),
    ("study: good", "study:", "study: got nothing; expected a text"),
    (
        "study: good",
        "study: 2024-01-01",
        "study: got 2024-01-01; expected a text (quote it: '2024-01-01')",
    ),
    (
        "study: good",
        "study: ../beam",
        "study: got '../beam'; expected letters, digits, _ . and -, "
        "starting with a letter or digit",
    ),
    ("seed: 1", "seed: 1.5", "seed: got 1.5; expected a whole number"),
    ("seed: 1", "seed: -1", "seed: got -1; expected at least 0"),
    ("seed: 1", "seed: abc", "seed: got 'abc'; expected a number"),
    ("seed: 1", "seed: no", "seed: got 'no'; expected a number"),
    ("seed: 1", "seed: true", "seed: got true; expected a number"),
    ("seed: 1", "seed:", "seed: got nothing; expected a number"),
    ("seed: 1", "seed: 1e400", "seed: got inf; expected a finite number"),
    (
        "seed: 1",
        f"seed: 1{'0' * 400}",
        "seed: got a number of more than 308 digits; expected a finite number",
    ),
    (
        "seed: 1",
        "seed: 9223372036854775808",
        "seed: got 9223372036854775808; expected less than ... ",
    ),
    ("value: 2", "value: two", "inputs[2].value: got 'two'; expected a number"),
    ("value: 2", "value: 2 m", "inputs[2].value: got '2 m'; expected a number"),
    ("value: 2", "value: '1,5'", "inputs[2].value: got '1,5'; expected a number"),
    ("value: 2", "value: 1:30", "inputs[2].value: got '1:30'; expected a number"),
    ("value: 2", "value: 2024-01-01", "inputs[2].value: got 2024-01-01; expected a number"),
    ("value: 2", "value: [1, 2]", "inputs[2].value: got a list; expected a number"),
    ("value: 2", "value: .nan", "inputs[2].value: got nan; expected a finite number"),
    ("- {name: c, value: 2}", "- c", "inputs[2]: got 'c'; expected a mapping"),
    ("{z: x * c}", "[z]", "derived: got a list; expected a mapping"),
    ("size: 10", "size: 0", "design.size: got 0; expected at least 1"),
    ("size: 10", "size: many", "design.size: got 'many'; expected a number"),
    ("size: 10", "size: 1.5", "design.size: got 1.5; expected a whole number"),
    ("size: 10", "size: 1e300", "design.size: got 1e+300; expected at most 1e+08"),
    (
        "{method: monte_carlo, size: 10}",
        "monte_carlo",
        "design: got 'monte_carlo'; expected a mapping such as {method: saltelli, size: 64}",
    ),
    (
        "value: 2",
        "value: 2,5",
        "inputs[2]: found the key 5; expected a text (quote it: '5'); a decimal comma? "
        "write a point",
    ),
    ("timeout", "units: {core: 1}\ntimeout", "units.core: got 1; expected a text (quote it: '1')"),
    (
        "timeout",
        "units: {core: '-'}\ntimeout",
        "units: 'core' is not a factor; did you mean 'cores'?",
    ),
    (
        "timeout",
        "units: {x: m}\ntimeout",
        "units: 'x' is not a factor; state the unit of an input in inputs",
    ),
    ("[1, 2]", "4", "sweep.cores: got 4; expected a list such as [4]"),
    ("30 s", "0", "timeout: got 0; expected a duration above zero; leave it out for no limit"),
    (
        "30 s",
        "0 s",
        "timeout: got '0 s'; expected a duration above zero; leave it out for no limit",
    ),
    ("30 s", "-1", "timeout: got -1; expected a duration above zero; leave it out for no limit"),
    ("30 s", "soon", f"timeout: got 'soon'; {DURATION}"),
    ("30 s", "30 parsecs", f"timeout: got '30 parsecs'; {DURATION}"),
    ("30 s", "00:30:00", f"timeout: got '00:30:00'; {DURATION}"),
    ("30 s", "true", f"timeout: got true; {DURATION}"),
    ("30 s", f"1{'0' * 400}", "timeout: got a number of more than ... "),
    ("timeout: 30 s", "stream_limit: big", f"stream_limit: got 'big'; {SIZE}"),
    ("timeout: 30 s", "stream_limit: 1 PB", f"stream_limit: got '1 PB'; {SIZE}"),
    ("timeout: 30 s", "stream_limit: true", f"stream_limit: got true; {SIZE}"),
    ("timeout: 30 s", "stream_limit: 0", "stream_limit: got 0; expected a size from 1 B to 9e18 B"),
    ("timeout: 30 s", "stream_limit: 1e300 TB", "stream_limit: got ... to 9e18 B"),
    ("timeout: 30 s", "keep: some", "keep: got 'some'; expected 'all', 'failed' or 'none'"),
    *(
        ("timeout: 30 s", f"on_failure: {found}", f"on_failure.{said}")
        for found, said in {
            "{retries: {timout: 1}}": "retries: 'timout' is no kind of failure; did you mean "
            "'timeout'?",
            "{retries: {out_of_range: 1}}": "retries: 'out_of_range' is no kind of failure; "
            "expected one of error, failed, killed, timeout, unparsable, unsuccessful",
            "{retries: -1}": "retries: got -1; expected a whole number from 0 to 100",
            "{retries: {failed: many}}": "retries: got 'many'; expected a number",
            "{stop_after: 0.05}": "stop_after: got 0.05; expected a number of samples such as 20, "
            "or a share such as 5 %",
            "{stop_after: 120 %}": "stop_after: got '120 %'; expected a number of samples such as "
            "20, or a share such as 5 %",
        }.items()
    ),
    ("timeout: 30 s", "keep: yes", "keep: got 'yes'; expected 'all', 'failed' or 'none'"),
    ("timeout: 30 s", "batch: 10", "batch: got 10; expected a mapping"),
    (
        "timeout: 30 s",
        "batch: {size: big}",
        "batch.size: got 'big'; expected a whole number above 0, or auto",
    ),
    ("timeout: 30 s", "resources: {threads: 0}", "resources.threads: got 0; expected at least 1"),
    (
        "[statistics]",
        "statistics",
        "analyses: got 'statistics'; expected a list such as [statistics]",
    ),
    ("[statistics]", "[3]", "analyses: got 3; expected the name of an analysis"),
    (
        "[statistics]",
        "[statistics, statistics]",
        "analyses: 'statistics' is listed twice; keep one",
    ),
    (
        "[statistics]",
        "[{statistics: {confidence: 2}}]",
        "analyses.statistics.confidence: got 2.0; expected less than 1",
    ),
    ("template: in.txt", "template: null", "model.files[0].template: got nothing; expected a text"),
    (
        "template: in.txt",
        "template: ''",
        "model.files[0].template: got ''; expected the name of a file",
    ),
    (
        "template: in.txt",
        'template: "in\\0.txt"',
        "model.files[0].template: got 'in\\x00.txt'; expected the name of a file",
    ),
    (
        "- {template: in.txt}",
        "- in.txt",
        "model.files[0]: got 'in.txt'; expected a mapping with ... ",
    ),
    (
        COMMAND,
        "command: bin/code.sh in.txt",
        "model.command: got 'bin/code.sh in.txt'; expected a list such as [bin/code.sh, in.txt]",
    ),
    (COMMAND, "command: []", "model: found neither of command and python; expected one"),
    (COMMAND, "command: [a, null]", "model.command[1]: got nothing; expected a text"),
    (COMMAND, "command: [a, {b: c}]", "model.command[1]: got a mapping; expected a text"),
    (
        COMMAND,
        "command: [a, true]",
        "model.command[1]: got true; expected a text (quote it: 'true')",
    ),
    (COMMAND, "command: [[a, [b]]]", "model.command[0][1]: got a list; expected a text"),
    (
        COMMAND,
        "command: [a, [b]]",
        "model: command mixes words and steps; expected [word, ...] ... ",
    ),
    (COMMAND, "command: [[a], []]", "model: command: found an empty step; expected [program, ... "),
    (
        COMMAND,
        "command: [bin/code.sh, <, in.txt]",
        "model.command: '<' would be an argument of bin/code.sh, since no shell reads it; "
        "write [sh, -c, 'bin/code.sh < in.txt']",
    ),
    (
        COMMAND,
        "command: [[sh, -c, x], [bin/code.sh, '2>&1', '|', grep, z]]",
        "model.command: '2>&1' would be an argument of bin/code.sh ... ",
    ),
    (
        "timeout: 30 s",
        "keep: {ok: a.txt}",
        "keep.ok: got 'a.txt'; expected 'all' or 'none', or a list of patterns such as ['*.log']",
    ),
    (
        OUTPUT,
        f"{OUTPUT}, shape: [5], axis: {{name: t, unit: s}}",
        "model.outputs[0].axis: found the unit 's' but no values; give values: "
        '"linspace(first, last, 5)", or a column, dataset or variable of a file',
    ),
    (SUCCESS, "  success: done\n", "model.success: got 'done'; expected a list"),
    (SUCCESS, "  success: [done]\n", "model.success[0]: got 'done'; expected a mapping"),
    (
        SUCCESS,
        "  environment: {set: {A: true}}\n",
        "model.environment.set.A: got true; expected a text (quote it: 'true')",
    ),
    (
        SUCCESS,
        "  environment: {set: {A=B: 1}}\n",
        "model.environment.set: found the key 'A=B'; "
        "expected letters, digits and _, not starting with a digit",
    ),
    (
        "{template: in.txt}",
        "{template: in.txt, width: 0}",
        "model.files[0].width: got 0; expected at least 1",
    ),
    (
        "{template: in.txt}",
        "{template: in.txt, delimiters: ['@']}",
        "model.files[0].delimiters: found 1 value; expected 2",
    ),
    (
        "{template: in.txt}",
        "{template: in.txt, delimiters: ['', '@']}",
        "model.files[0].delimiters: found an empty delimiter; "
        "expected two texts such as ['@', '@']",
    ),
    (
        "{template: in.txt}",
        "{template: in.txt, format: .3q}",
        "model.files[0].format: '.3q' does not format a number; "
        "expected a Python format such as .14g",
    ),
    (
        OUTPUT,
        "json: out.json, key: 3",
        "model.outputs[0].key: got 3; expected a text (quote it: '3')",
    ),
    (OUTPUT, "json: out.json, key: ''", "model.outputs[0].key: got ''; expected a text"),
    (
        OUTPUT,
        "table: a.csv, column: 1.5",
        "model.outputs[0].column: got 1.5; expected the name of a column, or its number from 0",
    ),
    (
        OUTPUT,
        "table: a.csv, column: 1, row: last",
        "model.outputs[0].row: got 'last'; expected a number",
    ),
    (
        "range: [0, 100]",
        "range: [1, 0]",
        "model.outputs[0].range: found [1, 0]; expected low < high",
    ),
    ("range: [0, 100]", "range: [0]", "model.outputs[0].range: found 1 value; expected 2"),
    (
        f"{OUTPUT}, range: [0, 100]",
        "unit: m",
        "model: output 'r' does not say where it stands; expected one of "
        "the keys json, xml, table, regex, after, hdf5, netcdf, python",
    ),
]
WRONG_NAMES = [
    ("name: x", "name: 1x", f"inputs[0].name: got '1x'; {NAME}"),
    ("name: x", "name: x-1", f"inputs[0].name: got 'x-1'; {NAME}"),
    ("name: x", 'name: "x\\n"', f"inputs[0].name: got 'x\\n'; {NAME}"),
    ("name: x", "name: λ", f"inputs[0].name: got 'λ'; {NAME}"),
    ("{z: x * c}", "{1z: x}", f"derived: found the key '1z'; {NAME}"),
    ("name: c", "name: x", "inputs: the name 'x' is already used in inputs; choose another"),
    ("name: r", "name: x", "outputs: the name 'x' is already used in inputs; choose another"),
    ("name: s", "name: r", "outputs: the name 'r' is already used in outputs; choose another"),
    ("cores:", "x:", "sweep: the name 'x' is already used in inputs; choose another"),
    ("{z: x * c}", "{x: c}", "derived: the name 'x' is already used in inputs; choose another"),
    ("name: c", "name: seed", "inputs: the name 'seed' is taken by Ensnare; choose another"),
    ("name: c", "name: sqrt", "inputs: the name 'sqrt' is taken by Ensnare; choose another"),
    ("name: r", "name: sample", "outputs: the name 'sample' is taken by Ensnare; choose another"),
    ("cores:", "pi:", "sweep: the name 'pi' is taken by Ensnare; choose another"),
    ("cores:", "value:", "sweep: the name 'value' is taken by Ensnare; choose another"),
    ("name: r", "name: status", "outputs: the name 'status' is taken by Ensnare; choose another"),
]
WRONG_DESIGNS = [
    ("Normal:", "Norml:", f"{DISTRIBUTION}: unknown 'Norml'; did you mean 'Normal'?"),
    ("Normal:", "normal:", f"{DISTRIBUTION}: unknown 'normal'; did you mean 'Normal'?"),
    ("Normal:", "Foo:", f"{DISTRIBUTION}: unknown 'Foo'; expected the OpenTURNS name of ... "),
    ("Normal:", "__class__:", f"{DISTRIBUTION}: unknown '__class__'; ... "),
    ("Normal:", "Sample:", f"{DISTRIBUTION}: unknown 'Sample'; ... "),
    ("Normal:", "NormalCopula:", f"{DISTRIBUTION}: unknown 'NormalCopula'; did you mean 'Normal'?"),
    ("mu: 0", "mo: 0", f"{DISTRIBUTION}.Normal: unknown parameter 'mo'; expected one of mu, sigma"),
    ("mu: 0, ", "", f"{DISTRIBUTION}.Normal: missing parameter 'mu'; expected mu, sigma"),
    ("sigma: 1", "sigma: -1", f"{DISTRIBUTION}.Normal: The marginal standard deviations must ... "),
    ("sigma: 1", "sigma: big", f"{DISTRIBUTION}.Normal.sigma: got 'big'; expected a number"),
    ("sigma: 1", "sigma: .inf", f"{DISTRIBUTION}.Normal.sigma: got inf; expected a finite number"),
    (
        "sigma: 1",
        "sigma: [1, 2]",
        f"{DISTRIBUTION}.Normal.sigma: got [1.0, 2.0]; expected a number",
    ),
    ("{mu: 0, sigma: 1}", "[0, 1]", f"{DISTRIBUTION}.Normal: got a list; expected a mapping"),
    (
        "{Normal: {mu: 0, sigma: 1}}",
        "'Normal(0, 1)'",
        f"{DISTRIBUTION}: got 'Normal(0, 1)'; "
        "expected a mapping such as {Normal: {mu: 0, sigma: 1}}",
    ),
    ("sigma: 1}}", "sigma: 1}, Dirac: {}}", "inputs[0]: distribution: found Normal, Dirac; ... "),
    (X, "distribution: {}", "inputs[0]: distribution: found none; expected one distribution"),
    (X, "description: a", "inputs[0]: 'x' has neither a distribution nor a value; add one"),
    ("value: 2", f"value: 2, {X}", "inputs[2]: 'c' has both a distribution and a value; keep one"),
    (
        "Normal: {mu: 0, sigma: 1}",
        "Binomial: {n: 2.5, p: 0.5}",
        f"{DISTRIBUTION}.Binomial: n: got 2.5; expected a whole number from 0",
    ),
    (
        "Normal: {mu: 0, sigma: 1}",
        "LogNormalMuSigma: {mu: -1, sigma: 1}",
        f"{DISTRIBUTION}.LogNormalMuSigma: mu must be greater than gamma, here mu=-1 and gamma=0",
    ),
    ("[0.1, null]", "[0.9, 0.1]", "inputs[1]: truncate: found [0.9, 0.1]; expected low < high"),
    (
        "[0.1, null]",
        "[null, null]",
        "inputs[1]: truncate: found no bound; expected at least one ... ",
    ),
    ("[0.1, null]", "[0.1]", "inputs[1].truncate: found 1 value; expected 2"),
    ("[0.1, null]", "[0, 1, 2]", "inputs[1].truncate: found 3 values; expected 2"),
    (
        "[0.1, null]",
        "[5, null]",
        "inputs[1].truncate: [5, null] leaves nothing of the distribution; "
        "its values lie in [0, 1]",
    ),
    (
        "value: 2",
        "value: 2, truncate: [0, 1]",
        "inputs[2]: 'c' is truncated but has no distribution",
    ),
    (
        "[[x, y, 0.5]]",
        "[[x, yy, 0.5]]",
        "copula: 'yy' is not an uncertain input; did you mean 'y'?",
    ),
    (
        "[[x, y, 0.5]]",
        "[[x, c, 0.5]]",
        "copula: 'c' is not an uncertain input; expected one of x, y",
    ),
    ("[[x, y, 0.5]]", "[[x, x, 0.5]]", "copula: found the pair x, x; expected two inputs"),
    (
        "[[x, y, 0.5]]",
        "[[x, y, 0.5], [y, x, 0.4]]",
        "copula: found the pair y, x twice; keep one",
    ),
    (
        "[[x, y, 0.5]]",
        "[[x, y, 1.5]]",
        "copula: got the correlation 1.5 of x, y; expected between -1 and 1",
    ),
    ("[[x, y, 0.5]]", "[[x, y]]", "copula.normal.spearman[0]: found 2 values; expected 3"),
    ("[[x, y, 0.5]]", "[]", "copula.normal.spearman: found nothing; expected at least one entry"),
    (
        "method: monte_carlo",
        "method: saltelli",
        "copula: the design saltelli takes independent ... ",
    ),
    (
        "monte_carlo",
        "monte_karlo",
        "design: unknown method 'monte_karlo'; did you mean 'monte_carlo'?",
    ),
    (
        "monte_carlo",
        "latin",
        "design: unknown method 'latin'; expected one of composite, constrained, factorial, "
        "halton, lhs, monte_carlo, morris, one_at_a_time, saltelli, sobol, table",
    ),
    (DESIGN, "", "input 'x' is uncertain but there is no design; add one such as ... "),
    ("[statistics]", "[sobol]", "analyses: sobol needs the design saltelli; found monte_carlo"),
]
WRONG_DERIVED = [
    ("x * c", "z + 1", "derived: 'z' needs itself"),
    ("{z: x * c}", "{z: u, u: z, v: z}", "derived: z, u need each other in a circle"),
    ("x * c", "x * d", "derived.z: 'd' is not an input; expected one of c, cores, mesh, x, y, z"),
    ("x * c", "x * r", "derived.z: 'r' is not an input; expected one of ... "),
    ("x * c", "x * mesh", "derived.z: factor 'mesh' is a text, not a number"),
    (
        "x * c",
        "x *",
        "derived.z: 'x *' is not an arithmetic expression; expected such as b * h**3 / 12",
    ),
    ("x * c", "''", "derived.z: '' is not an arithmetic expression; expected such as ... "),
    (
        "x * c",
        "2 * lambda",
        "derived.z: ... 'lambda' is a word of Python: give the input another name",
    ),
    (
        "x * c",
        "\"__import__('os')\"",
        "derived.z: ... unknown function '__import__' at column 1; expected ... ",
    ),
    (
        "x * c",
        "sqr(x)",
        "derived.z: 'sqr(x)': unknown function 'sqr' at column 1; did you mean 'sqrt'?",
    ),
    ("x * c", "x.real", f"derived.z: 'x.real': 'x.real' at column 1 {ALLOWED}"),
    (
        "x * c",
        "'(lambda: 1)()'",
        f"derived.z: '(lambda: 1)()': '(lambda: 1)()' at column 1 {ALLOWED}",
    ),
    ("x * c", "'[y for y in x]'", f"derived.z: ... at column 1 {ALLOWED}"),
    ("x * c", "x + 1j", f"derived.z: 'x + 1j': '1j' at column 5 {ALLOWED}"),
    ("x * c", "x ^ 2", "derived.z: 'x ^ 2': ^ at column 1 is not allowed; write ** for a power"),
    (
        "x * c",
        '"sqrt(x, c)"',
        "derived.z: 'sqrt(x, c)': sqrt at column 1 got 2 arguments; expected 1",
    ),
    (
        "x * c",
        "9**9**9**9",
        "derived.z: '9**9**9**9' cannot be evaluated: overflow encountered in power",
    ),
    (
        "x * c",
        f"'1{'0' * 400}'",
        "derived.z: ... cannot be evaluated: int too large to convert to float",
    ),
    (
        "x * c",
        f"{'(' * 500}x{')' * 500}",
        "derived.z: '(((( ... is not an arithmetic expression ... ",
    ),
    ("x * c", f"'{'-' * 5000}x'", f"derived.z: ' ... {REFUSED_BY} ... "),
    ("x * c", "+".join(["x"] * 500), "derived.z: 'x+x+ ... is nested too deeply; expected at ... "),
]
WRONG_SWEEPS = [
    ("[1, 2]", "[]", "sweep: 'cores' has no levels; expected a list of at least one"),
    (
        "[1, 2]",
        "[yes, true]",
        "sweep.cores[1]: got true; expected a number or a text (quote it: 'true')",
    ),
    ("[1, 2]", "[1, two]", "sweep: 'cores' mixes numbers and texts; quote the numbers"),
    ("[1, 2]", "[1, 1.0]", "sweep: 'cores' has the level 1.0 twice; keep one"),
    ("[1, 2]", "[012, 12]", "sweep: 'cores' has the level 12 twice; keep one"),
    ("[1, 2]", "[65e9, 6.5e10]", "sweep: 'cores' has the level 65000000000.0 twice; keep one"),
    (
        "[1, 2]",
        "[2024-01-01]",
        "sweep.cores[0]: got 2024-01-01; expected a number or a text (quote it: '2024-01-01')",
    ),
    ("[1, 2]", "[1, null]", "sweep.cores[1]: got nothing; expected a number or a text"),
    ("[1, 2]", "[[1], [2]]", "sweep.cores[0]: got a list; expected a number or a text"),
    ("[1, 2]", "[.inf]", "sweep.cores[0]: got inf; expected a finite number"),
    ("[1, 2]", f"[1{'0' * 400}]", "sweep.cores[0]: got a number of more than 308 digits; ... "),
    ("fine]", "'']", "sweep.mesh[1]: got ''; expected a number or a text of one line"),
    ("fine]", '"a\\nb"]', "sweep.mesh[1]: got 'a\\nb'; expected a number or a text of one line"),
    (
        "timeout: 30 s",
        "defaults: {mash: fine}",
        "defaults: 'mash' is not a factor of the sweep; did you mean 'mesh'?",
    ),
    (
        "timeout: 30 s",
        "defaults: {cores: one}",
        "defaults.cores: got 'one'; expected a number as its levels",
    ),
]
WRONG_MODELS = [
    ("template: in.txt", "template: on.txt", "model.files[0]: no file on.txt"),
    (
        "template: in.txt",
        "template: bin",
        "model.files[0]: bin is a directory; write tree: instead",
    ),
    (
        "template: in.txt",
        "template: data.bin, to: in.txt",
        "model.files[0]: data.bin is not UTF-8 text; use copy",
    ),
    ("copy: data.bin", "copy: date.bin", "model.files[1]: no file date.bin"),
    ("copy: data.bin", f"copy: {'a' * 300}", "model.files[1]: no file aaa ... "),
    ("copy: data.bin", "link: date.bin", "model.files[1]: no file date.bin"),
    ("copy: data.bin", "tree: case", "model.files[1]: no directory case"),
    ("copy: data.bin", "tree: data.bin", "model.files[1]: no directory data.bin"),
    (
        COMMAND,
        "command: [bin/code.sh]",
        "factor 'mesh' is in no template, command or ... remove it",
    ),
    (
        "x * c",
        "x * 2",
        "input 'c' is in no template, command or environment variable; use it or ... ",
    ),
    ('"${mesh}"', '"${mash}"', "model.command: unknown placeholder 'mash'; did you mean 'mesh'?"),
    (
        '"${mesh}"',
        '"${mesh"',
        "model.command: ... '${mesh' is not a placeholder; expected ${name}; ... ",
    ),
    (
        '"${mesh}"',
        '"${mesh:.3e}"',
        "model.command: 'mesh' is a text; the format '.3e' is for numbers",
    ),
    ("bin/code.sh", "bin/cod.sh", "model.command: no program bin/cod.sh"),
    (
        "bin/code.sh",
        "no-such-code",
        "model.command: no program 'no-such-code' on PATH; give its path ... ",
    ),
    (
        "bin/code.sh",
        "bin/plain.sh",
        "model.command: bin/plain.sh is not executable; run chmod +x on it",
    ),
    ("bin/code.sh", '"${study_dir}/no.sh"', "model.command: no program no.sh"),
    (
        "bin/code.sh",
        "model.py",
        "model.command: no program 'model.py' on PATH; "
        "for the one beside the study file write '${study_dir}/model.py'",
    ),
    (
        "bin/code.sh",
        "./model.py",
        "model.command: './model.py' is looked for in the working directory of the sample, where "
        "model.files puts no 'model.py'; "
        "for the one beside the study file write '${study_dir}/model.py'",
    ),
    (
        SUCCESS,
        "  environment: {source: env.sh}\n",
        "model.environment.source: no file env.sh",
    ),
    (
        SUCCESS,
        "  environment: {set: {A: '${mash}'}}\n",
        "model.environment.set.A: unknown placeholder 'mash'; did you mean 'mesh'?",
    ),
    ("copy: data.bin", "copy: data.bin, to: ../a", f"model.files[1].to: '../a' {OUTSIDE}"),
    ("copy: data.bin", "copy: data.bin, to: /tmp/a", f"model.files[1].to: '/tmp/a' {OUTSIDE}"),
    (
        "copy: data.bin",
        "copy: data.bin, to: a/../../b",
        f"model.files[1].to: 'a/../../b' {OUTSIDE}",
    ),
    (
        "copy: data.bin",
        "copy: data.bin, to: a/",
        "model.files[1].to: 'a/' is a directory; expected the name of a file",
    ),
    (SUCCESS, "  stdout: ../log\n", f"model.stdout: '../log' {OUTSIDE}"),
    (
        SUCCESS,
        "  stdout: in.txt\n",
        "model.stdout: 'in.txt' is also a file of model.files; rename one",
    ),
    (SUCCESS, "  success: [{regex: a, in: ../b}]\n", f"model.success[0].in: '../b' {OUTSIDE}"),
    ("json: out.json", "json: /tmp/out.json", f"model.outputs[0].json: '/tmp/out.json' {OUTSIDE}"),
    (
        "s = (.*)",
        "s = (.*",
        "model.outputs[1]: 's = (.*' is not a regular expression: missing ), ... position 4",
    ),
    ("s = (.*)", "s = .*", "model.outputs[1]: 's = .*' has 0 groups; expected one, the number"),
    (
        "s = (.*)",
        "(s) = (.*)",
        "model.outputs[1]: '(s) = (.*)' has 2 groups; expected one, the number",
    ),
    ("regex: done", "regex: '*'", "model.success: '*' is not a regular expression: ... position 0"),
    (
        OUTPUT,
        "xml: a.xml, xpath: 'a[['",
        "model.outputs[0]: 'a[[' is not a path in XML; expected ... ",
    ),
    (
        OUTPUT,
        "xml: a.xml, xpath: 'f:a/b'",
        "model.outputs[0]: 'f:a/b' is not a path in XML: prefix ... ",
    ),
    (OUTPUT, "xml: a.xml, xpath: ''", "model.outputs[0]: '' names nothing; expected such as ... "),
    (
        OUTPUT,
        "xml: a.xml, xpath: 'a/@'",
        "model.outputs[0]: 'a/@' names nothing; expected such ... ",
    ),
]
ALL = {
    "key": WRONG_KEYS,
    "type": WRONG_TYPES,
    "name": WRONG_NAMES,
    "design": WRONG_DESIGNS,
    "derived": WRONG_DERIVED,
    "sweep": WRONG_SWEEPS,
    "model": WRONG_MODELS,
}
ROWS = [
    pytest.param(*row, id=f"{kind}-{row[1][:40]}" if row[1] else f"{kind}-without-{row[0][:40]}")
    for kind, rows in ALL.items()
    for row in rows
]


@pytest.mark.parametrize(("old", "new", "expected"), ROWS)
def test_a_mistake_in_a_study_is_said_in_one_line(tmp_path, old, new, expected):
    assert_says(message_of(tmp_path, changed((old, new))), expected)


WHOLE = {
    "inputs as a mapping": (
        "study: a\ninputs: {x: {value: 1}}\nsweep: {n: [1]}\n" + SIMPLE,
        "inputs: got a mapping; expected a list",
    ),
    "a model that is a name": (
        "study: a\nsweep: {n: [1]}\nmodel: beam\n",
        "model: got 'beam'; expected a mapping",
    ),
    "no model": ("study: a\nsweep: {n: [1]}\n", "missing key 'model'; add it"),
    "outputs as a mapping": (
        'study: a\nsweep: {n: [1]}\nmodel: {command: ["true"], outputs: {r: a}}\n',
        "model.outputs: got a mapping; expected a list",
    ),
    "no outputs": (
        'study: a\nsweep: {n: [1]}\nmodel: {command: ["true"], outputs: []}\n',
        "model.outputs: found nothing; expected at least one entry",
    ),
    "neither a design nor a sweep": (
        "study: a\n" + SIMPLE,
        "found neither a design nor a sweep; add one",
    ),
    "a design of nothing": (
        "study: a\ndesign: {method: sobol, size: 4}\n" + SIMPLE,
        "there is a design but no uncertain input; add inputs with distributions",
    ),
    "statistics of a sweep": (
        "study: a\nsweep: {n: [1]}\nanalyses: [statistics]\n" + SIMPLE,
        "analyses: statistics needs one of the designs monte_carlo, sobol, halton, lhs, saltelli, "
        "constrained, table; found a pure sweep",
    ),
    "an unknown estimator": (
        changed(*FOR_SALTELLI, ("[statistics]", "[{sobol: {estimator: martines}}]")),
        "analyses.sobol.estimator: got 'martines'; expected 'martinez', 'jansen', "
        "'saltelli' or 'mauntz_kucherenko'",
    ),
    "correlations that contradict each other": (
        changed(
            ("[[x, y, 0.5]]", "[[x, y, 0.9], [x, w, 0.9], [y, w, -0.9]]"),
            ("derived:", f"  - {{name: w, {X}}}\nderived:"),
        ),
        "copula.normal: these correlations contradict each other (the matrix is not positive "
        "definite); make the largest ones smaller",
    ),
    "more inputs than the sequence has dimensions": (
        changed(*FOR_SALTELLI, ("derived:", f"{MANY}derived:")),
        "design: the Sobol' sequence does not reach 1204 dimensions; choose monte_carlo",
    ),
    "a path through a file": (
        changed(
            ("{template: in.txt}", "{template: in.txt, to: a}"),
            ("{copy: data.bin}", "{copy: data.bin, to: a/b}"),
        ),
        "model.files: 'a/b' lies inside 'a', which is a file; expected a directory ... ",
    ),
    "a command and a function": (
        changed((SUCCESS, "  python: {call: 'model.py:f'}\n")),
        "model: found both of command and python; expected one",
    ),
    "a function without a name": (
        with_python("model.py"),
        "model.python.call: got 'model.py'; expected file.py:function or package.module:function",
    ),
    "a function in another": (
        with_python("model.py:f:g"),
        "model.python.call: got 'model.py:f:g'; expected file.py:function or ... ",
    ),
    "a function in no file": (with_python("modle.py:f"), "model.python.call: no file modle.py"),
    "a function in no module": (
        with_python("no.such.module:f"),
        "model.python.call: no module 'no.such.module' in this Python; install it, or give ... ",
    ),
    "a function that is not there": (
        with_python("model.py:g"),
        "model.python.call: model.py has no function 'g'; expected one of f",
    ),
    "a function whose outputs are in a file": (
        with_python(outputs="[{name: r, json: a, key: b}]"),
        "model: a Python function returns its outputs; give only their names",
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_study_whose_parts_do_not_agree_is_refused(tmp_path, case):
    text, expected = WHOLE[case]
    assert_says(message_of(tmp_path, text), expected)


WRONG_FILES = {
    "a variable of the code": (
        {"in.txt": "${x} ${y} ${z} ${cores} ${n_atoms}\n"},
        "model.files: in.txt: unknown placeholder 'n_atoms'; expected one of ... "
        "; if it is a variable of the code, choose other delimiters",
    ),
    "an unknown placeholder": (
        {"in.txt": "${x} ${y} ${z} ${cors}\n"},
        "model.files: in.txt: unknown placeholder 'cors'; did you mean 'cores'?",
    ),
    "half a placeholder": (
        {"in.txt": "${x}\r\n${y} ${z}\r\n${cores\r\n"},
        "model.files[0]: in.txt: line 3: '${cores' is not a placeholder; expected ${name}; "
        "choose other delimiters if it is meant as text",
    ),
    "a shell variable": (
        {"in.txt": "${x} ${y} ${z} ${cores} ${HOME%/}\n"},
        "model.files[0]: in.txt: line 1: '${HOME%/}' is not a placeholder; expected ${name}; ... ",
    ),
    "a format of a placeholder": (
        {"in.txt": "${x:.3q} ${y} ${z} ${cores}\n"},
        "model.files[0]: in.txt: line 1: '.3q' does not format a number; expected such as .6e",
    ),
    "an input that nothing takes": (
        {"in.txt": "${x} ${z} ${cores}\n"},
        "input 'y' is in no template, command or environment variable; use it or remove it",
    ),
    "placeholders of another tool": (
        {"in.txt": "@x@ @y@ @z@ @cores@\n"},
        "input 'x' is in no template, command or environment variable; in.txt has '@x@', but its "
        "delimiters are '${' and '}'; give delimiters: ['@', '@']",
    ),
    "placeholders of Jinja2": (
        {"in.txt": "{{ x }} {{ y }} ${z} ${cores}\n"},
        "input 'y' is in no template, command or environment variable; in.txt has '{{ y }}', but "
        "its delimiters are '${' and '}'; give engine: jinja2",
    ),
    "a derived value that nothing takes": (
        {"in.txt": "${x} ${y} ${c} ${cores}\n"},
        "derived value 'z' is in no template, command or environment variable; use it or remove it",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_mistake_in_a_template_is_said_with_its_place(tmp_path, case):
    files, expected = WRONG_FILES[case]
    assert_says(message_of(tmp_path, GOOD, files), expected)


def test_an_environment_file_that_fails_is_said_with_its_last_line(tmp_path):
    text = changed((SUCCESS, "  environment: {source: env.sh}\n"))
    message = message_of(tmp_path, text, {"env.sh": "echo no such module >&2\nfalse\n"})
    assert_says(message, "model.environment.source: env.sh ends with an error: no such module")


WRONG_FUNCTIONS = {
    "an import that fails": (
        "import no_such_module\n",
        "model.python.call: importing model.py raises ModuleNotFoundError: "
        "No module named 'no_such_module'",
    ),
    "an exception of two lines": (
        "raise ValueError('a\\nb')\n",
        "model.python.call: importing model.py raises ValueError: a",
    ),
    "an exit": (
        "import sys\nsys.exit(3)\n",
        "model.python.call: importing model.py raises SystemExit: 3",
    ),
    "a syntax error": (
        "x = 1\ndef f(:\n",
        "model.python.call: model.py:2: not valid Python: invalid syntax",
    ),
    "no text": ("\0", "model.python.call: model.py: not valid Python: source code string ... "),
    "a parameter too few": (
        "def f(x, y, z, mesh): return 0\n",
        "factor 'cores' is not a parameter of the function; use it or remove it",
    ),
    "a parameter too many": (
        "def f(x, y, z, mesh, cors): return 0\n",
        "model.python.call: the function takes 'cors', which the study does not have; "
        "did you mean 'cores'?",
    ),
    "a parameter without a name": (
        "def f(x, /, y, z, mesh, cores): return 0\n",
        "model.python.call: 'x' must be taken by name",
    ),
    "a number instead": ("f = 3\n", "model.python.call: model.py has no function 'f'"),
}


@pytest.mark.parametrize("case", WRONG_FUNCTIONS)
def test_a_mistake_in_a_python_function_is_said_in_one_line(tmp_path, case):
    code, expected = WRONG_FUNCTIONS[case]
    assert_says(message_of(tmp_path, with_python(), {"model.py": code}), expected)


WRONG_TABLES = {
    "a missing column": ("x,z\n1,2\n", "table.csv: no column 'y'; expected one of x, z"),
    "no header": ("1,2\n3,4\n", "table.csv: no column 'x'; expected one of 1, 2"),
    "a column twice": ("x,y,x\n1,2,3\n", "table.csv: found two columns 'x'; keep one"),
    "nothing": ("", "table.csv has no rows; expected a header and rows"),
    "only a header": ("# a\nx,y\n\n", "table.csv has no rows; expected a header and rows"),
    "a text": ("x,y\n1,two\n", "table.csv: row 1, column 'y': got 'two'; expected a number"),
    "a decimal comma": ("x;y\n1,5;2\n", "table.csv: row 1, column 'x': got '1,5'; ... a number"),
    "nan": ("x,y\n1,2\n1,nan\n", "table.csv: row 2, column 'y': got nan; ... a finite number"),
    "a short row": ("x,y\n1\n", "table.csv: row 1, column 'y': found nothing; ... a number"),
    "bytes": (b"\xff\xfe\0\n1\n2\n", "table.csv is not a CSV file; expected a header and rows"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_mistake_in_a_table_is_said_with_its_row(tmp_path, case):
    content, expected = WRONG_TABLES[case]
    message = message_of(tmp_path, TABLE, {"table.csv": content})
    assert_says(message, f"design.file: {expected}")


def test_a_table_that_is_missing_or_too_short_is_refused(tmp_path):
    missing = TABLE.replace("table.csv", "tables.csv")
    assert_says(message_of(tmp_path, missing), "design.file: no file tables.csv")
    directory = TABLE.replace("table.csv", "bin")
    assert_says(message_of(tmp_path, directory), "design.file: no file bin")
    long = TABLE.replace("table.csv", "table.csv, size: 100")
    assert_says(message_of(tmp_path, long), "design.size: got 100; table.csv has 2 rows")


def test_a_file_that_is_not_hdf5_is_refused(tmp_path):
    message = message_of(tmp_path, TABLE.replace("table.csv", "t.h5"), {"t.h5": "x,y\n1,2\n"})
    assert_says(message, "design.file: t.h5 is not an HDF5 file")


def test_the_good_studies_are_good(tmp_path):
    for text in (GOOD, TABLE, with_python(), changed(*FOR_SALTELLI)):
        all_checks(write_study(tmp_path, text))


def test_the_first_mistake_is_the_misspelled_key_and_not_the_missing_one(tmp_path):
    message = message_of(tmp_path, changed(("name: c, value: 2", "nmae: c, value: 2")))
    assert_says(message, "inputs[2]: unknown key 'nmae'; did you mean 'name'?")


THROUGH_SNAKEMAKE = {
    "a repeated key": (GOOD + "seed: 2\n", "bad.yaml:22: not valid YAML: found duplicate key"),
    "a misspelled key": (changed(("timeout:", "timout:")), "bad.yaml: unknown key 'timout'"),
    "a boolean level": (changed(("[1, 2]", "[1, true]")), "bad.yaml: sweep.cores[1]: got true"),
    "an unknown distribution": (changed(("Normal:", "Norml:")), "did you mean 'Normal'?"),
    "a missing table": (TABLE.replace("table.csv", "no.csv"), "bad.yaml: design.file: no file"),
    "a missing template": (changed(("in.txt}", "on.txt}")), "bad.yaml: model.files[0]: no file"),
    "a missing program": (changed(("bin/code.sh", "bin/no.sh")), "bad.yaml: model.command: no pro"),
    "an unused input": (changed(("x * c", "x * 2")), "bad.yaml: input 'c' is in no template"),
    "a function that fails": (with_python("bad.py:f"), "bad.yaml: model.python.call: importing"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", THROUGH_SNAKEMAKE)
def test_a_dry_run_ends_with_the_line_and_starts_nothing(tmp_path, case):
    text, expected = THROUGH_SNAKEMAKE[case]
    write_study(tmp_path, text, {"bad.py": "raise RuntimeError('no')\n"}).rename(
        tmp_path / "bad.yaml"
    )
    (tmp_path / "there").mkdir()
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--profile", str(ROOT / "profiles/local"), "--configfile", "bad.yaml"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path / "there")],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""  # no list of jobs
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert expected in lines[-1]
    assert all(line.startswith("Using profile") for line in lines[:-1]), lines
    assert not (tmp_path / "there/results").exists()
