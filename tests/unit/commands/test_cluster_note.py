import pytest

from ensnare.commands.status import failure_note

# as the SLURM plugin 2.8.0 says it
REFUSAL = """\
    message: SLURM sbatch failed. The error message was 'sbatch: error: AssocMaxSubmitJobLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy'.
"""
ENDED = "    message: SLURM-job '12' failed, SLURM status is: '{}'. Reason: Unknown.For further\n"
LOST = "    message: SLURM-job '7' failed due to a node failure, SLURM status is: 'NODE_FAIL'. \n"


def test_a_refused_submission_is_told_with_its_reason_and_what_to_do():
    note = failure_note(REFUSAL * 3, 1, 2)
    assert note == (
        "1 of 2 batches are not finished; submissions that SLURM refused: 3 "
        "(AssocMaxSubmitJobLimit); keep jobs in the profile below what the site lets a user "
        "submit; call the same command again: finished samples are kept"
    )


@pytest.mark.parametrize(
    ("state", "advice"),
    [("TIMEOUT", "runtime"), ("OUT_OF_MEMORY", "mem_mb"), ("CANCELLED", "call")],
)
def test_jobs_that_slurm_ended_are_counted_by_state_and_have_their_advice(state, advice):
    note = failure_note(ENDED.format(state) * 2 + ENDED.format("FAILED") + LOST, 3, 9)
    assert f"jobs that ended as {state}: 2" in note
    assert "jobs that ended as NODE_FAIL: 1" in note
    assert "FAILED" not in note
    assert advice in note
    assert "\n" not in note


def test_a_failure_that_is_none_of_slurm_has_no_note():
    assert failure_note("Error in rule evaluate", 1, 2) is None
    assert failure_note(ENDED.format("FAILED"), 1, 2) is None
    assert failure_note(ENDED.format("TIMEOUT"), 0, 2) is None  # a retry made it
