"""The result of ``explain`` for people. The engine gives numbers; what they measure is said here, rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent.explain import NOT_BUILT
from edge_agent.reasons import BY_NAME, REASONS

Step = dict[str, Any]
Words = tuple[str, str]  # what the rule saw, and its limit


def _hops(step: Step) -> Words:
    return f"Max-Forwards {step['value']}", f"at least {step['limit']}"


def _interface(step: Step) -> Words:
    return f"{step['value']} bytes", f"at most {step['limit']}"


def _target(step: Step) -> Words:
    return f"{step['value']} Route, {step['limit']} of them ours", ""


def _dialog(step: Step) -> Words:
    proof = ("no proof", "a proof that fails", "a good proof")[min(step["value"], 2)]
    return proof if step["reason"] or step["value"] else "no proof needed", ""


def _trunk_rate(step: Step) -> Words:
    return f"{step['value']} of the burst used", f"burst {step['limit']}"


def _overload(step: Step) -> Words:
    if step["reason"] == "overload-upstream":
        return f"{step['value']} % fewer asked for by the upstream", ""
    return f"queue {step['value']} % full", f"shed from {step['limit']} %"


def _calls(step: Step) -> Words:
    return (
        (f"{step['value']} calls of the burst used", f"burst {step['limit']}") if step["limit"] else ("no number", "")
    )


def _score(step: Step) -> Words:
    return f"score {step['value']}", f"blocks from {step['limit']}"


def _caller(step: Step) -> Words:
    return f"caller {step['value']}" if step["value"] else "no number", ""


def _consistent(step: Step) -> Words:
    return f"{step['value']} beside From {step['limit']}" if step["value"] else "", ""


def _own_number(step: Step) -> Words:
    return (f"our {step['value']} calls {step['limit']}", "") if step["value"] else ("no number of ours", "")


def _anonymous(step: Step) -> Words:
    return f"asserted {step['value']}" if step["value"] else "nothing asserted", ""


# What value and limit of a rule's step mean. A rule that isn't here looks at no number.
WORDS: dict[str, Callable[[Step], Words]] = {
    "hops": _hops,
    "target": _target,
    "interface": _interface,
    "dialog": _dialog,
    "trunk-rate": _trunk_rate,
    "caller-rate": _calls,
    "callee-rate": _calls,
    "overload": _overload,
    "dispersal": _score,
    "sequential": _score,
    "short-calls": _score,
    "low-answer": _score,
    "wangiri": _score,
    "caller-format": _caller,
    "caller-owned": _caller,
    "caller-consistent": _consistent,
    "caller-anonymous": _anonymous,
    "own-number-inbound": _own_number,
}

# Findings whose numbers mean something else than those of their rule.
OTHER_NUMBERS = frozenset(
    {"method", "method-unknown", "version", "scheme", "proxy-require", "body-type", "loop", "caller-diversions"}
)


def render(result: dict[str, Any]) -> RenderableType:
    """Notes, what was read, every rule, the verdict."""
    table = Table("rule", "mode", "finds", "saw", "limit", "answer", title="Rules in order", title_justify="left")
    unbuilt = [step["rule"] for step in result["steps"] if step["note"] == NOT_BUILT]
    for step in result["steps"]:
        if step["note"] != NOT_BUILT:
            table.add_row(*_cells(step), style=_style(step))
    later = [Text(f"{NOT_BUILT}: {', '.join(unbuilt)}", style="dim")] if unbuilt else []
    notes = [Text(f"note: {note}", style="yellow") for note in result["notes"]]
    return Group(*notes, _head(result), table, *later, _ending(result["verdict"]))


def _head(result: dict[str, Any]) -> Text:
    message = result["message"]
    lines = [f"{result['file']} from {result['source']} ({result['peer'] or 'unknown source'})"]
    if message["kind"] == "request":
        lines.append(f"{message['method']} {message['uri']}")
    elif message["kind"] == "response":
        lines.append(f"{message['status']} to {message['method']}")
    else:
        lines.append(f"{message['kind']} {message['reason']}")
    if "from" in message:
        lines += [f"From: {message['from']}   To: {message['to']}", *message["identities"]]
    return Text("\n".join(lines))


def _cells(step: Step) -> tuple[str, ...]:
    if not step["applies"]:
        return step["rule"], step["mode"], "", step["note"] or "doesn't apply", "", ""
    saw, limit = "", ""
    if step["rule"] in WORDS and step["reason"] not in OTHER_NUMBERS:
        saw, limit = WORDS[step["rule"]](step)
    saw = "; ".join(part for part in (saw, step["note"]) if part)
    return step["rule"], step["mode"], step["reason"] or "nothing", saw, limit, step["answer"]


def _style(step: Step) -> str:
    if not step["applies"]:
        return "dim"
    return "" if not step["reason"] else "bold red" if step["mode"] == "enforce" else "yellow"


def _ending(verdict: Step) -> Text:
    ending = Text(f"verdict: {verdict['answer']}", style="bold")
    return ending.append(f"  {verdict['reason']}: {REASONS[BY_NAME[verdict['reason']]].sentence}", style="not bold")
