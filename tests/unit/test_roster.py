"""Which addresses an endpoint is probed at, as its name leads to others."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import (
    Addresses,
    Encryption,
    Endpoint,
    Failure,
    FailureReason,
    IpFamily,
    Phase,
    ProbeResult,
    Protocol,
    Resolution,
    RosterChange,
)
from exporter.schedule.roster import Roster

ALL = Endpoint("mx", Protocol.SMTP, "mx.example.com", 25, Encryption.STARTTLS, addresses=Addresses.ALL)
FIRST = Endpoint("imap", Protocol.IMAP, "imap.example.com", 993, Encryption.TLS)
GONE = Failure(FailureReason.DNS_NOT_FOUND, Phase.DNS, "mx.example.com does not exist")
UNKNOWN = Failure(FailureReason.DNS_FAILED, Phase.DNS, "nobody answers")
REFUSED = Failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, "Connection refused")


def at(address: str, endpoint: Endpoint = ALL) -> Endpoint:
    return replace(endpoint, only_address=address)


def result(endpoint: Endpoint, *addresses: str, failure: Failure | None = None, unanswered: str = "") -> ProbeResult:
    """What a probe of an endpoint finds whose name leads to these addresses."""
    resolution = None if failure is UNKNOWN else Resolution(addresses, unanswered)
    return ProbeResult(endpoint.name, 0.0, 0.1, (), failure, only_address=endpoint.only_address, resolution=resolution)


def roster(*addresses: str) -> Roster:
    """One with an endpoint whose name was looked up once."""
    made = Roster()
    made.configure([ALL])
    if addresses:
        made.take(ALL, result(ALL, *addresses))
    return made


def test_other_endpoints_are_probed_as_they_are_configured() -> None:
    made = Roster()

    assert (FIRST,) == made.configure([FIRST]).all
    assert (result(FIRST, "192.0.2.1"), None) == made.take(FIRST, result(FIRST, "192.0.2.1"))


def test_while_no_address_is_known_the_endpoint_stands_for_itself() -> None:
    assert (ALL, FIRST) == Roster().configure([ALL, FIRST]).all


def test_what_a_look_up_finds_takes_its_place_ipv4_first_and_by_number() -> None:
    kept, exchange = roster().take(ALL, result(ALL, "2001:db8::1", "192.0.2.10", "192.0.2.9"))

    each = tuple(map(at, ("192.0.2.9", "192.0.2.10", "2001:db8::1")))
    assert kept is None
    assert RosterChange(gone=(ALL,), come=each, all=each) == exchange


def test_a_look_up_that_finds_nothing_is_the_endpoints_failure() -> None:
    for failure in (GONE, UNKNOWN):
        assert (result(ALL, failure=failure), None) == roster().take(ALL, result(ALL, failure=failure))


def test_a_probe_that_finds_the_same_addresses_changes_nothing() -> None:
    probed = at("192.0.2.1")
    found = result(probed, "192.0.2.2", "192.0.2.1", failure=REFUSED)

    assert (found, None) == roster("192.0.2.1", "192.0.2.2").take(probed, found)


def test_an_address_that_comes_is_probed_too() -> None:
    probed = at("192.0.2.1")
    found = result(probed, "192.0.2.1", "192.0.2.2")

    kept, exchange = roster("192.0.2.1").take(probed, found)

    assert found == kept
    assert RosterChange(gone=(), come=(at("192.0.2.2"),), all=(probed, at("192.0.2.2"))) == exchange


def test_an_address_that_leaves_is_probed_no_longer() -> None:
    made = roster("192.0.2.1", "192.0.2.2")
    probed, other = at("192.0.2.1"), at("192.0.2.2")

    kept, exchange = made.take(probed, result(probed, "192.0.2.1"))

    assert result(probed, "192.0.2.1") == kept
    assert RosterChange(gone=(other,), come=(), all=(probed,)) == exchange
    assert (None, None) == made.take(other, result(other, "192.0.2.1", "192.0.2.2", "192.0.2.3"))


def test_the_result_of_the_address_that_leaves_is_nobodys() -> None:
    probed = at("192.0.2.1")

    kept, exchange = roster("192.0.2.1", "192.0.2.2").take(probed, result(probed, "192.0.2.2", failure=GONE))

    assert kept is None
    assert RosterChange(gone=(probed,), come=(), all=(at("192.0.2.2"),)) == exchange


def test_a_name_that_leads_nowhere_any_more_is_the_failure_of_the_endpoint_as_a_whole() -> None:
    made = roster("192.0.2.1", "192.0.2.2")
    probed, other = at("192.0.2.1"), at("192.0.2.2")

    kept, exchange = made.take(probed, result(probed, failure=GONE))

    assert replace(result(probed, failure=GONE), only_address=None) == kept
    assert RosterChange(gone=(probed, other), come=(ALL,), all=(ALL,)) == exchange
    assert (None, None) == made.take(other, result(other, failure=GONE))


def test_a_name_that_comes_back_is_probed_at_its_addresses_again() -> None:
    made = roster("192.0.2.1")
    made.take(at("192.0.2.1"), result(at("192.0.2.1"), failure=GONE))

    _, exchange = made.take(ALL, result(ALL, "192.0.2.1"))

    assert exchange is not None
    assert (at("192.0.2.1"),) == exchange.come


def test_a_name_that_cannot_be_looked_up_keeps_its_addresses_and_fails_each() -> None:
    made = roster("192.0.2.1", "192.0.2.2")

    for probed in (at("192.0.2.1"), at("192.0.2.2")):
        assert (result(probed, failure=UNKNOWN), None) == made.take(probed, result(probed, failure=UNKNOWN))


def test_an_incomplete_answer_adds_addresses_and_takes_none_away() -> None:
    made = roster("192.0.2.1", "2001:db8::1")
    probed = at("192.0.2.1")

    _, exchange = made.take(probed, result(probed, "192.0.2.1", "192.0.2.2", unanswered="AAAA: no answer"))

    assert exchange is not None
    assert () == exchange.gone
    assert (at("192.0.2.2"),) == exchange.come
    assert (probed, at("192.0.2.2"), at("2001:db8::1")) == exchange.all


def test_a_reload_keeps_the_addresses_and_gives_them_what_is_new() -> None:
    renamed = replace(ALL, labels={"team": "mail"})

    assert (at("192.0.2.1", renamed), FIRST) == roster("192.0.2.1").configure([renamed, FIRST]).all


def test_a_reload_tells_who_goes_and_who_comes_or_is_changed() -> None:
    made = Roster()
    made.configure([FIRST, ALL])
    changed, other = replace(FIRST, timeout=1.0), replace(FIRST, name="other")

    assert RosterChange((ALL,), (changed, other), (changed, other)) == made.configure([changed, other])
    assert RosterChange((), (), (other, changed)) == made.configure([other, changed])


def test_a_reload_that_asks_for_other_addresses_begins_anew() -> None:
    for changed in (replace(ALL, host="mx2.example.com"), replace(ALL, ip_family=IpFamily.IPV4)):
        assert (changed,) == roster("192.0.2.1").configure([changed]).all


def test_a_reload_may_end_it() -> None:
    made = roster("192.0.2.1")
    first = replace(ALL, addresses=Addresses.FIRST)

    assert (first,) == made.configure([first]).all
    assert (ALL,) == made.configure([ALL]).all


def test_the_result_of_a_former_self_is_nobodys() -> None:
    made = roster("192.0.2.1")
    made.configure([replace(ALL, timeout=1.0)])

    assert (None, None) == made.take(at("192.0.2.1"), result(at("192.0.2.1"), "192.0.2.1"))


answers = st.lists(
    st.tuples(st.sets(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"])), st.booleans()), max_size=8
)


@given(answers)
def test_exchanges_add_up_to_what_is_probed(found: list[tuple[set[str], bool]]) -> None:
    made = Roster()
    probed = {each.series: each for each in made.configure([ALL]).all}
    for addresses, complete in found:
        asked = next(iter(probed.values()))
        unanswered = "" if complete or not addresses else "no answer"
        failure = None if addresses else GONE
        kept, exchange = made.take(asked, result(asked, *addresses, failure=failure, unanswered=unanswered))
        if exchange is not None:
            for each in exchange.gone:
                del probed[each.series]
            probed |= {each.series: each for each in exchange.come}
            assert list(exchange.all) == sorted(probed.values(), key=exchange.all.index)
        assert kept is None or kept.series in probed
        expected: set[str | None] = {*addresses} or {None}
        assert expected <= {each.only_address for each in probed.values()}


IMAPS = Endpoint("imaps", Protocol.IMAP, "imap.example.com", 993, Encryption.TLS)
DOMAIN = "domain:example.com"


def discovering(*found: Endpoint) -> Roster:
    made = Roster()
    made.configure([FIRST], {DOMAIN: ()})
    made.found(DOMAIN, found)
    return made


def test_what_a_source_finds_is_visited_behind_what_is_written_out() -> None:
    made = Roster()
    assert (FIRST,) == made.configure([FIRST], {DOMAIN: ()}).all

    assert RosterChange((), (IMAPS, ALL), (IMAPS, ALL)) == made.found(DOMAIN, [IMAPS, ALL])
    assert RosterChange((), (), (FIRST, IMAPS, ALL)) == made.configure([FIRST], {DOMAIN: (IMAPS, ALL)})


def test_what_a_source_no_longer_finds_is_visited_no_longer() -> None:
    made = discovering(IMAPS, ALL)

    assert RosterChange((IMAPS,), (), (ALL,)) == made.found(DOMAIN, [ALL])
    assert (None, None) == made.take(IMAPS, result(IMAPS, "192.0.2.1"))


def test_a_source_that_finds_the_same_changes_nothing() -> None:
    assert discovering(IMAPS).found(DOMAIN, [IMAPS]) is None


def test_what_a_source_finds_otherwise_comes_anew() -> None:
    later = replace(IMAPS, timeout=3.0)

    assert RosterChange((), (later,), (later,)) == discovering(IMAPS).found(DOMAIN, [later])


def test_what_is_written_out_goes_before_what_is_found_by_the_same_name() -> None:
    other = replace(FIRST, host="elsewhere.example.com")

    assert discovering().found(DOMAIN, [other]) is None


def test_a_source_that_is_not_configured_any_more_has_found_nothing() -> None:
    made = discovering(IMAPS)

    assert (FIRST,) == made.configure([FIRST]).all
    assert made.found(DOMAIN, [IMAPS]) is None
    assert (FIRST,) == made.configure([FIRST], {DOMAIN: ()}).all


def test_the_addresses_of_what_is_found_are_followed_and_kept_as_those_of_what_is_written() -> None:
    made = discovering(ALL)
    _, change = made.take(ALL, result(ALL, "192.0.2.1"))
    assert RosterChange((ALL,), (at("192.0.2.1"),), (at("192.0.2.1"),)) == change

    assert RosterChange((), (IMAPS,), (at("192.0.2.1"), IMAPS)) == made.found(DOMAIN, [ALL, IMAPS])
    assert RosterChange((at("192.0.2.1"),), (), (IMAPS,)) == made.found(DOMAIN, [IMAPS])
