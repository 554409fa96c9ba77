"""In jobs of the test cluster: nodes claim more CPUs than this machine has.

On a real node Snakemake counts the CPUs of the job; here it would count those of the machine.
"""

import os
import sys
from importlib.machinery import PathFinder


class _Counter(PathFinder):
    """Find `snakemake.utils` and let it count the CPUs that SLURM gave to the job."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname != "snakemake.utils":
            return None
        spec = super().find_spec(fullname, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.available_cpu_count = lambda: int(os.environ["SLURM_CPUS_ON_NODE"])

        spec.loader.exec_module = exec_module
        return spec


if "SLURM_CPUS_ON_NODE" in os.environ:
    sys.meta_path.insert(0, _Counter)
