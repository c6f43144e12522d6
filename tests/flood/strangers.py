"""Floods from those whom nobody configured. They get silence, and cost nobody a call or a page of memory."""

from __future__ import annotations

from edge_agent._hot import peer_id
from tests.flood.lab import BRAVO, CLOUD, Lab, Options, Outcome, Trial

IPV6 = "[fd00::1]:5060"
SOURCE_RATE, SOURCE_BURST = 30, 60  # the defaults of source-rate
NETWORK_RATE, NETWORK_BURST = 240, 480


def silence(trial: Trial, outcome: Outcome) -> None:
    """All of a stranger's messages that were read were dropped. What finds their queue full is the kernel's."""
    seen = outcome.grown(peer="")
    trial.at_least("read by the agent", round(0.2 * outcome.sent), seen)
    trial.equal("dropped of these", seen, outcome.grown(peer="", action="drop"))
    trial.equal("of theirs at the cloud", 0, outcome.during["others"])


def million_sources(lab: Lab, trial: Trial) -> None:
    """A million sources with one INVITE each: none is answered or forwarded."""
    count = lab.count(1_000_000)
    with lab.scene() as scene:
        options: Options = {"network": "20.0.0.0/8", "count": count, "rate": lab.flood_rate}
        outcome = lab.under(scene, trial, scene.floods(options), seconds=count / lab.flood_rate, memory_kib=0)
    trial.equal("sent", count, outcome.sent)
    silence(trial, outcome)


def hundredfold(lab: Lab, trial: Trial) -> None:
    """Good calls during a flood of a hundred times their number, each packet from any address: none is lost or late."""
    with lab.scene() as scene:
        options: Options = {"network": "0.0.0.0/1", "mode": "random", "seconds": lab.seconds, "rate": lab.flood_rate}
        outcome = lab.under(scene, trial, scene.floods(options))
    if not lab.short:
        trial.at_least("flood packets per second", 0.95 * lab.flood_rate, outcome.floods[0]["pps"])
    silence(trial, outcome)


def ten_million_sources(lab: Lab, trial: Trial) -> None:
    """Memory is flat over ten million spoofed sources at up to 200,000 a second: not one page more at any million."""
    parts, count = 10, lab.count(1_000_000)
    pages: list[int] = []
    with lab.scene() as scene:

        def attack() -> list[dict[str, object]]:
            floods = []
            for part in range(parts):
                options: Options = {"network": "11.0.0.0/8", "skip": part * count, "count": count, "rate": 200_000}
                floods.append(scene.flood(**options).wait())
                pages.append(scene.pages())
            return floods

        outcome = lab.under(scene, trial, attack, seconds=parts * count / 150_000, judge="", memory_kib=0, rate=20)
    trial.equal("sent", parts * count, outcome.sent)
    trial.at_most("pages more after the first million", 0, max(pages) - pages[0])
    silence(trial, outcome)


def live_cells(lab: Lab, trial: Trial) -> None:
    """A million live rate cells take 8 MiB: a table of 16 MiB that is full holds two million, and no page is added."""
    slow = "[rules.source-rate]\nper_second = 0.01\nburst = 1\nprefix_per_second = 1000000\nprefix_burst = 1000000\n"
    mib, count = (2, 400_000) if lab.short else (16, 3_200_000)
    with lab.scene(more=slow, rates_mib=mib) as scene:
        options: Options = {"network": "11.0.0.0/8", "count": count, "rate": 2 * lab.flood_rate}
        outcome = lab.under(scene, trial, scene.floods(options), seconds=0, judge="", rate=20)
    table = outcome.after.status["tables"]["rates"]
    trial.equal("bytes of the table", mib << 20, table["bytes"])
    trial.at_most("MiB for a million live cells", 8.0, round(table["bytes"] / table["entries"] * 1e6 / 2**20, 2))


def rotating_addresses(lab: Lab, trial: Trial) -> None:
    """One /64 that rotates its /128s has the budget of one source; a /48 that rotates its /64s that of one network."""
    with lab.scene(listen=f'[[listen]]\naddress = "{IPV6}"') as scene:
        for network, rate, burst in (
            ("2001:db8:1:2::/64", SOURCE_RATE, SOURCE_BURST),
            ("2001:db8:7::/48", NETWORK_RATE, NETWORK_BURST),
        ):
            options: Options = {"target": IPV6, "network": network, "mode": "random", "seconds": lab.seconds}
            options["rate"] = lab.flood_rate / 5
            outcome = lab.under(scene, trial, scene.floods(options))
            parsed = outcome.grown(peer="", reason="unknown-source")
            took = outcome.floods[0]["seconds"]
            trial.at_most(f"of {network} read beyond the address", burst + rate * (took + 1), parsed)
            silence(trial, outcome)


def malformed(lab: Lab, trial: Trial) -> None:
    """Spoiled messages of strangers and of a trunk: each is dropped or answered, and counted once."""
    with lab.scene() as scene:
        share: Options = {"mode": "malformed", "seconds": lab.seconds, "rate": lab.flood_rate / 5}
        outcome = lab.under(
            scene,
            trial,
            scene.floods(share | {"network": "11.0.0.0/8", "seed": 1}, share | {"source": BRAVO, "seed": 2}),
        )
    seen = outcome.grown(peer="")
    trial.at_least("strangers' read by the agent", round(0.2 * outcome.sent), seen)
    trial.equal("strangers' dropped of these", seen, outcome.grown(peer="", action="drop"))


def forged_responses(lab: Lab, trial: Trial) -> None:
    """A 200 for a customer's call, from a stranger or in the cloud's name: dropped and counted, never forwarded."""
    branch = f"z9hG4bKea100{peer_id('acme'):08x}0123456789abcdef0123"  # of this agent, but for its hash
    text = (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch={branch}%n\r\n"
        "Via: SIP/2.0/UDP 127.0.0.10:5070;rport=5070;branch=z9hG4bKx%i\r\nFrom: <sip:%f@customer.example.com>;tag=a%i\r\n"
        "To: <sip:%t@cloud.example.net>;tag=b%i\r\nCall-ID: %i@customer.example.com\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:x@203.0.113.9>\r\nContent-Length: 0\r\n\r\n"
    )
    with lab.scene() as scene:
        template = scene.folder / "response"
        template.write_text(text, newline="")
        share: Options = {"template": template, "seconds": lab.seconds, "rate": lab.flood_rate / 10}
        outcome = lab.under(
            scene,
            trial,
            scene.floods(share | {"network": "11.0.0.0/8"}, share | {"source": CLOUD, "forge": True}),
        )
    trial.at_least("dropped", round(0.2 * outcome.sent), outcome.grown(action="drop"))
    trial.equal("that reached the customer or the cloud", 0, outcome.during["strays"])
