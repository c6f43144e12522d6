"""Floods by a customer, or in a customer's name. They cost that customer its own budget, and nobody else anything."""

from __future__ import annotations

from pathlib import Path

from tests.flood.lab import BRAVO, Host, Lab, Options, Outcome, Report, Trial

RATE, BURST = 100, 20
LIMITS = f"calls_per_second = {RATE}\nburst = {BURST}"
OWNED = "random:+13122200000..+13122999999"


def passed(outcome: Outcome) -> int:
    """bravo's calls at the cloud."""
    return int(outcome.during["by_method"]["INVITE"])


def within_budget(trial: Trial, outcome: Outcome, seconds: float, rate: float = RATE, burst: int = BURST) -> None:
    """A limit that is asked for all the time passes all it has, and no more. Half a second is for a start on a busy host."""
    budget = rate * seconds + burst
    trial.between("passed of the flood", int(0.9 * budget - rate / 2), int(budget + rate / 2), passed(outcome))


def two_workers(lab: Lab, trial: Trial) -> None:
    """Two threads share a limit of 100 calls per second exactly, however its packets spread over their sockets."""
    with lab.scene(workers=2, bravo=LIMITS) as scene:

        def attack() -> list[Report]:
            share: Options = {"from_": OWNED, "seconds": lab.seconds, "rate": 500}
            floods = [scene.flood(source=f"127.0.0.11:{port}", **share) for port in range(6000, 6008)]
            return [flood.wait() for flood in floods]

        outcome = lab.under(scene, trial, attack)
    within_budget(trial, outcome, max(flood["seconds"] for flood in outcome.floods))


def bursts_at_edges(lab: Lab, trial: Trial) -> None:
    """N calls at the end of each second and N at the start of the next, at a limit of N: no edge passes more than N + burst."""
    with lab.scene(bravo=LIMITS) as scene:
        options: Options = {"source": BRAVO, "from_": OWNED, "burst": RATE, "burst_at": "both", "seconds": lab.seconds}
        outcome = lab.under(scene, trial, scene.floods(options))
    edges = round(outcome.floods[0]["seconds"]) + 1
    trial.equal("sent", 2 * RATE * round(lab.seconds), outcome.sent)
    trial.at_most("passed of the flood", edges * (RATE + BURST), passed(outcome))
    # Nearly all of a second lies between two edges: each finds the whole burst again, and nothing beside it.
    trial.between(
        "passed if each edge gets the burst alone", (edges - 1) * BURST, (edges + 1) * (BURST + 5), passed(outcome)
    )


def forged_by_another_host(lab: Lab, trial: Trial) -> None:
    """INVITEs forged in a trunk's name by another host cost that trunk its budget while they last, nobody else anything."""
    here = "198.51.100.1:5060"
    carol = f"""
[[trunk]]
name = "carol"
sources = ["198.51.100.10/32"]
upstream = "cloud"
contact = ["198.51.100.10:5070"]
caller_ids = ["+14152200000..+14152999999"]
{LIMITS}
"""
    numbers = "random:+14152200000..+14152999999"
    with (
        Host("customer", "198.51.100.1/24", "198.51.100.10/24") as customer,
        Host("attacker", "203.0.113.1/24", "203.0.113.66/24") as attacker,
    ):
        for name in ("all", "customer", "attacker"):
            Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").write_text("0")
        with lab.scene(listen=f'[[listen]]\naddress = "{here}"', more=carol) as scene:
            # The neighbour is asked for before the flood, which has no time to wait for that.
            own: Options = {
                "host": customer,
                "target": here,
                "source": "198.51.100.10:5070",
                "from_": numbers,
                "count": 15,
            }
            forged: Options = {
                "host": attacker,
                "target": here,
                "source": "198.51.100.10:5070",
                "forge": True,
                "from_": numbers,
            }
            calm: list[Report] = []

            def attack() -> list[Report]:
                calm.append(scene.flood(rate=RATE / 2, **own).wait())
                flood = scene.flood(seconds=lab.seconds, rate=lab.flood_rate / 5, **forged).wait()
                scene.flood(rate=1, **(own | {"count": 1})).wait()  # waits a second, in which the budget recovers
                calm.append(scene.flood(rate=RATE / 2, **own).wait())
                return [flood]

            outcome = lab.under(scene, trial, attack, seconds=lab.seconds + 5)
    took = outcome.floods[0]["seconds"]
    trial.between("passed in its name", 1, RATE * (took + 1) + BURST + 31, passed(outcome))
    for when, report in zip(("before", "after"), calm, strict=True):
        trial.equal(f"its own calls {when} that were answered by the cloud", 15, report["answers"]["4xx"])
    trial.equal("refused for anything but its rate", 0, outcome.grown(peer="carol", action="answer") - limited(outcome))


def limited(outcome: Outcome) -> int:
    return outcome.grown(peer="carol", action="answer", reason="trunk-rate")


def random_callers(lab: Lab, trial: Trial) -> None:
    """A trunk that calls from a random number each time: what isn't its own is refused, what is stays within its limit."""
    with lab.scene(bravo=LIMITS) as scene:
        share: Options = {"source": BRAVO, "seconds": lab.seconds, "rate": lab.flood_rate / 5}
        foreign = lab.under(scene, trial, scene.floods(share | {"from_": FOREIGN}))
        trial.equal("foreign callers at the cloud", 0, passed(foreign))
        trial.equal(
            "foreign callers refused", foreign.grown(peer="bravo"), foreign.grown(peer="bravo", action="answer")
        )
        own = lab.under(scene, trial, scene.floods(share | {"from_": OWNED}))
    within_budget(trial, own, own.floods[0]["seconds"])


FOREIGN = "random:+14152200000..+14152999999"


def one_branch_many_callers(lab: Lab, trial: Trial) -> None:
    """One branch used again with another From: the first passes, every other is refused and none is forwarded."""
    with lab.scene() as scene:
        options: Options = {"source": BRAVO, "from_": "step:+13122200000,1", "one_call": True, "seconds": lab.seconds}
        options["rate"] = lab.flood_rate / 10
        outcome = lab.under(scene, trial, scene.floods(options))
    seen = outcome.grown(peer="bravo")
    trial.equal("passed", 1, passed(outcome))
    trial.equal("refused as changed", seen - 1, outcome.grown(peer="bravo", reason="request-changed"))
