import json

import pytest
from small_studies import evaluate, load, python, study_tree

from ensnare.errors import ArchiveError, ConfigError
from ensnare.plan.defaults import record_defaults, refuse_other_defaults
from ensnare.store.paths import StudyPaths
from ensnare.study.loading import resolved_tree, write_resolved


def swept(levels, defaults=None):
    sweep = {"mesh": levels}
    return study_tree(python("model.py:f"), sweep=sweep, defaults=defaults or {})


@pytest.fixture
def after(tmp_path):
    """Return what refuses a study after runs of others."""
    (tmp_path / "model.py").write_text("f = lambda x, mesh: x\n")
    paths = StudyPaths(tmp_path / "results/small")

    def check(study, *before):
        for tree in before:
            # the job that records them writes the resolved study first
            write_resolved(resolved_tree(load(tree, tmp_path)), paths.study)
            record_defaults(load(tree, tmp_path), paths)
        refuse_other_defaults(load(study, tmp_path), paths)

    return check


def test_another_level_of_a_default_is_refused(after):
    with pytest.raises(ConfigError) as caught:
        after(swept([1, 2], {"mesh": 2}), swept([1, 2], {"mesh": 1}))
    line = str(caught.value)
    assert line.startswith("study.yaml: defaults.mesh: got 2; samples in ")
    assert line.endswith("because it was 1 then; put 1 back, or take 'mesh' out of defaults")


def test_a_default_stays_refused_when_it_was_left_out_for_a_while(after):
    with pytest.raises(ConfigError, match="it was 'a' then"):
        after(
            swept(["a", "b"], {"mesh": "b"}),
            *(swept(["a", "b"], {"mesh": "a"}), swept(["a", "b"]), swept(["b"])),
        )


@pytest.mark.parametrize(
    ("study", "before"),
    [
        (swept([1, 2], {"mesh": 1}), swept([1, 2, 3], {"mesh": 1.0})),
        (swept([1, 2], {"mesh": 1}), swept([1, 2])),
        (swept([1, 2]), swept([1, 2], {"mesh": 1})),
        # no sample of either is named by its default
        (swept([1, 2], {"mesh": 3}), swept([1, 2], {"mesh": 1})),
        (swept([1, 2], {"mesh": 1}), swept([1, 2], {"mesh": 3})),
    ],
    ids=["the same", "new", "gone", "now of no level", "then of no level"],
)
def test_a_default_that_names_nothing_else_is_taken(after, study, before):
    after(study, before)


def test_results_that_do_not_say_what_their_defaults_were_are_asked(after, tmp_path):
    evaluate(swept([1, 2], {"mesh": 1}), tmp_path)
    after(swept([1, 2], {"mesh": 1}))
    with pytest.raises(ConfigError, match="got 2"):
        after(swept([1, 2], {"mesh": 2}))


def test_a_damaged_record_of_defaults_is_one_line(after, tmp_path):
    paths = StudyPaths(tmp_path / "results/small")
    paths.root.mkdir(parents=True)
    for text in ("{", json.dumps([1])):
        paths.defaults.write_text(text)
        with pytest.raises(ArchiveError, match="not a mapping of factors to levels"):
            after(swept([1, 2], {"mesh": 1}))
