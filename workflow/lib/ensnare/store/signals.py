"""SIGTERM, SIGINT and SIGHUP as an exception, and blocks of code in which they wait."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Terminated(BaseException):
    """The process was asked to end by a signal; no `except Exception` catches this."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def raise_on_signals() -> None:
    """Raise `Terminated` on SIGTERM, SIGINT and SIGHUP, here and in processes forked from here."""

    def handler(number: int, _frame: object) -> None:
        # only once: a second signal must not interrupt the clean-up
        for other in _ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(number)

    for number in _ENDING:
        # what the parent process ignores (nohup, a background job) stays ignored
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Delay SIGTERM, SIGINT and SIGHUP until the end of a block that must not be interrupted."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Accept these signals again in a process that was forked within `signals_blocked`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
