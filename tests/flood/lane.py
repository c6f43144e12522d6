"""Floods around the emergency lane: authorised calls for help go through any of them, and none reaches the PSAP faster than its limit."""

from __future__ import annotations

from tests.flood.lab import BRAVO, Lab, Report, Trial

PSAP = "127.0.0.21:5090"
UPSTREAM = f"""
[[upstream]]
name = "psap"
targets = ["{PSAP}"]
probe_every = "0s"
"""
# Over every limit of its own as soon as anything else of it is up.
BRAVO_ROUTES = 'calls_per_second = 1\nburst = 1\nconcurrent_calls = 1\nemergency = "route"\nemergency_upstream = "psap"'
OWN = "step:+13122200000,1"
FOREIGN = "random:+14152200000..+14152999999"
CALLS, LATEST_MS = 100, 50
RATE, BURST = 10, 100  # of the lane, as shipped


def emergency_in_flood(lab: Lab, trial: Trial) -> None:
    """Authorised 911 in a flood of 20,000 packets a second, emergency-looking ones of others and of strangers among them, while
    its trunk is over every limit: 100 of 100 pass, none later than 50 ms."""
    rate = lab.flood_rate * 0.4
    with lab.scene(bravo=BRAVO_ROUTES, more=UPSTREAM) as scene:
        called: list[Report] = []

        def attack() -> list[Report]:
            floods = [
                scene.flood(network="198.18.0.0/15", to="911", rate=rate / 2, seconds=lab.seconds),
                scene.flood(source="127.0.0.10:6001", to="911", rate=rate / 4, seconds=lab.seconds),
                scene.flood(source="127.0.0.11:6001", from_="random:+13122200000..+13122999999", rate=rate / 4,
                            seconds=lab.seconds),
            ]  # fmt: skip
            # The lane refills by ten a second: a hundred calls in the whole time are within it.
            seconds = max(lab.seconds - 0.5, 1)
            help_ = scene.good(seconds, rate=CALLS / seconds, trunk=BRAVO, cloud=PSAP, to="911", from_=OWN)
            sent = [flood.wait() for flood in floods]
            called.append(help_.wait())
            return sent

        outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 1)
    [help_] = called
    trial.equal("calls for help sent", CALLS, help_["sent"])
    trial.equal("of these at the PSAP", CALLS, help_["arrived"])
    trial.equal("and through to their end", CALLS, help_["completed"])
    trial.equal("sent again because nothing came back", 0, help_["repeats"])
    trial.equal("anybody else's at the PSAP", 0, help_["others"])
    if not lab.short:
        trial.at_most("the latest at the PSAP", LATEST_MS, help_["max_ms"], " ms")
        trial.at_least("flood, packets per second", 0.9 * 20_000, outcome.sent / outcome.seconds)
    trial.figures["help"] = help_
    trial.equal("routed", CALLS, outcome.grown(peer="bravo", reason="emergency-routed"))
    trial.at_least("refused to acme", lab.seconds, outcome.grown(peer="acme", reason="emergency-not-authorised"))
    trial.at_least("bravo's other calls over its limit", lab.seconds, outcome.grown(peer="bravo", reason="trunk-rate"))
    trial.equal("their events lost", 0, outcome.after.status["dropped"]["alerts"])


def emergency_flood_by_a_trunk(lab: Lab, trial: Trial) -> None:
    """A flood of 911 in the name of a trunk that may call: the PSAP gets the lane's limit of them, and no more."""
    with lab.scene(bravo=BRAVO_ROUTES, more=UPSTREAM) as scene:
        seen: list[Report] = []

        def attack() -> list[Report]:
            psap = scene.good(lab.seconds + 1, rate=1, trunk=BRAVO, cloud=PSAP, to="911", from_=OWN)
            flood = scene.flood(
                source="127.0.0.11:6001", to="911", from_=FOREIGN, rate=lab.flood_rate / 10, seconds=lab.seconds
            ).wait()
            seen.append(psap.wait())
            return [flood]

        outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 2)
    [psap] = seen
    # Of both, its own calls have as much again where they are the first of their caller.
    passed = psap["by_method"]["INVITE"] + psap["arrived"]
    budget = RATE * outcome.floods[0]["seconds"] + BURST
    trial.between("at the PSAP", int(0.9 * budget - RATE), int(budget + 2 * RATE + psap["arrived"]), passed)
    trial.equal("own callers' first calls lost", 0, psap["sent"] - psap["arrived"])
    trial.equal("routed and nothing else went there", outcome.grown(peer="bravo", reason="emergency-routed"), passed)
