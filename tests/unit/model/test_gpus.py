"""Samples side by side have GPUs of their own."""

import pytest
from small_studies import evaluate, labels, shell, study_tree

from ensnare.model.environment import gpus_of_worker


@pytest.mark.parametrize(
    ("slot", "count", "devices", "own"),
    [
        (0, 1, "0,1", "0"),
        (1, 1, "0,1", "1"),
        (1, 2, "4,5,6,7", "6,7"),
        (1, 1, "GPU-aa,GPU-bb", "GPU-bb"),
        (2, 1, "0,1", None),  # too few: nobody knows better than the scheduler
        (0, 0, "0,1", None),
        (0, 1, "", None),
    ],
)
def test_a_worker_sees_its_own_gpus(slot, count, devices, own):
    found = gpus_of_worker(slot, count, {"CUDA_VISIBLE_DEVICES": devices, "PATH": "/bin"})
    assert found == ({} if own is None else {"CUDA_VISIBLE_DEVICES": own})


def test_all_kinds_of_gpus_are_shared_out():
    job = {"CUDA_VISIBLE_DEVICES": "0,1", "ROCR_VISIBLE_DEVICES": "2,3"}
    own = {"CUDA_VISIBLE_DEVICES": "1", "ROCR_VISIBLE_DEVICES": "3"}
    assert gpus_of_worker(1, 1, job) == own


@pytest.mark.parametrize(("gpus", "devices"), [(1, {"3", "5"}), (0, {"3,5"})])
def test_samples_side_by_side_share_no_gpu(tmp_path, monkeypatch, gpus, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    log = tmp_path / "log"
    # the first two wait for each other: they are on two workers
    script = f"echo $CUDA_VISIBLE_DEVICES >> {log}; "
    script += f"until [ $(wc -l < {log}) -ge 2 ]; do sleep 0.01; done; echo y = 1"
    tree = study_tree(shell(script), size=4, resources={"gpus": gpus})
    _, arrays = evaluate(tree, tmp_path)
    assert labels(arrays) == ["ok"] * 4
    assert {*log.read_text().split()} == devices
