"""Events to lines: clean text, stable keys, the cap per reason and second, the sums, a reader that doesn't read."""

import fcntl
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent._hot import Event
from edge_agent.events.log import LineWriter, open_log
from edge_agent.events.record import TEXT_LIMIT, address, clean, record, timestamp
from edge_agent.events.verdicts import VerdictLog

KEYS = (
    "ts level event action rule reason status monitored finding method peer source call_id caller callee user_agent "
    "value limit id"
)


def event(**changes: Any) -> Event:
    """As the engine gives it: a forged call of the trunk acme, refused."""
    fields: dict[str, Any] = {
        "time_ns": 0,
        "action": "answer",
        "rule": "caller-owned",
        "reason": "caller-owned",
        "status": 403,
        "monitored": False,
        "method": "INVITE",
        "peer": "acme",
        "source": ("192.0.2.1", 5060),
        "call_id": "abc@192.0.2.1",
        "from_user": "+12125550100",
        "to_user": "+12125550101",
        "user_agent": "PBX",
        "value": 0,
        "limit": 0,
    }
    return Event(**(fields | changes))


class Pipe:
    """A log on a pipe."""

    def __init__(self, priorities: bool = False) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.log, _ = open_log(self.write_end, priorities)

    def text(self) -> str:
        chunks = []
        try:
            while chunk := os.read(self.read_end, 65536):
                chunks.append(chunk)
        except BlockingIOError:
            pass
        return b"".join(chunks).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


def counters(
    *rows: tuple[str, str, str, str, int], monitored: dict[tuple[str, str], int] | None = None
) -> dict[str, Any]:
    return {"by_verdict": {row[:4]: row[4] for row in rows}, "monitored": monitored or {}}


# clean


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        (b"plain +1 (212) 555-0100", "plain +1 (212) 555-0100"),
        ("Zoë 電話", "Zoë 電話"),
        (b"a\r\nb\tc\x00", "a\\x0d\\x0ab\\x09c\\x00"),
        (b"\x1b[2Jboo", "\\x1b[2Jboo"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u200bc\u2028d\ufeff", "a\\u202eb\\u200bc\\u2028d\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\ue0041"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    ],
)
def test_clean(dirty: str | bytes, shown: str) -> None:
    assert clean(dirty) == shown


def test_clean_is_bounded() -> None:
    assert len(clean(b"x" * 5000)) == TEXT_LIMIT
    assert len(clean(b"\x00" * 5000)) == TEXT_LIMIT
    assert clean("x" * TEXT_LIMIT) == "x" * TEXT_LIMIT


