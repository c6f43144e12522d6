"""``edge-agent rules``: the rule reference, put together from the rules, their settings and their reasons."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent.policy.settings import reference
from edge_agent.reasons import REASONS
from edge_agent.rules import RULES, Rule

SIDES = {"T": "trunks", "O": "open trunks", "U": "upstreams", "X": "unknown"}


def describe() -> list[dict[str, Any]]:
    """Every rule in screening order, as ``--json`` prints it."""
    settings = reference()
    return [
        {
            "name": rule.name,
            "family": rule.family,
            "finds": rule.finds,
            "answer": rule.answer,
            "modes": {SIDES[side]: str(mode) for side, mode in rule.directions.items()},
            "structural": rule.structural,
            "built": rule.built,
            "clauses": list(rule.clauses),
            "settings": [doc._asdict() for doc in settings if doc.key.startswith(f"rules.{rule.name}.")],
            "reasons": _reasons(rule),
        }
        for rule in RULES
    ]


def _reasons(rule: Rule) -> list[dict[str, Any]]:
    return [
        {"name": reason.name, "status": reason.status, "phrase": reason.phrase, "sentence": reason.sentence}
        for reason in REASONS
        if reason.rule == rule.name
    ]


def render_all(rules: list[dict[str, Any]]) -> RenderableType:
    table = Table("rule", "finds", *SIDES.values(), "answer", title="Rules in screening order", title_justify="left")
    for rule in rules:
        modes = [rule["modes"].get(side, "") for side in SIDES.values()]
        answer = rule["answer"] if rule["built"] else "(not built yet)"
        table.add_row(_name(rule), rule["finds"], *modes, answer, style="" if rule["built"] else "dim")
    return Group(table, Text("S: structural, always holds. Modes are the defaults; edge-agent rules NAME tells more."))


def render_clauses(clauses: list[dict[str, Any]]) -> RenderableType:
    table = Table("clause", "asks", "held", "by the rules", "what is beyond", title="Policy", title_justify="left")
    for clause in clauses:
        built = (f"{name} ({note})" if note else name for name, note in clause["by_default"].items())
        names = ", ".join([*built, *(f"[{name}]" for name in clause["not_built"])])
        table.add_row(str(clause["clause"]), clause["asks"], clause["held"], names, clause["beyond"])
    later = any(clause["not_built"] for clause in clauses)
    note = "Held as the agent comes, before anything is set; behind a rule what it does other than refuse."
    return Group(table, Text(f"{note} In square brackets: not built yet." if later else note))


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['name']} S" if rule["structural"] else str(rule["name"])


def render_one(rule: dict[str, Any]) -> RenderableType:
    modes = ", ".join(f"{side}: {mode}" for side, mode in rule["modes"].items())
    head = Text(f"{rule['name']}", style="bold")
    head.append(f"\nfinds    {rule['finds']}\nanswer   {rule['answer']}\nmodes    {modes}", style="not bold")
    head.append("  (structural: always holds)" if rule["structural"] else "", style="not bold")
    head.append("" if rule["built"] else "\nnot built yet", style="not bold")
    head.append(f"\nclauses  {', '.join(map(str, rule['clauses']))} of the acceptable-use policy", style="not bold")
    settings = Table("setting", "type", "default", "in force", "help", title="Settings", title_justify="left")
    for doc in rule["settings"]:
        settings.add_row(doc["key"], doc["type"], doc["default"], f"at {doc['life']}", doc["help"])
    found = Table("reason", "status", "phrase", "means", title="Reasons", title_justify="left")
    for reason in rule["reasons"]:
        found.add_row(reason["name"], str(reason["status"] or ""), reason["phrase"], reason["sentence"])
    return Group(head, settings, found) if rule["reasons"] else Group(head, settings)
