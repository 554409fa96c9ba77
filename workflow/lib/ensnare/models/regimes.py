#!/usr/bin/env python3
"""Heat transfer in a pipe: an example of a code whose model changes with the regime.

    regimes.py DECK.txt

The deck has one `key = value` a line, `#` starts a comment: Re (Reynolds number), Pr (Prandtl
number), bc (`isothermal` or `isoflux` wall) and, for an isoflux wall only, Gr (Grashof number of
the flux, g beta q D^4 / (k nu^2)). A JSON object with the Nusselt number, the Richardson number
and the regime is printed. Exit codes: 0, 1 for a deck that cannot be used, 2 for a wrong call.
"""

import math
import sys

LAMINAR, TRANSITIONAL, TURBULENT, MIXED = range(4)
RE_LAMINAR = 2300.0
RE_TURBULENT = 4000.0
NUSSELT_LAMINAR = {"isothermal": 3.66, "isoflux": 48 / 11}
# variable: its lowest and highest value
RANGES = {"Re": (1.0, 1e6), "Pr": (0.5, 2000.0), "Gr": (0.0, 1e12)}
RI_MIXED = 0.1


def gnielinski(Re: float, Pr: float) -> float:
    """Return the Nusselt number [-] of turbulent flow in a smooth long pipe.

    Re is from 4000 to 1e6, Pr from 0.5 to 2000.

    References
    ----------
    Gnielinski (1976), Int. Chem. Eng. 16, 359-368
    """
    f = 1 / (0.79 * math.log(Re) - 1.64) ** 2
    numerator = f / 8 * (Re - 1000) * Pr
    return numerator / (1 + 12.7 * math.sqrt(f / 8) * (math.pow(Pr, 2 / 3) - 1))


def nusselt(Re: float, Pr: float, bc: str) -> tuple[float, int]:
    """Return the Nusselt number [-] of forced convection, and its regime.

    The regime is 0 for laminar, 1 for transitional and 2 for turbulent flow.

    References
    ----------
    Gnielinski (2013), Int. J. Heat Mass Transfer 63, 134-140,
    doi:10.1016/j.ijheatmasstransfer.2013.04.015
    """
    laminar = NUSSELT_LAMINAR[bc]
    if Re <= RE_LAMINAR:
        return laminar, LAMINAR
    if Re >= RE_TURBULENT:
        return gnielinski(Re, Pr), TURBULENT
    share = (Re - RE_LAMINAR) / (RE_TURBULENT - RE_LAMINAR)
    return (1 - share) * laminar + share * gnielinski(RE_TURBULENT, Pr), TRANSITIONAL


def solve(Re: float, Pr: float, bc: str, Gr: float) -> dict[str, float]:
    """Return `Nu` and `Ri` [-] of a flow, and `regime`: that of `nusselt`, or 3 for mixed.

    Gr is the Grashof number of the flux [-], 0 for an isothermal wall.
    """
    Nu, regime = nusselt(Re, Pr, bc)
    Ri = Gr / (Nu * Re**2)  # the wall is warmer by q D / (k Nu)
    # ASSUME: above Ri = 0.1 buoyancy counts; Nu stays that of forced convection
    return {"Nu": Nu, "Ri": Ri, "regime": MIXED if Ri > RI_MIXED else regime}


def read_deck(path: str) -> dict[str, str]:
    """Return the entries of an input deck, text by key.

    Raises ValueError if a line has another form, or a key is unknown or given twice.
    """
    entries: dict[str, str] = {}
    with open(path, encoding="utf-8") as deck:
        for number, line in enumerate(deck, start=1):
            content = line.partition("#")[0].strip()
            if not content:
                continue
            name, equals, text = (part.strip() for part in content.partition("="))
            if not equals:
                raise ValueError(f"line {number}: found {content!r}; expected key = value")
            if name not in ("Re", "Pr", "bc", "Gr"):
                raise ValueError(f"line {number}: unknown {name!r}; expected Re, Pr, bc or Gr")
            if name in entries:
                raise ValueError(f"line {number}: {name} again; expected it once")
            entries[name] = text
    return entries


def read_value(name: str, text: str) -> float:
    """Return the value of Re, Pr or Gr; raise ValueError if it is not a number within `RANGES`."""
    low, high = RANGES[name]
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; expected a number") from None
    if not low <= value <= high:
        raise ValueError(f"{name} is {text}; expected {low:g} to {high:g}")
    return value


def check_entries(entries: dict[str, str]) -> None:
    """Raise ValueError if a key is missing, or does not belong to the wall, or `bc` is unknown."""
    bc = entries.get("bc", "")
    if bc not in NUSSELT_LAMINAR:
        raise ValueError(f"bc is {bc!r}; expected {' or '.join(NUSSELT_LAMINAR)}")
    expected = {"Re", "Pr", "bc"} | ({"Gr"} if bc == "isoflux" else set())
    missing = sorted(expected - set(entries))
    if missing:
        raise ValueError(f"found no {', '.join(missing)}; expected one line for each")
    if "Gr" in entries and "Gr" not in expected:
        raise ValueError(f"found Gr for an {bc} wall; expected it for isoflux only")


def main(arguments: list[str]) -> int:
    """Run the code with the name of its input file; return its exit code."""
    if len(arguments) != 1:
        print("usage: regimes.py DECK.txt", file=sys.stderr)
        return 2
    try:
        entries = read_deck(arguments[0])
        check_entries(entries)
        Re, Pr, Gr = (read_value(name, entries.get(name, "0")) for name in RANGES)
        results = solve(Re, Pr, entries["bc"], Gr)
    except OSError as error:
        print(f"regimes: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"regimes: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    print("{" + ", ".join(f'"{name}": {value!r}' for name, value in results.items()) + "}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
