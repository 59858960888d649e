"""The records of DMARC: what they say, what is wrong with them, and which of them is in force."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import pytest

from exporter.domains.posture.dmarc_policy import DmarcPolicy, Walk, consent_name, parse_dmarc, walk
from exporter.domains.tags import RecordError


def walked(domain: str, zone: Mapping[str, Sequence[str] | None]) -> tuple[Walk, list[str]]:
    """The walk through a zone, and what was asked."""
    asked: list[str] = []

    def along() -> Generator[str, Sequence[str] | None, Walk]:
        return (yield from walk(domain))

    steps = along()
    answer: Sequence[str] | None = None
    found: list[Walk] = []

    def step() -> str | None:
        try:
            return next(steps) if not asked else steps.send(answer)
        except StopIteration as end:
            found.append(end.value)
        return None

    while (name := step()) is not None:
        asked.append(name)
        answer = zone.get(name, ())
    return found[0], asked


class TestTreeWalk:
    """RFC 9989 section 4.10."""

    def test_goes_up_label_by_label(self) -> None:
        found, asked = walked("a.mail.example.com", {"_dmarc.example.com": ["V = DMARC1; p=reject; sp=quarantine"]})
        assert ["_dmarc.a.mail.example.com", "_dmarc.mail.example.com", "_dmarc.example.com", "_dmarc.com"] == asked
        assert "example.com" == found.organizational
        step = found.applying()
        assert step is not None
        assert "example.com" == step.domain

    def test_jumps_where_there_are_many_labels(self) -> None:
        _, asked = walked("a.b.c.d.e.f.g.h.i.j.mail.example.com", {})
        assert ["_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com", "_dmarc.g.h.i.j.mail.example.com"] == asked[:2]
        assert 8 == len(asked)

    def test_ends_at_a_domain_that_is_an_organizations(self) -> None:
        zone = {
            "_dmarc.b.example.com": ["v=DMARC1; p=none; psd=n"],
            "_dmarc.example.com": ["v=DMARC1; p=reject"],
        }
        found, asked = walked("a.b.example.com", zone)
        assert ["_dmarc.a.b.example.com", "_dmarc.b.example.com"] == asked
        assert "b.example.com" == found.organizational

    def test_an_organization_lies_one_label_below_a_public_suffix(self) -> None:
        zone = {
            "_dmarc.bank": ["v=DMARC1; p=reject; psd=y"],
            "_dmarc.mail.example.bank": ["v=DMARC1; p=none"],
        }
        found, _ = walked("mail.example.bank", zone)
        assert "example.bank" == found.organizational
        applying = found.applying()
        assert applying is not None
        assert "mail.example.bank" == applying.domain

    def test_what_a_public_suffix_says_holds_where_nobody_else_says_anything(self) -> None:
        found, _ = walked("example.bank", {"_dmarc.bank": ["v=DMARC1; p=reject; psd=y"]})
        applying = found.applying()
        assert applying is not None
        assert ("bank", "example.bank") == (applying.domain, found.organizational)

    def test_several_records_count_as_none(self) -> None:
        zone = {
            "_dmarc.a.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
            "_dmarc.example.com": ["v=DMARC1; p=none"],
        }
        assert "example.com" == walked("a.example.com", zone)[0].organizational

    def test_of_a_domain_without_records_is_the_domain_itself(self) -> None:
        found, _ = walked("example.com", {"_dmarc.example.com": ["v=spf1 -all"]})
        assert ("example.com", None) == (found.organizational, found.applying())

    @pytest.mark.parametrize(
        ("psd", "organization"), [("y", "example.bank"), ("n", "example.bank"), ("u", "example.bank")]
    )
    def test_begun_at_a_public_suffix_stays_there(self, psd: str, organization: str) -> None:
        found, _ = walked("example.bank", {"_dmarc.example.bank": [f"v=DMARC1; p=none; psd={psd}"]})
        assert organization == found.organizational

    def test_ends_where_nobody_answers(self) -> None:
        found, asked = walked("a.example.com", {"_dmarc.example.com": None})
        assert ["_dmarc.a.example.com", "_dmarc.example.com"] == asked
        assert found.applying() is None


class TestDmarc:
    def test_says_what_is_to_be_done(self) -> None:
        record = parse_dmarc(
            "v=DMARC1; p=reject; sp=quarantine; t=y; rua=mailto:a@example.net!10m,mailto:b@example.org"
        )
        assert (DmarcPolicy.REJECT, DmarcPolicy.QUARANTINE, True, "u", ("example.net", "example.org")) == (
            record.policy,
            record.subdomains,
            record.testing,
            record.psd,
            record.reports,
        )

    def test_without_a_good_policy_is_none_if_there_is_somebody_to_tell(self) -> None:
        assert DmarcPolicy.NONE is parse_dmarc("v=DMARC1; p=rejected; rua=mailto:a@example.com").policy
        with pytest.raises(RecordError, match="p "):
            parse_dmarc("v=DMARC1; p=rejected")

    @pytest.mark.parametrize(
        "text",
        [
            "v=DMARC1; p",
            "v=DMARC1",
            "v=DMARC1; p=none reject",
            "v=DMARC1; p=reject!",
            "v=DMARC1; sp=reject",
            "v=DMARC1; p=; rua=https://example.com",
        ],
    )
    def test_is_refused_without_a_policy(self, text: str) -> None:
        with pytest.raises(RecordError):
            parse_dmarc(text)

    @pytest.mark.parametrize(
        "fault",
        [
            "p=none",
            "adkim=x",
            "aspf=rs",
            "rua=a@example.com",
            "rua=mailto:a@b@example.com",
            "nonsense",
            "t=yes",
            "psd=",
            "np=discard",
            "=x",
        ],
    )
    def test_what_is_wrong_costs_itself(self, fault: str) -> None:
        record = parse_dmarc(f"v=DMARC1; p=reject; {fault}; sp=quarantine")
        assert (DmarcPolicy.REJECT, DmarcPolicy.QUARANTINE, 1) == (
            record.policy,
            record.subdomains,
            len(record.faults),
        )

    @pytest.mark.parametrize(
        ("tags", "percent"),
        [("", 100), ("pct=100", 100), ("PCT = 20", 20), ("pct=0", 0), ("pct=abc", 100), ("pct=-1", 100)],
    )
    def test_a_share_of_the_mail_is_read_for_older_receivers(self, tags: str, percent: int) -> None:
        assert (percent, ()) == ((record := parse_dmarc(f"v=DMARC1; p=reject; {tags}")).percent, record.faults)

    @pytest.mark.parametrize(
        ("tags", "below", "nowhere"),
        [
            ("", "reject", "reject"),
            ("sp=none", "none", "none"),
            ("np=none", "reject", "none"),
            ("sp=none; np=reject", "none", "reject"),
        ],
    )
    def test_domains_below_have_a_policy_by_whether_they_exist(self, tags: str, below: str, nowhere: str) -> None:
        record = parse_dmarc(f"v=DMARC1; p=reject; {tags}")
        assert (below, nowhere, ()) == (record.subdomains, record.nonexistent, record.faults)

    def test_who_takes_reports_of_others_says_so_there(self) -> None:
        assert "example.com._report._dmarc.example.net" == consent_name("example.com", "example.net")


def test_a_policy_is_that_of_the_organization_and_not_of_the_suffix_above_it() -> None:
    zone = {"_dmarc.example.bank": ["v=DMARC1; p=none"], "_dmarc.bank": ["v=DMARC1; p=reject; psd=y"]}
    applying = walked("mail.example.bank", zone)[0].applying()
    assert applying is not None
    assert "example.bank" == applying.domain


def test_a_record_that_says_nothing_lacks_its_policy() -> None:
    with pytest.raises(RecordError, match="p is missing"):
        parse_dmarc("v=DMARC1;")
