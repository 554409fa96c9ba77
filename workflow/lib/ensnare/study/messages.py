"""Messages about mistakes in a study file, one line each, from pydantic's validation errors.

A line says where the mistake is, what was found, what was expected and what to do.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ensnare.errors import did_you_mean
from ensnare.study.designs import METHODS
from ensnare.study.model import FILE_KINDS
from ensnare.study.outputs import OUTPUT_KINDS
from ensnare.study.parareal import PROPAGATOR_KINDS
from ensnare.study.values import quote_hint, show

# tags of members of unions: pydantic puts them into the place of a mistake, a study file has none
_TAGS = frozenset((*FILE_KINDS, *OUTPUT_KINDS, "plain", *METHODS, *PROPAGATOR_KINDS))
# regular expressions of the model, in words
_PATTERNS = {
    "^[A-Za-z][A-Za-z0-9_]*$": "letters, digits and _, starting with a letter",
    "^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and _, not starting with a digit",
    "^[A-Za-z0-9][A-Za-z0-9_.-]*$": "letters, digits, _ . and -, starting with a letter or digit",
}
# type of an error of pydantic to what belongs there
_EXPECTED = {
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "recursion_loop": "something that does not contain itself",
}
# key to an example, for a value that should be a list or a mapping
_SUCH_AS = {
    "design": "{method: saltelli, size: 64}",
    "axis": '{name: x, unit: m, values: "linspace(0, 1, 101)"}',
    "distribution": "{Normal: {mu: 0, sigma: 1}}",
    "sweep": "{mesh: [coarse, fine]}",
    "environment": "{set: {OMP_NUM_THREADS: 1}}",
}
_FLAT = {"command", "shape", "modules", "except"}  # lists of words or numbers
_PAIRS = {"spearman", "kendall", "pearson", "correlations"}  # lists of two names and a number
# type of an error of pydantic to the key of its bound, and the words for it
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def first_line(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first mistake of a mapping that is not a valid `model`, as one line.

    An unknown key comes first, since it is often the missing key, misspelled.
    """
    mistakes = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    best = mistakes[0]
    where, what = _where(best), _what(best, model)
    return f"{where}: {what}" if where else what


def _where(mistake: ErrorDetails) -> str:
    """Return the place of a mistake as a user writes it: `inputs[1].distribution.Normal.mu`."""
    parts = [p for p in mistake["loc"] if p != "[key]" and not _is_inner(p)]
    if mistake["type"] in ("extra_forbidden", "missing", "invalid_key") or _is_key(mistake):
        parts = parts[:-1]
    text = ""
    for i, part in enumerate(parts):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (part in _TAGS and _follows_union(parts[:i])):
            text += f".{part}" if text else str(part)
    return text


def _is_key(mistake: ErrorDetails) -> bool:
    """Return whether the mistake is a key of a mapping, not its value."""
    return mistake["loc"][-1:] == ("[key]",)


def _is_inner(part: int | str) -> bool:
    """Return whether a part of a place is the name of a type or a tag, not a key of the user."""
    return isinstance(part, str) and ("[" in part or "(" in part or part in ("str", "float", "int"))


def _follows_union(before: list[int | str]) -> bool:
    """Return whether a place is a member of a union, which pydantic lets a tag follow."""
    if not before:
        return False
    in_list = isinstance(before[-1], int) and len(before) >= 2
    single = before[-1] in ("design", "coarse", "fine")
    return single or (in_list and before[-2] in ("files", "outputs"))


