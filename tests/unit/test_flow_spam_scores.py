from __future__ import annotations

import pytest

from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.spam_scores import spam_scores


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"X-Spam-Status: No, score=-1.9 required=5.0 tests=BAYES_00 autolearn=ham", {"spamassassin": -1.9}),
        (b"X-Spam-Status: Yes, hits=12.4 tagged_above=2", {"spamassassin": 12.4}),
        (b"X-Spam-Score: 3.5", {"spamassassin": 3.5}),
        (b"X-Spam-Score: 3.5\r\nX-Spamd-Bar: +++", {"rspamd": 3.5}),
        (b"X-Spamd-Result: default: False [1.20 / 15.00];\r\n\tARC_NA(0.00)[]", {"rspamd": 1.2}),
        (b"X-Rspamd-Score: -0.4", {"rspamd": -0.4}),
        (b"X-MS-Exchange-Organization-SCL: -1", {"microsoft": -1.0}),
        (b"X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:DE;LANG:en;SCL:5;SRV:;SFV:SPM", {"microsoft": 5.0}),
        (b"X-Barracuda-Spam-Score: 0.00", {"barracuda": 0.0}),
        (b"X-Spam-Status: No, score=1.0\r\nX-Barracuda-Spam-Score: 2.5", {"spamassassin": 1.0, "barracuda": 2.5}),
        (b"X-Spam-Status: No, score=nan", {}),
        (b"X-Spam-Status: No, score=1e9", {}),
        (b"X-Spam-Status: No, score=5,5 required=6,0", {}),
        (b"X-Spam-Status: No, score=1.5, required=6", {"spamassassin": 1.5}),
        (b"X-Spam-Score: 1.2.3.4", {}),
        (b"X-Spam-Score: " + b"9" * 400, {}),
        (b"X-Spam-Score:", {}),
        (b"Subject: score=9", {}),
    ],
)
def test_the_score_is_read_from_the_scanners_own_field(field: bytes, expected: dict[str, float]) -> None:
    assert expected == spam_scores(read_headers(field + b"\r\n"))


def test_the_topmost_field_counts() -> None:
    assert {"spamassassin": 7.0} == spam_scores(
        read_headers(b"X-Spam-Status: Yes, score=7.0\r\nX-Spam-Status: No, score=-5.0\r\n")
    )
