"""SIGTERM, SIGINT and SIGHUP as an exception, and moments in which they have to wait."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Terminated(BaseException):
    """A signal to end: no error of anyone's, so nothing that catches errors catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Turn signals to end into `Terminated`, in this process and in those forked from it."""

    def handler(number: int, _frame: object) -> None:
        # once: another signal must not interrupt the tidying up
        for other in _ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(number)

    for number in _ENDING:
        # ignored by whoever started us (nohup, a background job): it stays so
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Let signals to end wait, for steps that must be done whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Let signals through in a process that was forked while they were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
