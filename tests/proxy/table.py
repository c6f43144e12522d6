"""The proxy's table of cases: request × state of the transaction cache × source class -> action.

A line holds one request of one source class, a column one state that the cache
is in for the request's own transaction. Each cell is one test.

    none        nothing was seen of it
    forwarded   its INVITE was forwarded just now
    refused     its INVITE was refused just now
    expired     its INVITE was forwarded, and the entry has run out
    changed     its INVITE was forwarded, but said something else than this message does

    pass        forwarded                          again    forwarded as the copy of one that was counted before
    NNN         answered so                        NNN again  answered as that copy was
    absorbed    an ACK that ends here              drop     not forwarded, not answered, counted
    -           can't be: such a call has no dialog, or there is nothing to respond to
"""

from __future__ import annotations

from typing import NamedTuple

STATES = ("none", "forwarded", "refused", "expired", "changed")

# ACK (ours) carries a To tag of this agent, ACK (cloud) one of the far side; both share the INVITE's transaction.
# Responses come to a call that the other side made. The cloud reaches customers by our name, so its OPTIONS is to us.
TABLE = """
INVITE               trunk     pass      again     403 again  pass      400
INVITE               upstream  pass      again     404 again  pass      400
INVITE               unknown   drop      drop      drop       drop      drop
re-INVITE            trunk     pass      pass      -          pass      pass
re-INVITE            upstream  pass      pass      -          pass      pass
re-INVITE            unknown   drop      drop      -          drop      drop
re-INVITE unproven   trunk     481       481       481        481       481
re-INVITE unproven   upstream  481       481       481        481       481
re-INVITE unproven   unknown   drop      drop      drop       drop      drop
ACK (ours)           trunk     absorbed  absorbed  absorbed   absorbed  absorbed
ACK (ours)           upstream  absorbed  absorbed  absorbed   absorbed  absorbed
ACK (ours)           unknown   drop      drop      drop       drop      drop
ACK (cloud)          trunk     pass      pass      absorbed   pass      pass
ACK (cloud)          upstream  pass      pass      absorbed   pass      pass
ACK (cloud)          unknown   drop      drop      drop       drop      drop
ACK of 2xx           trunk     pass      pass      -          pass      pass
ACK of 2xx           upstream  pass      pass      -          pass      pass
ACK of 2xx           unknown   drop      drop      -          drop      drop
ACK of 2xx unproven  trunk     pass      pass      pass       pass      pass
ACK of 2xx unproven  upstream  pass      pass      pass       pass      pass
ACK of 2xx unproven  unknown   drop      drop      drop       drop      drop
CANCEL               trunk     pass      pass      481        pass      pass
CANCEL               upstream  pass      pass      481        pass      pass
CANCEL               unknown   drop      drop      drop       drop      drop
BYE                  trunk     pass      pass      -          pass      pass
BYE                  upstream  pass      pass      -          pass      pass
BYE                  unknown   drop      drop      -          drop      drop
UPDATE               trunk     pass      pass      -          pass      pass
UPDATE               upstream  pass      pass      -          pass      pass
UPDATE               unknown   drop      drop      -          drop      drop
REFER                trunk     pass      pass      -          pass      pass
REFER                upstream  pass      pass      -          pass      pass
REFER                unknown   drop      drop      -          drop      drop
BYE unproven         trunk     481       481       481        481       481
BYE unproven         upstream  481       481       481        481       481
BYE unproven         unknown   drop      drop      drop       drop      drop
OPTIONS to us        trunk     200       200       200        200       200
OPTIONS to us        upstream  200       200       200        200       200
OPTIONS to us        unknown   drop      drop      drop       drop      drop
OPTIONS onwards      trunk     pass      pass      pass       pass      pass
OPTIONS onwards      upstream  200       200       200        200       200
OPTIONS onwards      unknown   drop      drop      drop       drop      drop
REFER new            trunk     pass      pass      403        pass      pass
REFER new            upstream  pass      pass      404        pass      pass
REFER new            unknown   drop      drop      drop       drop      drop
180                  trunk     drop      pass      -          pass      pass
180                  upstream  drop      pass      -          pass      pass
180                  unknown   drop      drop      -          drop      drop
200                  trunk     drop      pass      -          pass      pass
200                  upstream  drop      pass      -          pass      pass
200                  unknown   drop      drop      -          drop      drop
404                  trunk     drop      pass      -          pass      pass
404                  upstream  drop      pass      -          pass      pass
404                  unknown   drop      drop      -          drop      drop
"""


class Cell(NamedTuple):
    """One cell of the table."""

    request: str
    source: str
    state: str
    action: str

    def __str__(self) -> str:
        return f"{self.request}-{self.state}-{self.source}".replace(" ", "_")


def cells() -> list[Cell]:
    """Every cell that can be."""
    found = []
    for line in TABLE.strip().splitlines():
        # Two blanks or more part the columns; one stands inside a cell.
        request, source, *actions = (part.strip() for part in line.split("  ") if part.strip())
        assert len(actions) == len(STATES), line
        found += [Cell(request, source, state, action) for state, action in zip(STATES, actions, strict=True)]
    return [cell for cell in found if cell.action != "-"]
