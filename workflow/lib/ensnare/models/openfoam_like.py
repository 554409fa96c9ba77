#!/usr/bin/env python3
"""Flow between two walls, marched in time: a stand-in for a code with the files of OpenFOAM.

    openfoam_like.py blockMesh      system/blockMeshDict -> constant/polyMesh/points
    openfoam_like.py simpleFoam     from the latest time, or 0, to the endTime of controlDict

Both run in the case's directory. The flow is u_t = nu u_yy + G, with G the pressure gradient over
the density and an upper wall that may move; the steady state is U y/H + G/(2 nu) y (H - y).
Exit codes: 0, 1 for a case that cannot be used, 2 for a wrong call.
"""

from __future__ import annotations

import math
import os
import sys

TYPE_CHECKING = False  # importing typing costs half of the start-up
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def _words(path: str) -> Iterator[str]:
    """Return the words and brackets of a file, without its comments."""
    with open(path, encoding="utf-8") as file:
        text = "\n".join(line.partition("//")[0] for line in file)
    while "/*" in text:
        head, _, tail = text.partition("/*")
        text = head + " " + tail.partition("*/")[2]
    for bracket in "{}()[];":
        text = text.replace(bracket, f" {bracket} ")
    return iter(text.split())


def _parse(words: Iterator[str], end: str = "") -> Any:  # noqa: ANN401
    """Return the entries of a block or file, or the items of a list, up to its closing bracket."""
    entries: dict[str, Any] = {}
    items: list[Any] = []
    for word in words:
        if word == end:
            break
        if word in "([":
            items.append(_parse(words, ")" if word == "(" else "]"))
        elif word == "{":
            entries[items.pop()] = _parse(words, "}")
        elif word == ";":
            entries[items[0]] = items[1:]
            items = []
        else:
            items.append(word)
    else:
        if end or items:
            raise ValueError(f"the file ends too early; expected '{end or ';'}'")
    return entries if end in ("}", "") else items


def _number(entries: dict[str, Any], key: str, low: float, path: str) -> float:
    """Return the number of an entry, which may have dimensions and must exceed a bound."""
    words = [word for word in entries.get(key, []) if isinstance(word, str)]
    try:
        (value,) = map(float, words)
    except ValueError:
        found = " ".join(words)
        raise ValueError(f"{path}: {key} is {found!r}; expected '{key} <number>;'") from None
    if not (math.isfinite(value) and value > low):
        raise ValueError(f"{path}: {key} is {value:g}; expected a finite number > {low:g}")
    return value


def _read(path: str) -> dict[str, Any]:
    """Return the entries of a dictionary file; errors name the file."""
    try:
        entries: dict[str, Any] = _parse(_words(path))
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: expected entries 'key value;' ({error})") from None
    return entries


def _vectors(items: list[Any], component: int) -> list[float]:
    """Return one component of a list of vectors."""
    try:
        values = [float(item[component]) for item in items]
    except (IndexError, TypeError, ValueError):
        raise ValueError(f"found {str(items)[:40]}...; expected vectors (x y z)") from None
    if not all(map(math.isfinite, values)):
        raise ValueError("found a vector that is not finite")
    return values


