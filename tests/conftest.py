"""What holds for all tests: who shares a SLURM, and that none is skipped where all can run."""

import os
import signal
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# `.ci/run` sets this after it has installed all that tests need
ALL_IS_INSTALLED = bool(os.environ.get("ENSNARE_ALL_INSTALLED"))
# what a machine may lack all the same
MAY_LACK = ("no tmpfs can be mounted here", "needs two cores")


def pytest_configure():
    """Take signals that `nohup`, or a shell for its background, ignores: tests send them."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            default = signal.SIG_DFL if number == signal.SIGHUP else signal.default_int_handler
            signal.signal(number, default)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Give tests that share a SLURM to one worker of pytest-xdist."""
    for item in items:
        if HERE / "cluster" in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let a test fail that would be skipped although all that it needs should be there."""
    report = yield
    if ALL_IS_INSTALLED and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(text in reason for text in MAY_LACK):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: {reason}; ENSNARE_ALL_INSTALLED says it is there"
    return report
