"""Which GPUs of a job a worker has: samples side by side must not all take the first ones."""

from __future__ import annotations

from collections.abc import Mapping

# by which a scheduler, or a user, says which GPUs a process may see
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)


# what srun takes for --gpus; of the job it would be all of them, for one step after the other
OF_A_STEP = "SLURM_GPUS"


def gpus_of_worker(slot: int, count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that show a worker its own GPUs.

    Parameters
    ----------
    slot : int
        Which of the workers of the job, from 0.
    count : int
        GPUs of one sample.
    environment : mapping of str to str
        Of the job. What it does not say, or says of too few GPUs, is left as it is.
    """
    found = {}
    for name in _VARIABLES:
        devices = [device for device in environment.get(name, "").split(",") if device]
        own = devices[slot * count : (slot + 1) * count]
        if count and len(own) == count:
            found[name] = ",".join(own)
    return found
