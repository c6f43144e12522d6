"""forged-marking: markings from those who may not assert them. It never lets one buy priority.

What a trunk or an upstream may assert, its key ``asserts`` says. All else is
taken out as the message goes on, and the call passes; a Resource-Priority that
must be authorised is refused, as RFC 4412 has it. Where calls are verified, a good
rph token of the call is that authorisation, and sph that of psap-callback. In monitor mode a message goes
on as it came. Responses are never refused, only cleaned.
"""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

from edge_agent.policy.values import Kind, bad
from edge_agent.rules._shape import Mode, Row, Rule

MARKINGS = ("PAI", "Resource-Priority", "Priority", "P-Charge-Info", "verstat", "routing")
"""What ``asserts`` may name: P-Asserted-Identity, three headers, the parameter of caller URIs, and those of called
numbers that lead a call elsewhere (rn, cic, tgrp, trunk-context), which ``target`` refuses."""


def _check_marking(value: str) -> str:
    if value not in MARKINGS:
        folded = {name.lower(): name for name in MARKINGS} | {"p-asserted-identity": "PAI"}
        near = get_close_matches(value.lower(), folded, n=1, cutoff=0.6)
        hint = f'did you mean "{folded[near[0]]}"?' if near else f"there are: {', '.join(MARKINGS)}"
        raise bad(f"{value!r} is no marking", hint)
    return value


Marking = Annotated[str, AfterValidator(_check_marking), Kind("marking")]

RULE = Rule(
    name="forged-marking",
    family="marking",
    clauses=(6, 9, 14, 21),
    directions={"T": Mode.ENFORCE, "U": Mode.ENFORCE},
    finds="verstat, Resource-Priority, Priority, P-Charge-Info, X-Edge-* or an asserted identity without the right",
    answer="stripped and recorded; 403, 417 or 400 where the standard says so",
    rows=(Row("forged_marking"),),
)
