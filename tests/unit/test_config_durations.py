from __future__ import annotations

import pytest

from exporter.config.values.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("1ms", 0.001),
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("1y", 31536000.0),
        ("1h1ms", 3600.001),
        ("0s", 0.0),
        ("90s", 90.0),
    ],
)
def test_durations_are_read_as_prometheus_reads_them(text: str, seconds: float) -> None:
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("60", "write 60s"),
        ("0", "write 0s"),
        ("0.5", "write 500ms"),
        ("1.5s", "write 1s500ms"),
        ("1.5m", "write 1m30s"),
        ("10 s", "write 10s"),
        ("10S", "write 10s"),
        ("10sec", "write 10s"),
        ("2 minutes", "write 2m"),
        ("1 Day", "write 24h"),
        ("10 parsecs", "write it like 500ms, 30s, 1m30s or 1h"),
        ("30s1m", "write it like 500ms, 30s, 1m30s or 1h"),
        ("-5s", "write it like 500ms, 30s, 1m30s or 1h"),
        ("\uff13\uff10s", "write it like 500ms, 30s, 1m30s or 1h"),
        ("30s\n", "write 30s, without spaces around it"),
        (" 1m30s ", "write 1m30s, without spaces around it"),
        ("30 ", "write 30s"),
        ("", "write it like 500ms, 30s, 1m30s or 1h"),
        ("9" * 5000 + "s", "write it like 500ms, 30s, 1m30s or 1h"),
    ],
)
def test_what_is_no_duration_is_answered_with_what_was_probably_meant(text: str, mend: str) -> None:
    with pytest.raises(ValueError, match=" is not a duration; ") as raised:
        parse_duration(text)
    assert mend == str(raised.value).partition("; ")[2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (60, "1m"), (90, "1m30s"), (3600.001, "1h1ms"), (86400, "24h"), (0.0004, "0s")],
)
def test_durations_are_written_without_what_is_nothing(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)
