import errno
import multiprocessing
import os

import numpy as np
import pytest

from ensnare.store.journal import (
    _HEAD,
    _MARKER,
    Journal,
    clean_text,
    journal_about,
    latest,
    members,
    read_journal,
    row_type,
)
from ensnare.store.outcome import Outcome, Status

KEYS = ("0123456789abcdef", "fedcba9876543210")


def sample_id(i):
    return f"{i:020x}".encode()


def outcome(i):
    """What sample i came to; every third failed with a message."""
    if i % 3 == 0:
        return Outcome(Status.FAILED, i % 128, 0.1 * i, [np.nan, np.nan], f"message of {i}")
    return Outcome(Status.OK, 0, 0.1 * i, [1.5 * i, -i])


def write(path, numbers, **options):
    journal = Journal(path, 2, **options)
    for i in numbers:
        journal.append(sample_id(i), KEYS, 1 + i % 2, outcome(i))
    journal.close()


def assert_right(finished, allowed=None):
    """Every row and message that was read is one that was written."""
    numbers = [int(i, 16) for i in finished.rows["sample_id"]]
    assert allowed is None or set(numbers) <= set(allowed)
    for i, row in zip(numbers, finished.rows, strict=True):
        end = outcome(i)
        assert (row["run_key"].decode(), row["origin"].decode()) == KEYS
        assert (row["status"], row["exit_code"], row["attempts"]) == (
            end.status,
            end.exit_code,
            1 + i % 2,
        )
        assert row["elapsed_s"] == end.elapsed_s
        np.testing.assert_array_equal(row["outputs"], end.outputs)
    for name, text in finished.messages.items():
        assert text == outcome(int(name, 16)).message
    return numbers


def test_what_is_appended_is_read_in_order(tmp_path):
    path = tmp_path / "sub" / "a.journal"
    write(path, range(20))
    finished = read_journal(path, 2)
    assert assert_right(finished) == list(range(20))
    assert finished.damaged == 0
    assert set(finished.messages) == {sample_id(i).decode() for i in range(0, 20, 3)}


def test_a_journal_that_does_not_exist_is_empty(tmp_path):
    finished = read_journal(tmp_path / "none.journal", 3)
    assert len(finished.rows) == 0
    assert finished.rows.dtype == row_type(3)


def test_appending_goes_on_where_another_process_stopped(tmp_path):
    path = tmp_path / "a.journal"
    write(path, range(5))
    write(path, range(5, 9))
    assert assert_right(read_journal(path, 2)) == list(range(9))


@pytest.mark.parametrize("cut", [1, 7, 12, 60, 90])
def test_a_torn_tail_costs_the_last_record_only(tmp_path, cut):
    path = tmp_path / "a.journal"
    write(path, [1, 2, 4])
    data = path.read_bytes()
    record = len(data) // 3
    path.write_bytes(data[:-cut])
    finished = read_journal(path, 2)
    assert assert_right(finished) == [1, 2]
    assert finished.damaged == record - cut
    write(path, [5, 7])  # behind the torn record
    assert assert_right(read_journal(path, 2)) == [1, 2, 5, 7]


def test_random_damage_costs_the_records_it_touches_and_nothing_wrong_is_read(tmp_path):
    path = tmp_path / "a.journal"
    bounds = [0]
    for i in range(30):
        write(path, [i])
        bounds.append(path.stat().st_size)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for trial in range(200):
        data = whole.copy()
        touched = rng.choice(len(data), rng.integers(1, 12), replace=False)
        data[touched] ^= rng.integers(1, 256, len(touched)).astype(np.uint8)
        end = len(data) - (int(rng.integers(1, 400)) if trial % 2 else 0)
        path.write_bytes(data[:end].tobytes())
        hit = {int(k) for k in np.searchsorted(bounds, touched, side="right") - 1}
        expected = [i for i in range(30) if i not in hit and bounds[i + 1] <= end]
        finished = read_journal(path, 2)
        assert assert_right(finished) == expected, f"trial {trial}"
        undamaged = sum(bounds[i + 1] - bounds[i] for i in expected)
        assert finished.damaged == end - undamaged
        kept = {sample_id(i).decode() for i in expected if i % 3 == 0}
        assert set(finished.messages) == kept


def test_every_single_bit_of_a_record_is_guarded(tmp_path):
    path = tmp_path / "a.journal"
    write(path, [1, 3])
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        finished = read_journal(path, 2)
        assert len(assert_right(finished)) == 1
        assert finished.damaged > 0


