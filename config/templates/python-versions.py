"""Largest number of Collatz steps below a bound, by @threads@ processes of one Python."""

import sys
from multiprocessing import get_context

SIZE, PROCESSES, SHARES = int("@size@"), int("@threads@"), 64


def most_steps(share: int) -> tuple[int, int]:
    """Return the most steps, and where, of every 64th number."""
    best = (0, 0)
    for start in range(1 + share, SIZE, SHARES):
        n, steps = start, 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        best = max(best, (steps, start))
    return best


if __name__ == "__main__":
    with get_context("fork").Pool(PROCESSES) as pool:
        print("most steps", max(pool.imap_unordered(most_steps, range(SHARES)))[0])
    print("python", sys.version.split()[0])
