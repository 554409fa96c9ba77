#!/usr/bin/env python3
"""A decaying vibration at one time: an example of a code that takes arguments and prints a table.

    simulator.py X A B

X is the time in units of the decay time, A the amplitude, B the angular frequency. The table on
standard output has a header and one row. Exit codes: 0, 1 for a value that cannot be used, 2 for
a wrong call.
"""

import math
import sys

NAMES = ("X", "A", "B")


def vibration(x: float, amplitude: float, frequency: float) -> tuple[float, float]:
    """Return y = amplitude exp(-x) cos(frequency x) and dy/dx [-].

    x is the time in units of the decay time, frequency the angular one [-].
    """
    decay = amplitude * math.exp(-x)
    y = decay * math.cos(frequency * x)
    return y, -y - decay * frequency * math.sin(frequency * x)


def read_number(name: str, text: str) -> float:
    """Return the finite number of an argument; raise ValueError if it is none."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; expected a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text}; expected a finite number")
    return value


def main(arguments: list[str]) -> int:
    """Run the code with the arguments X, A and B; return its exit code."""
    if len(arguments) != len(NAMES):
        print("usage: simulator.py X A B", file=sys.stderr)
        return 2
    try:
        x, amplitude, frequency = map(read_number, NAMES, arguments)
        y, slope = vibration(x, amplitude, frequency)
        if not (math.isfinite(y) and math.isfinite(slope)):
            raise OverflowError(f"y is {y}; expected values of usual size")
    except (ValueError, ArithmeticError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    print(f"# x y slope\n{x!r} {y!r} {slope!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
