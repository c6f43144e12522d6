"""Holds a dict of the engine's parse against the oracle's. It parses nothing itself."""

from __future__ import annotations

from typing import Any


def difference(engine: dict[str, Any], oracle: dict[str, Any]) -> str:
    """What differs, in one line; empty when both read the same.

    Of a message that can't be read the engine names the first fault it meets, so any of the oracle's will do.
    """
    if engine["kind"] != oracle["kind"]:
        why = engine.get("reason") or sorted(oracle.get("reasons", ()))
        return f"kind: engine {engine['kind']}, oracle {oracle['kind']} ({why})"
    if oracle["kind"] == "error":
        if engine["reason"] not in oracle["reasons"]:
            return f"reason: engine {engine['reason']}, oracle one of {sorted(oracle['reasons'])}"
        return ""
    for key, value in oracle.items():
        if key != "kind" and engine.get(key) != value:
            return f"{key}: engine {engine.get(key)!r}, oracle {value!r}"
    return ""