def _what(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    value = mistake["input"]
    got = f"found the key {show(value)}" if _is_key(mistake) else f"got {show(value)}"
    match kind:
        case "extra_forbidden":
            return _unknown_key(mistake, model)
        case "missing" if isinstance(mistake["loc"][-1], int):
            return f"found {_count(int(mistake['loc'][-1]))}; expected {_length(mistake)}"
        case "missing":
            return f"missing key '{mistake['loc'][-1]}'; add it"
        case "invalid_key":
            return _wrong_key(mistake)
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"{got}; expected {context['expected']}{_or_patterns(mistake)}"
        case "union_tag_invalid" | "union_tag_not_found":
            return _wrong_method(context.get("tag"))
        case "string_pattern_mismatch":
            return f"{got}; expected {_PATTERNS[str(context['pattern'])]}"
        case "too_short":
            return "found nothing; expected at least one entry"
        case "string_too_short":
            return f"{got}; expected a text"
        case "string_too_long":
            return f"{got}; expected at most {context['max_length']} characters"
        case "too_long":
            return f"found {_count(context['actual_length'])}; expected {context['max_length']}"
        case "one_of":
            return f"{'found none' if isinstance(value, dict) else got}; {mistake['msg']}"
        case "string_type":
            return f"{got}; expected a text{quote_hint(value)}"
        case _ if kind in _EXPECTED:
            return f"{got}; expected {_EXPECTED[kind]}{_such_as(mistake)}"
        case _ if kind in _BOUNDS:
            key, words = _BOUNDS[kind]
            return f"{got}; expected {words} {context[key]:g}"
        case _:
            return f"{got}; {mistake['msg'][0].lower()}{mistake['msg'][1:]}"


def _or_patterns(mistake: ErrorDetails) -> str:
    """Return what `keep` accepts beside words; empty for other keys."""
    in_keep = {"ok", "failed"} & {*mistake["loc"]}
    return ", or a list of patterns such as ['*.log']" if in_keep else ""


def _wrong_key(mistake: ErrorDetails) -> str:
    """Return the message about a key that is not a text, such as 5 in `{value: 2,5}`."""
    key = mistake["input"]
    comma = "; a decimal comma? write a point" if len(mistake["loc"]) > 2 else ""
    return f"found the key {show(key)}; expected a text{quote_hint(key)}{comma}"


def _wrong_method(method: object) -> str:
    """Return the message about a design whose method is unknown or missing."""
    if method is None:
        return f"missing key 'method'; expected one of {', '.join(METHODS)}"
    return f"unknown method '{method}'{did_you_mean(str(method), METHODS)}"


def _such_as(mistake: ErrorDetails) -> str:
    """Return a suggestion: the same value in brackets, or an example; empty without one."""
    value = mistake["input"]
    keys = [part for part in mistake["loc"] if isinstance(part, str) and not _is_inner(part)]
    if not keys:
        return ""
    if _EXPECTED[mistake["type"]] != "a list":
        example = _SUCH_AS.get(keys[-1])
        return f" such as {example}" if example else ""
    words = value.split() if isinstance(value, str) else [show(value)]
    plain = not set("\"'#,:[]{}") & set("".join(words)) and len(" ".join(words)) <= 60
    if words and plain and (keys[-1] in _FLAT or keys[0] == "sweep"):
        return f" such as [{', '.join(words)}]"
    return ""


def _unknown_key(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the message about a key that is unknown, or that excludes another one."""
    key, known = str(mistake["loc"][-1]), _keys_at(mistake, model)
    for kinds in (FILE_KINDS, OUTPUT_KINDS, PROPAGATOR_KINDS):
        other = next((kind for kind in kinds if kind in known), None)
        if key in kinds and other:
            return f"found both '{other}' and '{key}'; keep one"
    if "outputs" in mistake["loc"] and not set(known) & set(OUTPUT_KINDS):
        known = [*known, *OUTPUT_KINDS]  # so a misspelled kind of output is suggested too
    return f"unknown key '{key}'{did_you_mean(key, known)}"


def _count(n: int) -> str:
    return "1 value" if n == 1 else f"{n} values"


def _length(mistake: ErrorDetails) -> int:
    """Return the expected number of values of a list that is too short."""
    return 3 if _PAIRS & {*mistake["loc"]} else 2


def _keys_at(mistake: ErrorDetails, model: Any) -> list[str]:  # noqa: ANN401
    """Return the keys of the model at the place of a mistake."""
    for part in (p for p in mistake["loc"][:-1] if not _is_inner(p)):
        model = _step(model, part)
        if model is None:
            return []
    if not _is_model(model):  # an optional key: take the model among its types, if there is one
        models = [*dict.fromkeys(m for m in _flatten(model) if _is_model(m))]
        model = models[0] if len(models) == 1 else None
    return [f.alias or n for n, f in model.model_fields.items()] if model else []


def _step(model: Any, part: int | str) -> Any:  # noqa: ANN401
    """Return the type that one part of a place leads to, from a type of the study model."""
    if _is_model(model):
        by_key = {f.alias or n: f.annotation for n, f in model.model_fields.items()}
        return by_key.get(str(part))
    candidates = [model, *_flatten(model)]
    models = [*dict.fromkeys(c for c in candidates if _is_model(c))]
    if len(models) == 1:
        return models[0] if isinstance(part, int) else _step(models[0], part)
    for candidate in models:
        fields = candidate.model_fields
        method = fields.get("method")
        tags = {f.alias or n for n, f in fields.items() if f.is_required()}
        if part in tags or (method and part in get_args(method.annotation)):
            return candidate
        if part == "plain" and not tags - {"name"}:
            return candidate
    return model


def _flatten(annotation: Any) -> list[Any]:  # noqa: ANN401
    found = []
    for argument in get_args(annotation):
        found += [argument, *_flatten(argument)]
    return found


def _is_model(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, type) and issubclass(thing, BaseModel)
