"""The merged tree to settings, key by key, so that one bad value hides no other error.

What can't be used is reported and left out; the rest becomes a draft that the
cross checks still look at. A draft with problems never becomes a policy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from edge_agent.errors import Problem, problem
from edge_agent.policy.merge import Document, Loc
from edge_agent.policy.settings import Listen, Settings, Trunk, Upstream, is_array, keys_of, section_of
from edge_agent.policy.values import Address
from edge_agent.rules import BY_NAME, RuleSettings
from edge_agent.rules._shape import RATE_MAX

# Keys that people look for in a rule although they are the trunk's.
_KEPT_ELSEWHERE = {
    ("trunk-rate", "per_second"): "calls_per_second of the [[trunk]]",
    ("trunk-rate", "burst"): "burst of the [[trunk]]",
}


@dataclass
class Draft:
    """Every section that could be read; entries of arrays by their place in the file."""

    document: Document
    sections: dict[str, Any] = field(default_factory=dict)
    listen: dict[int, Listen] = field(default_factory=dict)
    upstream: dict[int, Upstream] = field(default_factory=dict)
    trunk: dict[int, Trunk] = field(default_factory=dict)
    rules: dict[str, RuleSettings] = field(default_factory=dict)
    names: list[tuple[Loc, Address]] = field(default_factory=list)
    """Host names that were written where an address is needed."""
    problems: list[Problem] = field(default_factory=list)
    bad: set[Loc] = field(default_factory=set)
    """Keys that are reported already; a cross check of them would only repeat it."""

    def settings(self) -> Settings:
        """The settings, once nothing is wrong."""
        return Settings(
            **self.sections,
            listen=list(self.listen.values()),
            upstream=list(self.upstream.values()),
            trunk=list(self.trunk.values()),
            rules=self.rules,
        )


def read_draft(document: Document) -> Draft:
    """The draft of a merged configuration."""
    draft = Draft(document)
    for name in document.data:
        if name not in Settings.model_fields:
            _report(draft, (name,), "unknown-key", hint=_suggestion((name,)))
    for name, model_field in Settings.model_fields.items():
        value = document.data.get(name, [] if is_array(name) else {})
        if name == "rules":
            rules = _salvage(draft, (name,), TypeAdapter(model_field.rebuild_annotation()), value, {})
            draft.rules = rules or Settings().rules
        elif is_array(name):
            _read_entries(draft, name, value)
        else:
            section = _salvage(draft, (name,), TypeAdapter(section_of(name)), value, {})
            draft.sections[name] = section if section is not None else section_of(name)()
    return draft


def _read_entries(draft: Draft, name: str, value: object) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(section_of(name))
    if not isinstance(value, list):
        _report(draft, (name,), "bad-value", what="must be a list of tables", hint=f"write [[{name}]]")
        return
    known = keys_of((name,))
    for index, entry in enumerate(value):
        # Without its name or upstream a trunk is still checked for all the rest.
        stand_in: dict[str, str] = {key: f"unnamed-{index}" for key in ("name", "upstream") if key in known}
        model = _salvage(draft, (name, index), adapter, entry, stand_in)
        if model is not None:
            getattr(draft, name)[index] = model


def _salvage(draft: Draft, loc: Loc, adapter: TypeAdapter[Any], value: Any, stand_in: Mapping[str, str]) -> Any:
    """The value read, without the keys that are wrong; None if nothing of it can be used."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for details in errors:
        _report_details(draft, (*loc, *_loc(details)), details)

    before = None
    while isinstance(value, dict) and value != before:
        before = value
        value = {**stand_in, **_without(value, {_loc(details) for details in errors})}
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            # Of what fell away with the first errors, such as a list that is empty now.
            errors = error.errors(include_url=False)
    return None


