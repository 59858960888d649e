from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.flows.messages.message_judging import Copy, judge
from exporter.model import AuthMethod, AuthResult, Expected, Flow, MessageFault, Outcome
from tests.unit.flow_samples import FLOW, NOW, TEXT, arrived
from tests.unit.test_flow_authentication import GMAIL

PINNED = replace(FLOW, receiving=replace(FLOW.receiving, authserv_id="mx.google.com"))


def faults(*copies: Copy, flow: Flow = FLOW, took: float = 5.0) -> list[MessageFault]:
    return judge(flow, TEXT, copies, NOW, took)[1]


def test_what_came_as_it_should_has_no_fault() -> None:
    arrival, found = judge(FLOW, TEXT, [Copy("INBOX", arrived())], NOW, 5.0)
    assert [] == found
    assert ("INBOX", 2, 3.0, {}, {}) == (
        arrival.mailbox,
        len(arrival.hops),
        arrival.slowest_hop,
        arrival.authentication,
        arrival.spam_scores,
    )


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (
            b"[EXTERNAL] mail-exporter probe",
            'the subject is "[EXTERNAL] mail-exporter probe of flow there, may be deleted"',
        ),
        (b"=?utf-8?q?mail-exporter?= probe", None),
        (b"mail-exporter\r\n probe", None),
    ],
)
def test_another_subject_is_an_alteration_and_another_form_is_none(subject: bytes, told: str | None) -> None:
    found = faults(Copy("INBOX", arrived().replace(b"mail-exporter probe", subject)))
    assert [told] * (told is not None) == [fault.detail for fault in found]


def test_a_removed_subject_is_told_beside_other_changes() -> None:
    found = faults(Copy("INBOX", arrived().replace(b"Subject:", b"X-Old:") + b"-- footer\r\n"))
    assert ['10 octets were added at the end: "-- footer\\n"; the subject was removed'] == [
        each.detail for each in found
    ]


def test_it_is_late_where_it_took_longer_than_expected() -> None:
    assert [MessageFault(Outcome.LATE, "it took 120.5 s, and 120 s are expected")] == faults(
        Copy("INBOX", arrived()), took=120.5
    )
    assert [] == faults(Copy("INBOX", arrived()), took=120.0)
    patient = replace(FLOW, expected=Expected())
    assert [] == faults(Copy("INBOX", arrived()), took=3000, flow=patient)


def test_it_is_junk_in_another_mailbox() -> None:
    assert [MessageFault(Outcome.JUNK, "it arrived in \\Junk instead of INBOX")] == faults(Copy("\\Junk", arrived()))


def test_it_is_a_duplicate_with_another_copy_and_the_expected_mailbox_counts() -> None:
    found = faults(Copy("\\Junk", arrived()), Copy("INBOX", arrived()))
    assert [MessageFault(Outcome.DUPLICATE, "2 copies arrived: in \\Junk, INBOX")] == found


def test_it_is_unauthenticated_where_a_result_is_another_or_missing() -> None:
    expected = Expected(auth={AuthMethod.DKIM: AuthResult.PASS, AuthMethod.SPF: AuthResult.PASS})
    flow = replace(PINNED, expected=expected)
    assert [MessageFault(Outcome.UNAUTHENTICATED, "spf is softfail instead of pass")] == faults(
        Copy("INBOX", arrived(GMAIL.rstrip())), flow=flow
    )
    assert ["mx.google.com says nothing of dkim; mx.google.com says nothing of spf"] == [
        fault.detail for fault in faults(Copy("INBOX", arrived()), flow=flow)
    ]
    forged = GMAIL.replace(b"mx.google.com", b"mx.evil.example").replace(b"softfail", b"pass").rstrip()
    assert [Outcome.UNAUTHENTICATED] == [f.outcome for f in faults(Copy("INBOX", arrived(forged)), flow=flow)]


def test_several_faults_are_all_told_the_worst_first() -> None:
    expected = Expected(within=1.0, auth={AuthMethod.DKIM: AuthResult.PASS})
    flow = replace(PINNED, expected=expected)
    spoilt = Copy("\\Junk", arrived() + b"-- footer\r\n")
    assert [Outcome.JUNK, Outcome.DUPLICATE, Outcome.ALTERED, Outcome.UNAUTHENTICATED, Outcome.LATE] == [
        fault.outcome for fault in faults(spoilt, spoilt, flow=flow)
    ]
