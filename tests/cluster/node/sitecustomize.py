"""Changes to Snakemake on the test cluster, whose nodes are one machine.

In its jobs: nodes claim more CPUs than this machine has. On a real node Snakemake counts the CPUs
of the job; here it would count those of the machine.

Where it runs with the profile of the tests: the plugin asks for the state of jobs ever more
seldom, 10 s later each time, and tests would spend their time on that.
"""

import os
import sys
from importlib.machinery import PathFinder

_SECONDS = 2
_changes = {}


def _count_cpus_of_the_job(module):
    module.available_cpu_count = lambda: int(os.environ["SLURM_CPUS_ON_NODE"])


def _ask_often(module):
    often = property(lambda self: _SECONDS, lambda self, seconds: None)
    module.Executor.next_seconds_between_status_checks = often


class _Changer(PathFinder):
    """Find a module and change it when it is loaded."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        change = _changes.get(fullname)
        if change is None:
            return None
        spec = super().find_spec(fullname, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


if "SLURM_CPUS_ON_NODE" in os.environ:
    _changes["snakemake.utils"] = _count_cpus_of_the_job
if any(word.endswith("tests/cluster/profile") for word in sys.orig_argv):
    _changes["snakemake_executor_plugin_slurm"] = _ask_often
if _changes:
    sys.meta_path.insert(0, _Changer)