def _loc(details: ErrorDetails) -> Loc:
    """Where it stands. Of a table whose keys are wrong themselves pydantic says so behind the key."""
    loc = details["loc"]
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _without(value: dict[str, Any], locs: set[Loc]) -> dict[str, Any]:
    """A copy of the tree without these keys and entries."""
    tree = copy.deepcopy(value)
    # From the back, so that the places of list entries before stay what they were.
    backwards: list[Any] = list(filter(None, locs))
    backwards.sort(reverse=True)
    for *parents, last in backwards:
        table: Any = tree
        for part in parents:
            table = table[part]
        if isinstance(table, list):
            del table[last]
        else:
            table.pop(last, None)
    return tree


def _report_details(draft: Draft, loc: Loc, details: ErrorDetails) -> None:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        _report(draft, loc, "unknown-key", hint=_suggestion(loc))
    elif kind == "missing":
        _report(draft, loc, "missing-key", hint=f"write {loc[-1]} = …")
    elif kind == "bad_value":
        _report(draft, loc, "bad-value", what=context["what"], hint=context["hint"])
    else:
        _report(draft, loc, "bad-value", what=_plain(details), hint=_no_limit(loc, details))


def _report(draft: Draft, loc: Loc, code: str, **values: object) -> None:
    document = draft.document
    draft.bad.add(loc)
    draft.problems.append(problem(code, document.file_of(loc), document.key_of(loc), **values))


_RANGE = {"greater_than_equal", "greater_than", "less_than_equal"}
_TRUNK_LIMITS = {"calls_per_second": "trunk-rate", "burst": "trunk-rate", "concurrent_calls": "trunk-calls"}

_TYPES = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}


def _plain(details: ErrorDetails) -> str:
    """pydantic's message in our words where there are some."""
    kind, context = details["type"], details.get("ctx", {})
    match kind:
        case "literal_error" | "enum":
            return f"must be {context['expected']}"
        case "greater_than_equal":
            return f"must be at least {_limit(context['ge'])}"
        case "greater_than":
            return f"must be above {_limit(context['gt'])}"
        case "less_than_equal":
            return f"must be at most {_limit(context['le'])}"
        case "too_short" | "string_too_short":
            return "must not be empty" if context["min_length"] == 1 else f"is shorter than {context['min_length']}"
        case "too_long" | "string_too_long":
            return f"is longer than {context['max_length']}"
        case "finite_number":
            return "must be a finite number"
        case _ if kind in _TYPES:
            return f"must be {_TYPES[kind]}"
        case _:
            return details["msg"]


def _no_limit(loc: Loc, details: ErrorDetails) -> str:
    """What to write for no limit, where that may be what a number out of its range was meant for."""
    key, table = str(loc[-1]), loc[-2] if len(loc) > 1 else ""
    if details["type"] not in _RANGE or not (key.endswith(("per_second", "burst")) or key in _TRUNK_LIMITS):
        return ""
    if details.get("ctx", {}).get("ge") == 0:
        return "0 is no limit"
    rule = BY_NAME.get(str(table)) or BY_NAME[_TRUNK_LIMITS.get(key, "trunk-rate")]
    if rule.structural:
        return f"for no limit write {RATE_MAX}"
    return f'for no limit: [{"trunk." if loc[0] == "trunk" else ""}rules.{rule.name}] mode = "off"'


def _limit(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _suggestion(loc: Loc) -> str:
    """What the operator may have meant by a key that doesn't exist."""
    *table, wrong = loc
    elsewhere = _KEPT_ELSEWHERE.get((str(table[-1]), str(wrong))) if table else None
    if elsewhere:
        return f"that is {elsewhere}"
    close = did_you_mean(str(wrong), keys_of(tuple(table)))
    return close or _other_section(str(wrong)) or f"known here: {', '.join(keys_of(tuple(table)))}"


def _other_section(key: str) -> str:
    for name in Settings.model_fields:
        if key in keys_of((name,)):
            if name == "rules":
                return f"write [rules.{key}]"
            return f"it is a key of [[{name}]]" if is_array(name) else f"it is a key of [{name}]"
    return ""


def did_you_mean(wrong: str, known: list[str]) -> str:
    """A hint at the closest name; empty if none is close."""
    close = get_close_matches(wrong, known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""
