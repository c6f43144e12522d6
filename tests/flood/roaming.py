"""Floods by the callers of an open trunk: anybody may be one, so each has a rate, and all who proved nothing share half a budget."""

from __future__ import annotations

from tests.flood.bans import ATTACKER, HERE, LISTEN, TOOLS, banned, sipvicious
from tests.flood.lab import Host, Lab, Options, Report, Trial

RATE, BURST = 100, 40
NUMBERS = "random:+16462200000..+16462999999"
PHONES = f"""
[[trunk]]
name = "phones"
open = true
upstream = "cloud"
caller_ids = ["+16462200000..+16462999999"]
calls_per_second = {RATE}
burst = {BURST}
"""
NAMELESS = '[trunk.rules.scanner]\nmode = "off"\n'  # as if the tool didn't sign itself


def hundredfold_callers(lab: Lab, trial: Trial) -> None:
    """A flood of a hundred times the good calls, where each source is rated as a caller of an open trunk: none is lost or late."""
    with lab.scene(more=PHONES) as scene:
        options: Options = {"network": "11.0.0.0/8", "mode": "random", "from_": NUMBERS}
        options |= {"seconds": lab.seconds, "rate": lab.flood_rate}
        outcome = lab.under(scene, trial, scene.floods(options))
    if not lab.short:
        trial.at_least("flood packets per second", 0.95 * lab.flood_rate, outcome.floods[0]["pps"])
    took = outcome.floods[0]["seconds"]
    passed = int(outcome.during["by_method"]["INVITE"])
    trial.between("passed of the flood", RATE * took / 4, (RATE * (took + 1) + BURST) / 2, passed)
    trial.equal("bans", 0, outcome.after.status["bans"]["live"])


def scans_by_callers(lab: Lab, trial: Trial) -> None:
    """sipvicious against an open trunk, signed and with its name taken off: a caller's rate, no password, and a ban for guessing."""
    for what, trunk, reaches in (("signed", PHONES, False), ("nameless", PHONES + NAMELESS, True)):
        with Host("attacker", HERE, ATTACKER) as attacker, lab.scene(listen=LISTEN, more=trunk) as scene:
            said: dict[str, str] = {}

            def attack() -> list[Report]:
                for tool in TOOLS:
                    said[tool] = sipvicious(scene, attacker, tool)  # noqa: B023 - called within this turn
                return []

            outcome = lab.under(scene, trial, attack, seconds=20, others=401)
            bans = banned(scene)
        others = outcome.during["others"]
        trial.check(
            f"{what}: password found", "none", said["svcrack"].strip()[-60:], "| Password |" not in said["svcrack"]
        )
        trial.check(f"{what}: at the cloud", "some" if reaches else "none", others, (others > 0) == reaches)
        trial.at_most(f"{what}: at the cloud, by a caller's rate", 60 + 30 * outcome.seconds, others)
        # Who was given the nonces that he guesses with is proven by them; a name alone proves nobody.
        reasons = {network: ban["reason"] for network, ban in bans.items()}
        trial.equal(f"{what}: bans", {f"{ATTACKER.partition('/')[0]}/32": "auth-abuse"} if reaches else {}, reasons)
