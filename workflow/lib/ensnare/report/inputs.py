"""The laws of inputs as a reader sees them."""

from __future__ import annotations

from collections.abc import Sequence

from ensnare.config.copulas import Copula
from ensnare.config.inputs import Input


def distribution_text(item: Input) -> str:
    """Return the distribution of an input as a reader sees it: `Normal(mu=0, sigma=1)`."""
    if item.value is not None:
        return f"constant {item.value:.6g}"
    if item.data is not None:
        text = f"{item.data.fit} of {item.data.column or item.name} in {item.data.file}"
    elif item.distribution is None:
        return "from the table"
    else:
        ((name, parameters),) = item.distribution.items()
        shown = ", ".join(f"{key}={_number(value)}" for key, value in parameters.items())
        text = f"{name}({shown})"
    if item.truncate:
        low, high = ("" if b is None else f"{b:.6g}" for b in item.truncate)
        text += f" on [{low or '-inf'}, {high or 'inf'}]"
    return text


def _number(value: float | Sequence[float]) -> str:
    if isinstance(value, float | int):
        return f"{value:.6g}"
    return "[" + ", ".join(f"{v:.6g}" for v in value) + "]"


def copula_text(copula: Copula) -> str:
    """Return a copula as a reader sees it: `normal, spearman: L, I: -0.2`."""
    tree = copula.block.model_dump(exclude_none=True)
    pairs = getattr(copula.block, "pairs", [])
    shown = [f"{k}={v:g}" for k, v in tree.items() if isinstance(v, float)]
    kind = f"{copula.block.kind} correlation" if copula.name == "normal" else "parameters"
    listed = ", ".join(f"{a}, {b}: {value:g}" for a, b, value in pairs)
    inputs = [] if pairs else [f"of {', '.join(copula.block.inputs)}"]
    return ", ".join([copula.name, *inputs, *shown, *([f"{kind} {listed}"] if pairs else [])])
