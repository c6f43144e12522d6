"""Strikes and history to bans: how long, and when a prefix is banned for its hosts."""

from edge_agent.bans.judge import DAY_SECONDS, HISTORY_LIMIT, NEIGHBOURS, OPERATOR, Ban, Judge


def sentenced(judge: Judge, network: str, now: float) -> tuple[int, float]:
    times, seconds = judge.sentence(network, now)
    judge.began(Ban(network, now, now + seconds, times=times))
    return times, seconds


def test_each_further_ban_is_twice_the_last_up_to_the_longest() -> None:
    judge = Judge(60, 3600)
    now, lengths = 0.0, []
    for number in range(1, 9):
        times, seconds = sentenced(judge, "203.0.113.7/32", now)
        assert times == number
        lengths.append(seconds)
        now += seconds + 1
    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_day_without_one_starts_anew() -> None:
    judge = Judge(60, 3600)
    sentenced(judge, "203.0.113.7/32", 0)
    assert judge.sentence("203.0.113.7/32", 60 + DAY_SECONDS) == (2, 120)
    assert judge.sentence("203.0.113.7/32", 61 + DAY_SECONDS) == (1, 60)


def test_networks_have_histories_of_their_own() -> None:
    judge = Judge(60, 3600)
    sentenced(judge, "203.0.113.7/32", 0)
    assert judge.sentence("203.0.113.8/32", 1) == (1, 60)
    assert judge.sentence("203.0.113.0/24", 1) == (1, 60)


def test_forgiven_is_forgotten() -> None:
    judge = Judge(60, 3600)
    sentenced(judge, "203.0.113.7/32", 0)
    judge.forgive("203.0.113.7/32")
    assert judge.sentence("203.0.113.7/32", 1) == (1, 60)


def test_terms_change_with_a_reload() -> None:
    judge = Judge(60, 3600)
    for _ in range(100):
        sentenced(judge, "203.0.113.7/32", 0)
    judge.set_terms(10, 86400)
    assert judge.sentence("203.0.113.7/32", 0) == (101, 86400)
    judge.set_terms(5, 5)
    assert judge.sentence("203.0.113.7/32", 0) == (101, 5)


def test_the_history_is_bounded_and_loses_the_oldest() -> None:
    judge = Judge(60, 3600)
    for number in range(HISTORY_LIMIT + 1):
        judge.remember(str(number), 3, 0)
    assert judge.sentence("0", 0)[0] == 1
    assert judge.sentence("1", 0)[0] == 4


def crowd(judge: Judge, networks: list[str], who: str = "engine") -> tuple[str, frozenset[str]] | None:
    found = None
    for network in networks:
        ban = Ban(network, 0, 60, who)
        judge.began(ban)
        found = judge.crowded(ban)
    return found


def test_a_crowd_of_hosts_is_its_prefix() -> None:
    hosts = [f"203.0.113.{number}/32" for number in range(NEIGHBOURS[4])]
    judge = Judge(60, 3600)
    assert crowd(judge, hosts[:-1]) is None
    assert crowd(judge, hosts[-1:]) == ("203.0.113.0/24", frozenset(hosts))
    subnets = [f"2001:db8:1:1{number:02x}::/64" for number in range(NEIGHBOURS[6])]
    assert crowd(judge, subnets[:-1]) is None
    assert crowd(judge, subnets[-1:]) == ("2001:db8:1:100::/56", frozenset(subnets))
    wider = [f"2001:db8:1:{number:x}00::/56" for number in range(NEIGHBOURS[6])]
    assert crowd(judge, wider) == ("2001:db8:1::/48", frozenset(wider))


def test_a_crowd_is_of_those_that_are_banned_now() -> None:
    judge = Judge(60, 3600)
    hosts = [f"203.0.113.{number}/32" for number in range(NEIGHBOURS[4])]
    crowd(judge, hosts[:-1])
    judge.ended(Ban(hosts[0], 0, 60))
    assert crowd(judge, hosts[-1:]) is None


def test_hosts_far_apart_and_bans_by_hand_are_no_crowd() -> None:
    judge = Judge(60, 3600)
    assert crowd(judge, [f"203.0.{number}.7/32" for number in range(100)]) is None
    assert crowd(judge, [f"203.0.113.{number}/32" for number in range(100)], OPERATOR) is None
    assert crowd(judge, [f"2001:db8::{number:x}/128" for number in range(100)]) is None
