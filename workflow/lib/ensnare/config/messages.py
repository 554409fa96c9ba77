"""One line out of a validation error: where, what was found, what was expected, what to do."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ensnare.config.base import _show
from ensnare.config.study import Study
from ensnare.errors import did_you_mean

_TAGS = frozenset(
    {"template", "copy", "link", "tree", "json", "xml", "table", "regex", "plain"}
    | {"monte_carlo", "sobol", "saltelli", "table"}
)


def first_line(error: ValidationError) -> str:
    """Return the first mistake of a study as one line.

    An unknown key comes first: a missing key is often the same one, misspelled.
    """
    mistakes = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    best = mistakes[0]
    where = _where(best)
    return f"{where}: {_what(best)}" if where else _what(best)


def _where(mistake: ErrorDetails) -> str:
    """Return the place as a user writes it: `inputs[1].distribution.Normal.mu`."""
    parts = [p for p in mistake["loc"] if p != "[key]" and not _is_inner(p)]
    if mistake["type"] in ("extra_forbidden", "missing"):
        parts = parts[:-1]
    text = ""
    for i, part in enumerate(parts):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (part in _TAGS and _follows_union(parts[:i])):
            text += f".{part}" if text else str(part)
    return text


def _is_inner(part: int | str) -> bool:
    """Whether a part of the location names a type of pydantic's, not a key of the user's."""
    return isinstance(part, str) and ("[" in part or "(" in part or part in ("str", "float", "int"))


def _follows_union(before: list[int | str]) -> bool:
    """Whether the place so far is a member of a union, behind which pydantic puts a tag."""
    if not before:
        return False
    in_list = isinstance(before[-1], int) and len(before) >= 2
    return before[-1] == "design" or (in_list and before[-2] in ("files", "outputs"))


def _what(mistake: ErrorDetails) -> str:
    kind, context = mistake["type"], mistake.get("ctx", {})
    got = _show(mistake["input"])
    match kind:
        case "extra_forbidden":
            key = str(mistake["loc"][-1])
            return f"unknown key '{key}'{did_you_mean(key, _keys_at(mistake))}"
        case "missing":
            return f"missing key '{mistake['loc'][-1]}'; add it"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"got {got}; expected {context['expected']}"
        case "union_tag_invalid":
            expected = [t.strip(" '") for t in str(context["expected_tags"]).split(",")]
            tag = str(context["tag"])
            return f"unknown method '{tag}'{did_you_mean(tag, expected)}"
        case "union_tag_not_found":
            return "missing key 'method'; expected monte_carlo, sobol, saltelli or table"
        case "string_pattern_mismatch":
            return f"got {got}; expected a name that matches {context['pattern']}"
        case "too_short":
            return "found nothing; expected at least one entry"
        case "one_of":
            return f"{mistake['msg']}; got {got}"
        case _:
            return f"got {got}; {mistake['msg'][0].lower()}{mistake['msg'][1:]}"


def _keys_at(mistake: ErrorDetails) -> list[str]:
    """Return the keys that the model at the mistake's place knows."""
    model: Any = Study
    for part in mistake["loc"][:-1]:
        model = _step(model, part)
        if model is None:
            return []
    return [f.alias or n for n, f in model.model_fields.items()] if _is_model(model) else []


def _step(model: Any, part: int | str) -> Any:  # noqa: ANN401
    """Follow one part of a location through the types of the study model."""
    if _is_model(model):
        by_key = {f.alias or n: f.annotation for n, f in model.model_fields.items()}
        return by_key.get(str(part))
    candidates = [model, *_flatten(model)]
    models = [c for c in candidates if _is_model(c)]
    for candidate in models:
        fields = candidate.model_fields
        method = fields.get("method")
        tags = {f.alias or n for n, f in fields.items() if f.is_required()}
        if part in tags or (method and part in get_args(method.annotation)):
            return candidate
        if part == "plain" and not tags - {"name"}:
            return candidate
    if len(models) == 1:
        return models[0] if isinstance(part, int) else _step(models[0], part)
    return model


def _flatten(annotation: Any) -> list[Any]:  # noqa: ANN401
    found = []
    for argument in get_args(annotation):
        found += [argument, *_flatten(argument)]
    return found


def _is_model(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, type) and issubclass(thing, BaseModel)
