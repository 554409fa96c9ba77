"""The loop of docs/iterating.md, as it stands there."""

import re
import subprocess
import sys

import pytest
from workflow_helpers import ROOT, environment


@pytest.fixture
def bisect(tmp_path):
    text = (ROOT / "docs/iterating.md").read_text()
    for name, code in re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(code)

    def run(tolerance):
        """Return the steps that were taken in this run, and how many jobs there were."""
        before = set((tmp_path / "f").glob("*"))
        command = [sys.executable, "-m", "snakemake", "-c", "1", "--config"]
        done = subprocess.run(
            [*command, f"tolerance={tolerance}"],
            cwd=tmp_path,
            env=environment(tmp_path) | {"PYTHONPATH": f"{tmp_path}:{ROOT}/workflow/lib"},
            capture_output=True,
            text=True,
            check=True,
        )
        taken = set((tmp_path / "f").glob("*")) - before
        return sorted(float(path.name) for path in taken), done.stderr

    return run


def test_the_documented_loop_takes_each_step_once(bisect, tmp_path):
    assert bisect(0.1)[0] == [1.0, 1.25, 1.375, 1.40625, 1.4375, 1.5]
    assert (tmp_path / "root-0.1").read_text() == "1.40625\n"
    assert bisect(0.01)[0] == [1.4140625, 1.41796875, 1.421875]
    assert (tmp_path / "root-0.01").read_text() == "1.41796875\n"
    taken, said = bisect(0.1)
    assert taken == []
    assert "Nothing to be done" in said