@pytest.mark.parametrize("length", [0, 4, 40, 2**31])
def test_a_marker_inside_a_record_confuses_no_one(tmp_path, length):
    # outputs whose bytes are the head of a record that reaches into those behind it, or beyond
    head = _HEAD.pack(_MARKER, length, b"checksum")
    values = np.frombuffer(head, "<f8").tolist()
    path = tmp_path / "a.journal"
    journal = Journal(path, 2)
    for i in range(3):
        journal.append(sample_id(i), KEYS, 1, Outcome(Status.OK, 0, 0.0, values))
    journal.close()
    data = bytearray(path.read_bytes())
    assert data.count(head) == 3
    assert len(read_journal(path, 2).rows) == 3
    data[len(data) // 3 + 20] ^= 1  # in the second record: its payload is searched for markers
    path.write_bytes(data)
    finished = read_journal(path, 2)
    assert finished.rows["sample_id"].tolist() == [sample_id(0), sample_id(2)]
    assert finished.rows["outputs"].tobytes() == 2 * head
    assert finished.damaged == len(data) // 3


def test_random_bytes_are_no_records(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "a.journal"
    path.write_bytes(_MARKER.join(rng.bytes(int(n)) for n in rng.integers(0, 90, 200)))
    finished = read_journal(path, 2)
    assert len(finished.rows) == 0
    assert finished.damaged == path.stat().st_size


def test_the_last_record_of_a_sample_wins_with_its_message(tmp_path):
    path = tmp_path / "a.journal"
    journal = Journal(path, 1)
    for text, value in (("first", 1.0), ("second", 2.0), ("", 3.0)):
        journal.append(sample_id(7), KEYS, 1, Outcome(Status.OK, 0, 0.0, [value], text))
        finished = read_journal(path, 1)
        assert finished.rows["outputs"].tolist() == [[value]]
        assert finished.messages == ({sample_id(7).decode(): text} if text else {})
    journal.close()


def test_blocks_of_many_rows_are_read_row_by_row(tmp_path):
    path = tmp_path / "a.journal"
    rows = np.zeros(5000, row_type(2))
    rows["sample_id"] = [sample_id(i) for i in range(5000)]
    rows["outputs"] = np.arange(10000.0).reshape(-1, 2)
    journal = Journal(path, 2)
    journal.append_rows(rows, {sample_id(4999).decode(): "the last"})
    journal.append_rows(rows[:0], {})
    journal.close()
    finished = read_journal(path, 2)
    np.testing.assert_array_equal(finished.rows, rows)
    assert finished.messages == {sample_id(4999).decode(): "the last"}


def test_one_damaged_byte_in_a_large_block_does_not_cost_all_of_it(tmp_path):
    path = tmp_path / "a.journal"
    rows = np.zeros(10000, row_type(1))
    rows["sample_id"] = [sample_id(i) for i in range(10000)]
    journal = Journal(path, 1)
    journal.append_rows(rows, {})
    journal.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert len(read_journal(path, 1).rows) > 8000


def _append_many(path, start):
    write(path, range(start, start + 300))


def test_several_processes_append_at_the_same_time(tmp_path):
    path = tmp_path / "a.journal"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(path, 300 * k)) for k in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    finished = read_journal(path, 2)
    assert sorted(assert_right(finished)) == list(range(1200))
    assert finished.damaged == 0


def test_a_note_says_what_the_rows_mean(tmp_path):
    path = tmp_path / "a.journal"
    write(path, [1], about="two outputs")
    write(path, [2], about="not written again")
    assert journal_about(path) == "two outputs"
    finished = read_journal(path, 2)
    assert (assert_right(finished), finished.about, finished.damaged) == ([1, 2], "two outputs", 0)
    assert finished.messages == {}
    write(tmp_path / "b.journal", [1])
    assert journal_about(tmp_path / "b.journal") == ""
    assert journal_about(tmp_path / "none.journal") == ""


def test_messages_and_notes_between_rows_are_kept_apart(tmp_path):
    path = tmp_path / "a.journal"
    write(path, [0, 1], about="first")
    journal = Journal(path, 2)
    journal.note("second")
    journal.close()
    write(path, [3, 4])
    finished = read_journal(path, 2)
    assert assert_right(finished) == [0, 1, 3, 4]
    assert finished.about == "second"
    assert set(finished.messages) == {sample_id(i).decode() for i in (0, 3)}


def test_damage_to_the_note_does_not_cost_what_it_is_about(tmp_path):
    path = tmp_path / "a.journal"
    write(path, [1], about="two outputs")
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert journal_about(path) == "two outputs"
    data[data.rfind(b"two")] ^= 1
    path.write_bytes(data)
    assert journal_about(path) == ""
    journal = Journal(path, 2)
    journal.note("two outputs")
    journal.close()
    assert journal_about(path) == "two outputs"
    assert assert_right(read_journal(path, 2)) == [1]


def test_a_full_disk_is_an_error_and_the_record_counts_as_damage(tmp_path, monkeypatch):
    path = tmp_path / "a.journal"
    write(path, [1])
    whole = path.stat().st_size
    journal = Journal(path, 2)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:50]))
    with pytest.raises(OSError, match="No space left") as caught:
        journal.append(sample_id(2), KEYS, 1, outcome(2))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    monkeypatch.undo()
    journal.append(sample_id(4), KEYS, 1, outcome(4))  # space was made
    journal.sync()
    journal.close()
    finished = read_journal(path, 2)
    assert assert_right(finished) == [1, 4]
    assert finished.damaged == 50
    assert path.stat().st_size > whole


@pytest.mark.parametrize("text", ["a\0b", "\udcff", "x" * 100_000, "tab\tline\n"])
def test_a_message_is_stored_as_every_file_can_hold_it(text):
    clean = clean_text(text)
    assert "\0" not in clean
    assert len(clean.encode()) < 10_000
    if len(text) < 100 and text.isprintable():
        assert clean == text


def test_the_latest_of_equal_ids_keeps_the_order_of_the_file(monkeypatch):
    rows = np.zeros(5, row_type(1))
    rows["sample_id"] = [b"b", b"a", b"b", b"c", b"a"]
    rows["exit_code"] = range(5)
    assert latest(rows)["exit_code"].tolist() == [2, 3, 4]
    assert len(latest(rows[:0])) == 0
    # ids that all have the same word
    monkeypatch.setattr("ensnare.store.journal.id_keys", lambda ids: np.zeros(len(ids), np.uint64))
    assert latest(rows)["exit_code"].tolist() == [2, 3, 4]


def test_members_is_isin():
    rng = np.random.default_rng(2)
    ids = np.array([b"%03d" % i for i in rng.integers(0, 300, 100)])
    known = np.array([b"%03d" % i for i in rng.integers(0, 300, 150)])
    np.testing.assert_array_equal(members(ids, known), np.isin(ids, known))
    assert not members(ids, known[:0]).any()
    assert members(ids[:0], known).shape == (0,)
