"""A good study in a directory of its own, for tests that spoil or change one thing of it."""

import textwrap

from ensnare.study.loading import load_study

GOOD = """\
study: good
seed: 1
inputs:
  - {name: x, unit: m, distribution: {Normal: {mu: 0, sigma: 1}}}
  - {name: y, distribution: {Uniform: {a: 0, b: 1}}, truncate: [0.1, null]}
  - {name: c, value: 2}
derived: {z: x * c}
copula: {normal: {spearman: [[x, y, 0.5]]}}
design: {method: monte_carlo, size: 10}
sweep: {mesh: [coarse, fine], cores: [1, 2]}
model:
  files:
    - {template: in.txt}
    - {copy: data.bin}
  command: [bin/code.sh, in.txt, "${mesh}"]
  success: [{regex: done}]
  outputs:
    - {name: r, json: out.json, key: r, range: [0, 100]}
    - {name: s, regex: "s = (.*)"}
timeout: 30 s
analyses: [statistics]
"""
CODE = """\
#!/bin/sh
# z = x * c comes back as r, the number of cores as s
set -- $(cat in.txt)
echo "{\\"r\\": $3}" > out.json
echo "s = $4"
echo done
"""
FILES = {
    "in.txt": "${x} ${y} ${z} ${cores}\n",
    "bin/code.sh": CODE,
    "model.py": "def f(x, y, z, mesh, cores):\n    return z\n",
    "table.csv": "x,y\n1,2\n3,4\n",
}
FOR_PYTHON = 'model: {python: {call: "model.py:f"}, outputs: [{name: r}]}\n'
FOR_TABLE = (
    ("distribution: {Normal: {mu: 0, sigma: 1}}", "description: a column"),
    ("distribution: {Uniform: {a: 0, b: 1}}, truncate: [0.1, null]", "description: another"),
    ("copula: {normal: {spearman: [[x, y, 0.5]]}}\n", ""),
    ("{method: monte_carlo, size: 10}", "{method: table, file: table.csv}"),
)
FOR_SALTELLI = (
    ("copula: {normal: {spearman: [[x, y, 0.5]]}}\n", ""),
    ("method: monte_carlo", "method: saltelli"),
)


def changed(*changes, text=GOOD):
    """Return the text of the good study with pieces replaced."""
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


def with_python(call="model.py:f", text=GOOD, **more):
    """Return the good study with a Python function as its model."""
    model = {"python": f'{{call: "{call}"}}', "outputs": "[{name: r}]", **more}
    lines = "".join(f"  {key}: {value}\n" for key, value in model.items())
    return text[: text.index("model:")] + "model:\n" + lines


def write_study(directory, text=GOOD, files=None):
    """Write a study and the files that it needs; return the study file."""
    contents = {**FILES, "data.bin": b"\xff\x00", "bin/plain.sh": "#!/bin/sh\n", **(files or {})}
    for name, content in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (directory / "bin/code.sh").chmod(0o755)
    path = directory / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return path


def loaded(directory, *changes, text=GOOD, files=None):
    """Return the good study, changed, from its file."""
    return load_study(write_study(directory, changed(*changes, text=text), files))