def test_address_and_timestamp() -> None:
    assert address(("192.0.2.1", 5060)) == "192.0.2.1:5060"
    assert address(("2001:db8::1", 5060)) == "[2001:db8::1]:5060"
    assert timestamp(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456Z"


def test_record_turns_engine_time_into_wall_time() -> None:
    assert record(event(time_ns=5_000_000_000), 1_700_000_000_000_000_000)["ts"] == "2023-11-14T22:13:25.000000Z"


# lines


def test_a_verdict_is_one_line_with_stable_keys(pipe: Pipe) -> None:
    VerdictLog(pipe.log).write([event(value=3, limit=2)])
    (line,) = pipe.lines()
    assert list(line) == KEYS.split()
    assert line["level"] == "info" and line["event"] == "verdict"
    assert (line["caller"], line["callee"], line["source"]) == ("+12125550100", "+12125550101", "192.0.2.1:5060")
    assert (line["value"], line["limit"], line["status"]) == (3, 2, 403)


def test_hostile_headers_stay_text(pipe: Pipe) -> None:
    VerdictLog(pipe.log).write([event(user_agent='x","level":"error\r\n{"forged":1}\x1b[31m\ufffd', call_id="\u202e")])
    text = pipe.text()
    assert text.count("\n") == 1 and text.isprintable() is False and text.strip("\n").isprintable()
    assert json.loads(text)["level"] == "info"


def test_housekeeping_of_good_traffic_is_not_told(pipe: Pipe) -> None:
    quiet = ["pass", "keepalive", "ack-absorbed", "retransmission", "options-up"]
    VerdictLog(pipe.log).write([event(reason=reason, rule="") for reason in quiet])
    assert pipe.lines() == []


def test_a_monitored_finding_of_a_passed_call_is_told(pipe: Pipe) -> None:
    VerdictLog(pipe.log).write([event(action="forward", reason="pass", monitored=True)])
    (line,) = pipe.lines()
    assert line["monitored"] is True and line["rule"] == "caller-owned"


def test_emergency_verdicts_are_warnings_and_never_capped(pipe: Pipe) -> None:
    VerdictLog(pipe.log, lines_per_reason=2).write(
        [event(rule="emergency", reason="emergency-routed", action="forward")] * 5
    )
    lines = pipe.lines()
    assert len(lines) == 5
    assert all(line["level"] == "warning" and line["notify"] is True for line in lines)


@pytest.mark.parametrize("owned", [True, False])
def test_emergency_verdicts_say_whether_the_caller_is_the_trunk_s(pipe: Pipe, owned: bool) -> None:
    told: list[dict[str, object]] = []
    VerdictLog(pipe.log, notify=told.append).write(
        [event(rule="emergency", reason="emergency-routed", action="forward", caller_owned=owned)]
    )
    assert [line["caller_owned"] for line in (*pipe.lines(), *told)] == [owned, owned]


def test_emergency_calls_from_nowhere_share_the_cap(pipe: Pipe) -> None:
    VerdictLog(pipe.log, lines_per_reason=2).write([event(rule="emergency", reason="emergency-unknown")] * 5)
    assert len(pipe.lines()) == 2


def test_emergency_calls_that_got_no_line_are_a_warning_in_sum(pipe: Pipe) -> None:
    VerdictLog(pipe.log).sum_up(counters(("answer", "emergency", "emergency-unknown", "", 7)))
    (line,) = pipe.lines()
    assert (line["level"], line["notify"], line["suppressed"]) == ("warning", True, 7)


def test_upstream_down_is_a_warning(pipe: Pipe) -> None:
    VerdictLog(pipe.log).write([event(rule="", reason="upstream-down", status=503)])
    assert pipe.lines()[0]["level"] == "warning"


# the cap and the sums


def test_above_the_cap_one_line_tells_the_rest(pipe: Pipe) -> None:
    verdicts = VerdictLog(pipe.log, lines_per_reason=3)
    verdicts.write([event()] * 4)
    verdicts.write([event()] * 4)
    assert len(pipe.lines()) == 3
    # The engine's own cap hid more: 100 were refused, of two trunks.
    verdicts.sum_up(
        counters(
            ("answer", "caller-owned", "caller-owned", "acme", 60), ("answer", "caller-owned", "caller-owned", "b", 40)
        )
    )
    (line,) = pipe.lines()
    assert (line["event"], line["reason"], line["suppressed"]) == ("verdicts", "caller-owned", 97)


def test_the_cap_is_per_reason_and_begins_anew_each_second(pipe: Pipe) -> None:
    verdicts = VerdictLog(pipe.log, lines_per_reason=1)
    verdicts.write([event(), event(reason="caller-forward"), event()])
    assert [line["reason"] for line in pipe.lines()] == ["caller-owned", "caller-forward"]
    verdicts.sum_up(
        counters(
            ("answer", "caller-owned", "caller-owned", "a", 2), ("answer", "caller-owned", "caller-forward", "a", 1)
        )
    )
    assert [line["suppressed"] for line in pipe.lines()] == [1]
    verdicts.write([event()])
    assert len(pipe.lines()) == 1


def test_nothing_hidden_nothing_told(pipe: Pipe) -> None:
    verdicts = VerdictLog(pipe.log)
    verdicts.write([event()] * 3)
    pipe.text()
    seen = counters(("answer", "caller-owned", "caller-owned", "a", 3), ("forward", "", "pass", "a", 10**6))
    verdicts.sum_up(seen)
    verdicts.sum_up(seen)
    assert pipe.lines() == []


def test_a_line_before_its_count_is_not_lost_in_the_sum(pipe: Pipe) -> None:
    verdicts = VerdictLog(pipe.log, lines_per_reason=2)
    verdicts.write([event()] * 2)
    verdicts.sum_up(counters(("answer", "caller-owned", "caller-owned", "a", 1)))
    pipe.text()
    verdicts.sum_up(counters(("answer", "caller-owned", "caller-owned", "a", 12)))
    assert [line["suppressed"] for line in pipe.lines()] == [10]


def test_monitored_findings_are_summed_by_rule(pipe: Pipe) -> None:
    verdicts = VerdictLog(pipe.log, lines_per_reason=1)
    verdicts.write([event(action="forward", reason="pass", monitored=True)] * 3)
    pipe.text()
    verdicts.sum_up(counters(monitored={("caller-owned", "acme"): 3}))
    (line,) = pipe.lines()
    assert (line["action"], line["rule"], line["suppressed"]) == ("monitor", "caller-owned", 2)


# the writer


def test_other_lines_are_cleaned_too(pipe: Pipe) -> None:
    pipe.log.warning("notice", file=b"\x1b", many=["a\nb", {"k\n": None}], odd=object)
    (line,) = pipe.lines()
    assert line["file"] == "\\x1b" and line["many"] == ["a\\x0ab", {"k\\x0a": None}]


def test_priorities_for_the_journal() -> None:
    pipe = Pipe(priorities=True)
    pipe.log.info("a")
    pipe.log.warning("b")
    pipe.log.error("c")
    assert [line[:4] for line in pipe.text().splitlines()] == ["<6>{", "<4>{", "<3>{"]


def test_a_full_pipe_costs_lines_and_no_time(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.write_end, fcntl.F_SETPIPE_SZ, 4096)
    writer = LineWriter(pipe.write_end)
    for _ in range(500):
        writer.msg("x" * 100)
    assert writer.lost == writer.dropped > 400
    lost = writer.lost
    pipe.text()
    writer.msg('{"event":"back"}')
    told, back = pipe.lines()
    assert (told["event"], told["lost"], back["event"]) == ("log-lines-lost", lost, "back")
    assert writer.lost == 0 and writer.dropped == lost


def test_a_reader_that_is_gone(pipe: Pipe) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    writer = LineWriter(write_end)
    writer.msg("x")
    assert writer.lost == 1
    os.close(write_end)
