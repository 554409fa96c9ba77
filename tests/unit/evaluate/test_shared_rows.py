"""What a job has put on record, without reading its journal."""

import os

import numpy as np
import pytest
from small_studies import evaluate, prepare, python, study_tree
from waiting import lines_of

from ensnare.evaluate.batch import evaluate_batch
from ensnare.evaluate.batchfile import read_batch, record_width
from ensnare.store.journal import read_journal
from ensnare.store.outcome import Status
from ensnare.store.shared_rows import SharedRows

N = 2**16  # more than one call: 8192 samples each

MODELS = {
    "all go well": "return {{'y': x * x, 'a': 1 + x}}",
    "some have no number": "return {{'y': np.where(x < 0.001, np.nan, x * x), 'a': 1 + x}}",
    "a call fails": """\
    if len(x) > 1 and (x == 0.5).any():
        raise ValueError('a call of many')
    return {{'y': x * x, 'a': 1 + x}}""",
    "a call takes its worker with it": """\
    if len(x) > 1 and (x == 0.5).any() and not os.path.exists({mark!r}):
        open({mark!r}, 'w').close()
        os._exit(3)
    return {{'y': x * x, 'a': 1 + x}}""",
}


def model(directory, body):
    log, mark = str(directory / "calls"), str(directory / "mark")
    text = f"import os\nimport numpy as np\ndef f(x):\n    open({log!r}, 'a').write('call\\n')\n"
    (directory / "model.py").write_text(text + "    " + body.format(mark=mark).lstrip() + "\n")
    # the columns of a journal are sorted by name, those of the archive are not
    return study_tree(python("model.py:f", "y", "a", vectorized=True), size=N)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_file_is_the_same_as_from_its_journal(tmp_path, kind, workers):
    tree = model(tmp_path, MODELS[kind])
    _, arrays = evaluate(tree, tmp_path, workers)
    x = arrays.x[:, 0]
    bad = (x < 0.001) & (kind == "some have no number")
    np.testing.assert_array_equal(arrays.y[:, 0], np.where(bad, np.nan, x * x))
    np.testing.assert_array_equal(arrays.y[:, 1], np.where(bad, np.nan, 1 + x))
    np.testing.assert_array_equal(arrays.status, np.where(bad, Status.UNPARSABLE, Status.OK))
    assert len(arrays.messages) == bad.sum()
    study, paths, (batch,) = prepare(tree, tmp_path)
    first, _ = read_batch(paths.batch(batch.key))
    calls = len(lines_of(tmp_path / "calls"))
    paths.batch(batch.key).unlink()
    evaluate_batch(study, batch, paths, workers, lambda line: None)
    again, _ = read_batch(paths.batch(batch.key))
    assert first.rows.tobytes() == again.rows.tobytes()
    assert first.messages == again.messages
    assert len(lines_of(tmp_path / "calls")) == calls


def test_a_journal_that_is_damaged_while_a_job_runs_costs_its_batch_file_nothing(tmp_path):
    body = f"""\
    path = {str(tmp_path)!r} + '/results/small/batches/'
    for name in os.listdir(path):
        if name.endswith('.journal') and os.path.getsize(path + name) > 400_000:
            with open(path + name, 'r+b') as file:
                file.seek(300_000)
                file.write(b'damage')
    return {{{{'y': x * x, 'a': 1 + x}}}}"""
    tree = model(tmp_path, body)
    _, arrays = evaluate(tree, tmp_path, 1)
    np.testing.assert_array_equal(arrays.y[:, 0], arrays.x[:, 0] ** 2)
    assert len(lines_of(tmp_path / "calls")) == N / 8192
    study, paths, (batch,) = prepare(tree, tmp_path)
    left = read_journal(paths.journal(batch.key), record_width(study))
    assert 0 < N - len(left.rows) <= 1024  # a block, which would run again without the batch file
    assert left.damaged


def test_rows_are_had_only_when_all_are_noted():
    recorded = SharedRows(6, 2)
    first, rest = np.arange(4), np.arange(4, 6)
    for chosen in (first, rest):
        assert recorded.complete_rows() is None
        recorded.rows_for(chosen)["outputs"] = chosen[:, None]
    assert recorded.complete_rows() is None
    recorded.mark_journaled(first)
    assert recorded.complete_rows() is None
    recorded.mark_journaled(rest)
    assert recorded.complete_rows()["outputs"].tolist() == [[i, i] for i in range(6)]


def test_rows_that_do_not_follow_each_other_are_left_to_the_journal():
    recorded = SharedRows(4, 1)
    chosen = np.array([0, 2, 3])
    rows = recorded.rows_for(chosen)
    rows["outputs"] = 7
    recorded.mark_journaled(chosen)
    recorded.mark_journaled(np.array([1]))
    assert len(rows) == 3
    assert recorded.complete_rows() is None
    assert len(recorded.rows_for(chosen[:0])) == 0
    recorded.mark_journaled(chosen[:0])


def test_what_another_process_notes_is_seen_by_its_parent():
    recorded = SharedRows(3, 1)
    chosen = np.arange(3)
    pid = os.fork()
    if not pid:
        recorded.rows_for(chosen)["attempts"] = 5
        recorded.mark_journaled(chosen)
        os._exit(0)
    os.waitpid(pid, 0)
    assert recorded.complete_rows()["attempts"].tolist() == [5, 5, 5]
