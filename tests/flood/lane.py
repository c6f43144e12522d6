"""Floods around the emergency lane: authorised calls for help go through any of them, and none reaches the PSAP faster than its limit."""

from __future__ import annotations

from contextlib import ExitStack

from tests.e2e.sipp import SHORT_TRACE, Address, Result, Sipp
from tests.flood.lab import AGENT, BRAVO, Lab, Options, Program, Report, Scene, Trial

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


def address(text: str) -> Address:
    host, _, port = text.partition(":")
    return Address(host, int(port))


def _floods(scene: Scene, lab: Lab) -> list[Program]:
    """20,000 packets a second: emergency-looking ones of strangers and of a trunk without the right, and the own trunk's calls."""
    rate = lab.flood_rate * 0.4
    own: Options = {"source": "127.0.0.11:6001", "from_": "random:+13122200000..+13122999999"}
    return [
        scene.flood(network="198.18.0.0/15", to="911", rate=rate / 2, seconds=lab.seconds),
        scene.flood(source="127.0.0.10:6001", to="911", rate=rate / 4, seconds=lab.seconds),
        scene.flood(**own, rate=rate / 4, seconds=lab.seconds),
    ]


def emergency_in_flood(lab: Lab, trial: Trial) -> None:
    """Authorised 911 in a flood, while its trunk is over every limit: 100 of 100 pass, none later than 50 ms."""
    with lab.scene(bravo=BRAVO_ROUTES, more=UPSTREAM) as scene:
        called: list[Report] = []

        def attack() -> list[Report]:
            floods = _floods(scene, lab)
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


def emergency_sipp_in_flood(lab: Lab, trial: Trial) -> None:
    """The same with SIPp as the trunk's PBX and as the PSAP: 100 of 100 whole calls, each answered within 50 ms."""
    agent, psap, pbx = (address(where) for where in (AGENT, PSAP, BRAVO))
    with lab.scene(bravo=BRAVO_ROUTES, more=UPSTREAM) as scene, ExitStack() as stack:
        callers = scene.folder / "callers.csv"
        callers.write_text("SEQUENTIAL\n" + "".join(f"+1312220{number:04d};911\n" for number in range(CALLS)))
        uas = Sipp(scene.folder / "psap", "uas_call", psap, calls=CALLS, keys={"contact": f"psap@{psap}"}, seconds=60)
        times: list[float] = []

        def attack() -> list[Report]:
            floods = _floods(scene, lab)
            uac = Sipp(scene.folder / "pbx", "uac_load", pbx, to=agent, calls=CALLS, trace=False,
                       rate=CALLS / max(lab.seconds - 0.5, 1), seconds=60,
                       arguments=("-inf", str(callers), *SHORT_TRACE))  # fmt: skip
            with uac:
                sent = [flood.wait() for flood in floods]
                called.append(uac.wait())
            times.extend(uac.answer_times())
            return sent

        called: list[Result] = []
        stack.enter_context(uas)
        outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 1)
    trial.equal("calls for help that went whole", (CALLS, 0), (called[0].succeeded, called[0].failed))
    trial.equal("of them answered", CALLS, len(times))
    if not lab.short:
        trial.at_most("the latest answer", LATEST_MS, round(max(times, default=0), 1), " ms")
        trial.at_least("flood, packets per second", 0.9 * 20_000, outcome.sent / outcome.seconds)
    trial.equal("routed", CALLS, outcome.grown(peer="bravo", reason="emergency-routed"))
    trial.at_least("bravo's other calls over its limit", lab.seconds, outcome.grown(peer="bravo", reason="trunk-rate"))


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
