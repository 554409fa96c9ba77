import pytest
from good_study import loaded, with_python

from ensnare.errors import ConfigError
from ensnare.plan.batches import plan_batches
from ensnare.plan.identity import imported_beside, source_digest, tree_files


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "model.py"


def keys(directory, files):
    study = loaded(directory, text=with_python(), files=files)
    return [batch.key for batch in plan_batches(study)]


def test_the_files_that_a_function_imports_from_beside_it_are_found_however_it_says_so(tmp_path):
    model = """
import numpy, flat
import deep.inner.leaf as leaf
from deep import sibling, a_name
def f(x):
    from late import g
    return g(x)
"""
    files = {
        "model.py": model,
        "flat.py": "import model, turn\n",
        "turn.py": "import flat\n",
        "late.py": "g = abs\n",
        "deep/__init__.py": "a_name = 1\n",
        "deep/inner/__init__.py": "",
        "deep/inner/leaf.py": "from .. import uncle\nfrom .twin import h\n",
        "deep/inner/twin.py": "h = 1\n",
        "deep/uncle.py": "",
        "deep/sibling.py": "from ... import outside\nimport broken\n",
        "broken.py": "def (",
        "native.cpython-311-x86_64-linux-gnu.so": "ELF",
        "unused.py": "",
        "deep/unused.py": "",
    }
    files["late.py"] += "import native\n"
    found = imported_beside(write(tmp_path, files))
    assert list(found) == sorted(set(files) - {"model.py", "unused.py", "deep/unused.py"})
    assert all(found[name] == tmp_path / name for name in found)


@pytest.mark.parametrize("imported", ["from physics import g", "import physics; g = physics.g"])
def test_code_beside_a_function_changes_its_batches_and_comments_there_do_not(tmp_path, imported):
    model = f"{imported}\ndef f(x, y, z, mesh, cores): return g(z)\n"
    files = {"model.py": model, "physics.py": "from constants import K\ndef g(z): return K * z\n"}
    files["constants.py"] = "K = 1\n"
    before = keys(tmp_path, files)
    comment = {"physics.py": "# why\nfrom constants import K\ndef g(z):\n    return K * z\n"}
    assert keys(tmp_path, files | comment | {"other.py": "K = 3\n"}) == before
    for change in ({"physics.py": "def g(z): return -z\n"}, {"constants.py": "K = 2\n"}):
        assert not set(keys(tmp_path, files | change)) & set(before)


def test_a_parser_is_its_neighbours_too(tmp_path):
    write(tmp_path, {"model.py": "import helper\ndef f(d): return 1\n", "helper.py": "a = 1\n"})
    before = source_digest("model.py:f", tmp_path)
    write(tmp_path, {"helper.py": "a = 2\n"})
    assert source_digest("model.py:f", tmp_path) != before
    write(tmp_path, {"helper.py": "a = ("})  # importing it will say what is wrong
    assert source_digest("model.py:f", tmp_path) != before


def test_a_function_without_neighbours_has_the_name_it_always_had(tmp_path):
    write(tmp_path, {"model.py": "import math\n\ndef f(x):\n    return math.sin(x)\n"})
    assert source_digest("model.py:f", tmp_path) == "3f0ae0310ff3d480cecf1f02a36201ba"


def test_links_to_directories_in_a_tree_are_followed(tmp_path):
    write(tmp_path, {"mesh/points": "1", "mesh/sets/a": "2", "case/system/control": "3"})
    (tmp_path / "case/polyMesh").symlink_to("../mesh")
    found = {str(path) for path in tree_files(tmp_path / "case", [])}
    assert found == {"system/control", "polyMesh/points", "polyMesh/sets/a"}
    assert {str(p) for p in tree_files(tmp_path / "case", ["poly*"])} == {"system/control"}


def test_a_tree_that_holds_itself_is_refused_and_can_be_left_out(tmp_path):
    write(tmp_path, {"case/a": "1", "case/sub/b": "2"})
    (tmp_path / "case/sub/up").symlink_to("..")
    with pytest.raises(ConfigError, match="sub/up is a link to a directory that it lies in"):
        list(tree_files(tmp_path / "case", []))
    assert {str(p) for p in tree_files(tmp_path / "case", ["up"])} == {"a", "sub/b"}
