#!/usr/bin/env python3
"""Height of a flooded river over its dyke: an example of an external code.

    flood.py DECK.txt

The deck has one `key = value` a line, `#` starts a comment. The water height H and the overflow S
are written to `flood.csv`, and S is printed. S > 0 is a flood, and no error. Exit codes: 0, 1 for
a deck that cannot be used, 2 for a wrong call.
"""

import math
import os
import sys

# variable: its unit
VARIABLES = {
    "Q": "m^3/s",
    "Ks": "m^(1/3)/s",
    "Zv": "m",
    "Zm": "m",
    "B": "m",
    "L": "m",
    "Zb": "m",
    "Hd": "m",
}
POSITIVE = ("Q", "Ks", "B", "L")


def water_height(Q: float, Ks: float, Zv: float, Zm: float, B: float, L: float) -> float:
    """Return the water height of a wide rectangular channel in uniform flow.

    Parameters
    ----------
    Q : float
        Flow rate [m^3/s].
    Ks : float
        Strickler's coefficient [m^(1/3)/s].
    Zv, Zm : float
        Level of the river bed downstream and upstream [m].
    B, L : float
        Width and length of the reach [m].

    Returns
    -------
    float
        (Q / (Ks B sqrt((Zm - Zv) / L)))^0.6 [m].

    References
    ----------
    Iooss and Lemaitre (2015), in Uncertainty Management in Simulation-Optimization of Complex
    Systems, 101-122, doi:10.1007/978-1-4899-7547-8_5
    """
    return math.pow(Q / (Ks * B * math.sqrt((Zm - Zv) / L)), 0.6)


def overflow(H: float, Zv: float, Zb: float, Hd: float) -> float:
    """Return the height of the water over the dyke.

    Parameters
    ----------
    H : float
        Water height [m].
    Zv : float
        Level of the river bed downstream [m].
    Zb : float
        Level of the bank [m].
    Hd : float
        Height of the dyke [m].

    Returns
    -------
    float
        Zv + H - Zb - Hd [m]; positive when the dyke is flooded.

    References
    ----------
    Iooss and Lemaitre (2015), doi:10.1007/978-1-4899-7547-8_5
    """
    return Zv + H - Zb - Hd


def flood(
    Q: float, Ks: float, Zv: float, Zm: float, B: float, L: float, Zb: float, Hd: float
) -> dict[str, float]:
    """Return water height and overflow, as a Python model.

    Parameters
    ----------
    Q, Ks, Zv, Zm, B, L, Zb, Hd : float
        See `water_height` and `overflow`.

    Returns
    -------
    dict of str to float
        H, the water height [m], and S, the overflow [m].
    """
    H = water_height(Q, Ks, Zv, Zm, B, L)
    return {"H": H, "S": overflow(H, Zv, Zb, Hd)}


def read_line(line: str) -> tuple[str, float] | None:
    """Return the variable that a line of the deck gives.

    Parameters
    ----------
    line : str
        `key = value`, perhaps with a comment.

    Returns
    -------
    tuple of str and float, or None
        Name and value; None for an empty line.

    Raises
    ------
    ValueError
        If the line is no `key = value`, the key is unknown or the value not a finite number.
    """
    content = line.partition("#")[0].strip()
    if not content:
        return None
    name, equals, text = (part.strip() for part in content.partition("="))
    if not equals:
        raise ValueError(f"found {content!r}; expected key = value")
    if name not in VARIABLES:
        raise ValueError(f"unknown {name!r}; expected one of {', '.join(VARIABLES)}")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; expected a number") from None
    if not math.isfinite(value) or (name in POSITIVE and value <= 0):
        expected = "finite and > 0" if name in POSITIVE else "finite"
        raise ValueError(f"{name} is {text} {VARIABLES[name]}; expected {expected}")
    return name, value


def read_deck(path: str) -> dict[str, float]:
    """Return the variables of a deck.

    Parameters
    ----------
    path : str
        Input file.

    Returns
    -------
    dict of str to float
        The eight variables, in the units of `VARIABLES`.

    Raises
    ------
    ValueError
        If a line cannot be used, a variable is missing or given twice, or the bed does not slope.
    OSError
        If the file cannot be read.
    """
    values: dict[str, float] = {}
    with open(path, encoding="utf-8") as deck:
        for number, line in enumerate(deck, start=1):
            try:
                found = read_line(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if found is None:
                continue
            if found[0] in values:
                raise ValueError(f"line {number}: {found[0]} again; expected it once")
            values[found[0]] = found[1]
    missing = [name for name in VARIABLES if name not in values]
    if missing:
        raise ValueError(f"found no {', '.join(missing)}; expected one line for each")
    if values["Zm"] <= values["Zv"]:
        raise ValueError(f"Zm is {values['Zm']:g} m; expected more than Zv, {values['Zv']:g} m")
    return values


def solve(values: dict[str, float]) -> tuple[float, float]:
    """Return the water height and the overflow.

    Parameters
    ----------
    values : dict of str to float
        The eight variables, in the units of `VARIABLES`.

    Returns
    -------
    tuple of float
        H and S [m].
    """
    H = water_height(**{name: values[name] for name in ("Q", "Ks", "Zv", "Zm", "B", "L")})
    return H, overflow(H, values["Zv"], values["Zb"], values["Hd"])


def write_table(path: str, H: float, S: float) -> None:
    """Write the table of results.

    Parameters
    ----------
    path : str
        Output file; it appears only when whole.
    H, S : float
        Water height and overflow [m].

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(f"H,S\n{H!r},{S!r}\n")
    os.replace(path + ".part", path)


def main(arguments: list[str]) -> int:
    """Run the code.

    Parameters
    ----------
    arguments : list of str
        Input file.

    Returns
    -------
    int
        Exit code.
    """
    if len(arguments) != 1:
        print("usage: flood.py DECK.txt", file=sys.stderr)
        return 2
    try:
        H, S = solve(read_deck(arguments[0]))
        write_table("flood.csv", H, S)
    except OSError as error:
        print(f"flood: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, ArithmeticError) as error:
        print(f"flood: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    print(f"S = {S:.10g} m")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
