"""Abuse of what a dialog proves: its cookie replayed, at a rate, elsewhere and by others."""

from __future__ import annotations

import re
import socket
import time
from contextlib import closing
from pathlib import Path

from tests.flood.lab import ACME, AGENT, BRAVO, Lab, Options, Report, Scene, Trial

DIALOG_RATE, DIALOG_BURST = 10, 40  # the defaults of dialog
VIA = "Via: SIP/2.0/UDP %s:%p;rport;branch=z9hG4bK%i\r\nMax-Forwards: 70\r\n"


def establish(scene: Scene, number: str = "+13122200001") -> str:
    """A call of bravo's to the cloud, answered. What follows the first line and the Via of a request inside it."""
    host, port = BRAVO.split(":")
    dialog = f"From: <sip:{number}@customer.example.com>;tag=own\r\nCall-ID: dialog@customer.example.com\r\n"
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind((host, int(port)))
        sock.settimeout(5)
        invite = (
            f"INVITE sip:+442071838750@cloud.example.net SIP/2.0\r\nVia: SIP/2.0/UDP {BRAVO};branch=z9hG4bKfirst\r\n"
            f"Max-Forwards: 70\r\n{dialog}To: <sip:+442071838750@cloud.example.net>\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:{BRAVO}>\r\nContent-Length: 0\r\n\r\n"
        )
        to, at = AGENT.split(":")
        sock.sendto(invite.encode(), (to, int(at)))
        ok = sock.recv(65536).decode()
    assert ok.startswith("SIP/2.0 200 "), ok
    route, contact, called = (re.search(rf"(?m)^{name}: (.*?)\r$", ok) for name in ("Record-Route", "Contact", "To"))
    assert route and contact and called, ok
    return f"Route: {route[1]}\r\n{dialog}To: {called[1]}\r\n"


def inside(folder: Path, method: str, uri: str, dialog: str) -> Path:
    """A template of requests inside a dialog, each with a branch and CSeq of its own."""
    path = folder / f"{method}-{len(list(folder.iterdir()))}"
    path.write_text(
        f"{method} {uri} SIP/2.0\r\n{VIA}{dialog.replace('%', '%%')}CSeq: 1%n {method}\r\n"
        f"Contact: <sip:{BRAVO}>\r\nContent-Length: 0\r\n\r\n",
        newline="",
    )
    return path


def replayed_cookie(lab: Lab, trial: Trial) -> None:
    """A dialog's cookie at a rate passes no more than a dialog may, and nothing with another's address, host or trunk."""
    with lab.scene() as scene:
        reports: dict[str, Report] = {}
        at_cloud: dict[str, int] = {}

        def attack() -> list[Report]:
            dialog = establish(scene)
            target = "sip:cloud@127.0.0.20:5080"
            again = inside(scene.folder, "INFO", target, dialog)
            share: Options = {"seconds": lab.seconds, "rate": lab.flood_rate / 50}
            ways: dict[str, Options] = {
                "at a rate": {"template": again, "source": BRAVO},
                "that end it": {"template": inside(scene.folder, "BYE", target, dialog), "source": BRAVO},
                "with another Request-URI": {
                    "template": inside(scene.folder, "INFO", "sip:x@203.0.113.9", dialog),
                    "source": BRAVO,
                },
                "by another trunk": {"template": again, "source": ACME.replace("5070", "5072")},
                "by a stranger": {"template": again, "source": "127.0.0.66:5070"},
            }
            for what, options in ways.items():
                before = scene.snapshot()
                reports[what] = scene.flood(**share, **options).wait()
                time.sleep(0.3)
                after = scene.snapshot()
                at_cloud[what] = sum(
                    after.verdicts(peer=peer, action="forward") - before.verdicts(peer=peer, action="forward")
                    for peer in ("bravo", "")
                )
            return list(reports.values())

        outcome = lab.under(scene, trial, attack, seconds=5 * lab.seconds + 3, others=200)
    budget = DIALOG_BURST + DIALOG_RATE * reports["at a rate"]["seconds"]
    trial.between("passed at a rate", int(0.9 * budget) - 5, int(budget) + 5, at_cloud["at a rate"])
    ends = 10 * (DIALOG_BURST + DIALOG_RATE * reports["that end it"]["seconds"])
    trial.between("passed of those that end it", int(0.9 * ends) - 5, int(ends) + 5, at_cloud["that end it"])
    trial.equal("passed with another Request-URI", 0, at_cloud["with another Request-URI"])
    trial.equal("passed by a stranger", 0, at_cloud["by a stranger"])
    # Good calls run beside these and are the same trunk's: what its cookie got is told by the reason.
    refused = outcome.grown(peer="acme", reason="dialog-proof")
    trial.equal("refused by another trunk", reports["by another trunk"]["sent"], refused)
