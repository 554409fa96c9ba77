"""The check of words finds what it is for."""

import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]
spec = spec_from_file_location("plain_words", ROOT / "tests/plain_words.py")
plain_words = module_from_spec(spec)
spec.loader.exec_module(plain_words)

LIST = "# Changing\n\n## Words\n\n| not | but |\n|---|---|\n| `red tape\\|ballpark` | rules |\n"


def repository(tmp_path, text, words=LIST):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "CONTRIBUTING.md").write_text(words)
    (tmp_path / "code.py").write_text(text)
    return tmp_path


def test_a_phrase_is_found_also_where_a_comment_breaks_it(tmp_path):
    text = "a = 1\n# all of it is red\n# tape, or a Ballpark figure\nballparks = 'red tapes'\n"
    assert plain_words.findings(repository(tmp_path, text)) == [
        "code.py:2: 'red tape'; write rules",
        "code.py:3: 'Ballpark'; write rules",
    ]


def test_a_list_without_words_is_not_a_list_that_all_pass(tmp_path):
    found = plain_words.findings(repository(tmp_path, "", words="# Changing\n"))
    assert found == ["CONTRIBUTING.md: found no table of words; expected one below `## Words`"]