def _write(path: str, text: str) -> None:
    """Write a file that appears only when complete."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def _header(kind: str, name: str) -> str:
    return f"FoamFile\n{{\n    format ascii;\n    class {kind};\n    object {name};\n}}\n\n"


def block_mesh() -> None:
    """Write the points of the mesh that system/blockMeshDict describes.

    Raises ValueError if that is not one block of at least 2 cells across.
    """
    path = "system/blockMeshDict"
    entries = _read(path)
    try:
        heights = _vectors(entries["vertices"][0], 1)
        kind, _, cells, *_ = entries["blocks"][0]
        n = int(cells[1])
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError(f"{path}: expected vertices and one block 'hex (...) (1 n 1)'") from None
    low, high = min(heights), max(heights)
    if kind != "hex" or n < 2 or high <= low:
        raise ValueError(f"{path}: found {kind}, {n} cells, {high - low:g} m; expected hex, 2, > 0")
    points = [f"(0 {low + (high - low) * i / n!r} 0)" for i in range(n + 1)]
    text = f"{len(points)}\n(\n" + "\n".join(points) + "\n)\n"
    _write("constant/polyMesh/points", _header("vectorField", "points") + text)
    print(f"Creating block mesh: {n} cells over {high - low:g} m\n\nEnd")


class Channel:
    """A flow between two walls.

    Parameters
    ----------
    y : list of float, length n
        Points from wall to wall, evenly spaced [m].
    u : list of float, length n
        Velocity [m/s]; the first and the last are those of the walls.
    nu : float
        Kinematic viscosity [m^2/s].
    G : float
        Pressure gradient over the density, positive if it drives the flow [m/s^2].
    """

    def __init__(self, y: list[float], u: list[float], nu: float, G: float) -> None:
        self.y, self.u, self.nu, self.G = y, u, nu, G

    def march(self, dt: float) -> Iterator[float]:
        """Advance by implicit Euler with a time step dt [s], without an end.

        Yields the largest change of the velocity over its largest value [-] after each step.
        """
        n = len(self.y)
        r = self.nu * dt / (self.y[1] - self.y[0]) ** 2
        upper = [0.0] * n
        pivot = [1.0] * n
        for i in range(1, n - 1):  # the matrix is constant: eliminate once
            pivot[i] = 1 / (1 + 2 * r - r * upper[i - 1])
            upper[i] = r * pivot[i]
        while True:
            new = self.u[:]
            for i in range(1, n - 1):
                new[i] = (self.u[i] + dt * self.G + r * new[i - 1]) * pivot[i]
            for i in range(n - 2, 0, -1):
                new[i] += upper[i] * new[i + 1]
            change = max(abs(a - b) for a, b in zip(new, self.u, strict=True))
            self.u = new
            yield change / (max(map(abs, new)) or 1.0)

    def wall_stress(self) -> tuple[float, float]:
        """Return the shear stress on the lower and upper wall, over the density [m^2/s^2]."""
        scale = self.nu / (2 * (self.y[1] - self.y[0]))
        lower, upper = self.u[:3], self.u[:-4:-1]
        a, b = (scale * (4 * u[1] - 3 * u[0] - u[2]) for u in (lower, upper))
        return a, b


def _times() -> list[tuple[float, str]]:
    """Return time and name of the time directories."""
    names = (name for name in os.listdir(".") if name.replace(".", "", 1).isdecimal())
    return [(float(name), name) for name in names if os.path.isfile(f"{name}/U")]


def _read_channel(start: str) -> Channel:
    """Return the flow in the time directory `start`."""
    words = _words("constant/polyMesh/points")
    while next(words, "(") != "(":
        pass
    y = _vectors(_parse(words, ")"), 1)
    properties, field = "constant/transportProperties", start + "/U"
    transport, entries = _read(properties), _read(field)
    try:
        kind, *_, value = entries["internalField"]
        u = _vectors([value] * len(y) if kind == "uniform" else value, 0)
        walls = [entries["boundaryField"][wall] for wall in ("lowerWall", "upperWall")]
        u[0], u[-1] = (_vectors(w["value"][1:], 0)[0] if "value" in w else 0.0 for w in walls)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{field}: expected internalField and two walls; {error}") from None
    if len(u) != len(y):
        raise ValueError(f"{field}: found {len(u)} values; expected {len(y)}, one for each point")
    nu = _number(transport, "nu", 0.0, properties)
    return Channel(y, u, nu, _number(transport, "G", -math.inf, properties))


def _write_results(start: str, flow: Channel, rows: list[str]) -> None:
    """Write forces and probes, in directories named after the time of the start."""
    place = f"postProcessing/forces/{start}/coefficient.dat"
    _write(place, "# Force coefficients\n# Time\tCd\tCd(lower)\tCd(upper)\n" + "".join(rows))
    lines = [f"{y!r},{u!r}\n" for y, u in zip(flow.y, flow.u, strict=True)]
    _write(f"postProcessing/probes/{start}/U.csv", "y,Ux\n" + "".join(lines))


def _write_field(time: str, flow: Channel) -> None:
    """Write the velocity, from which a later run may start."""
    wall = "    {} {{ type fixedValue; value uniform ({!r} 0 0); }}\n"
    walls = wall.format("lowerWall", flow.u[0]) + wall.format("upperWall", flow.u[-1])
    values = "\n".join(f"({u!r} 0 0)" for u in flow.u)
    text = f"internalField nonuniform List<vector> {len(flow.u)}\n(\n{values}\n);\n\n"
    text += f"boundaryField\n{{\n{walls}}}\n"
    _write(f"{time}/U", _header("volVectorField", "U") + text)


def simple_foam() -> None:
    """March the flow from its latest time to the endTime of system/controlDict.

    Raises ValueError if an entry is missing or has no meaning, or a field does not fit the mesh.
    """
    path = "system/controlDict"
    control = _read(path)
    if control.get("startFrom") != ["latestTime"]:
        raise ValueError(f"{path}: found another startFrom; expected 'startFrom latestTime;'")
    keys = ("endTime", "deltaT", "writeInterval", "magUInf")
    end, dt, interval, u_ref = (_number(control, key, 0.0, path) for key in keys)
    every = max(1, round(interval / dt))
    time, start = max(_times(), default=(0.0, "0"))
    flow = _read_channel(start)
    rows = []
    steps = round((end - time) / dt)
    for step, change in zip(range(1, steps + 1), flow.march(dt), strict=False):
        now = f"{time + step * dt:.10g}"
        print(f"Time = {now}\n\nSolving for Ux, Initial residual = {change:.6g}\n")
        cd = [stress / (0.5 * u_ref**2) for stress in flow.wall_stress()]
        rows.append("\t".join([now, *(f"{c:.12g}" for c in (sum(cd), *cd))]) + "\n")
        if step % every == 0 or step == steps:
            _write_field(now, flow)
    if rows:
        _write_results(start, flow, rows)
    print("End")


def main(arguments: list[str]) -> int:
    """Run `blockMesh` or `simpleFoam`; return the exit code."""
    commands = {"blockMesh": block_mesh, "simpleFoam": simple_foam}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: openfoam_like.py blockMesh|simpleFoam", file=sys.stderr)
        return 2
    try:
        commands[arguments[0]]()
    except OSError as error:
        print(f"{arguments[0]}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, ArithmeticError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
