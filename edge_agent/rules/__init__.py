"""The rules in screening order. The order is policy: a rule's position is its id in the engine, in verdicts and events.

The emergency lane stands before everything that an operator can edit; what
follows goes from cheap and certain to dear and statistical. Overload stands where
what is shed has cost no look at a table, and STIR at the end, since a call that
something else refuses is never verified. Nothing here runs
per message: ``policy/compile.py`` turns this tuple into the engine's rows.
"""

from edge_agent.rules import (
    auth_abuse,
    banned,
    callee_rate,
    caller_anonymous,
    caller_consistent,
    caller_format,
    caller_owned,
    caller_rate,
    calling_hours,
    destination,
    dialog,
    dispersal,
    display_name,
    do_not_call,
    do_not_originate,
    emergency,
    forged_marking,
    hops,
    interface,
    low_answer,
    malformed,
    overload,
    own_number_inbound,
    scanner,
    sequential,
    short_calls,
    source_rate,
    stir_attestation,
    stir_replay,
    stir_signature,
    sweep,
    target,
    toll_fraud,
    trunk_calls,
    trunk_rate,
    unknown_source,
    wangiri,
)
from edge_agent.rules._shape import Mode, RateSettings, Row, Rule, RuleSettings

RULES: tuple[Rule, ...] = (
    malformed.RULE,
    banned.RULE,
    unknown_source.RULE,
    emergency.RULE,
    hops.RULE,
    target.RULE,
    interface.RULE,
    dialog.RULE,
    overload.RULE,
    scanner.RULE,
    source_rate.RULE,
    sweep.RULE,
    auth_abuse.RULE,
    trunk_rate.RULE,
    trunk_calls.RULE,
    caller_rate.RULE,
    callee_rate.RULE,
    caller_format.RULE,
    caller_owned.RULE,
    caller_consistent.RULE,
    caller_anonymous.RULE,
    do_not_originate.RULE,
    display_name.RULE,
    own_number_inbound.RULE,
    forged_marking.RULE,
    destination.RULE,
    toll_fraud.RULE,
    do_not_call.RULE,
    calling_hours.RULE,
    dispersal.RULE,
    sequential.RULE,
    short_calls.RULE,
    low_answer.RULE,
    wangiri.RULE,
    stir_signature.RULE,
    stir_attestation.RULE,
    stir_replay.RULE,
)

BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}

__all__ = ["BY_NAME", "RULES", "Mode", "RateSettings", "Row", "Rule", "RuleSettings"]
