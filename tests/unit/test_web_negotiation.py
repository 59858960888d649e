from __future__ import annotations

import pytest

from exporter.metrics.exposition import Format
from exporter.web.serving.negotiation import accepts_gzip, preferred_format

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", TEXT, id="a client that does not care"),
        pytest.param("*/*", TEXT, id="curl"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT, id="a browser"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPENMETRICS,
            id="Prometheus 2.42",
        ),
        pytest.param(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            OPENMETRICS,
            id="Prometheus 3",
        ),
        pytest.param(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
            "text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
            TEXT,
            id="one that would rather have protobuf",
        ),
        pytest.param("text/plain;version=0.0.4", TEXT, id="VictoriaMetrics"),
        pytest.param("application/openmetrics-text", OPENMETRICS, id="without a version"),
        pytest.param('Application/OpenMetrics-Text; Version="1.0.0"', OPENMETRICS, id="in its own way"),
        pytest.param("application/openmetrics-text;version=0.0.1", TEXT, id="a version there is not"),
        pytest.param("application/openmetrics-text;q=0.3, text/plain;q=0.7", TEXT, id="text is liked better"),
        pytest.param(
            "text/plain;q=0.3, application/openmetrics-text;q=0.7", OPENMETRICS, id="OpenMetrics is liked better"
        ),
        pytest.param("text/plain, application/openmetrics-text", TEXT, id="text is named first"),
        pytest.param("application/openmetrics-text, text/plain", OPENMETRICS, id="OpenMetrics is named first"),
        pytest.param("application/openmetrics-text;q=0", TEXT, id="anything but"),
        pytest.param("application/openmetrics-text;q=high, */*", TEXT, id="a weight that is none"),
        pytest.param("application/openmetrics-text;q=7, */*;q=0.1", TEXT, id="a weight beyond one"),
        pytest.param("application/json", TEXT, id="a type there is not"),
        pytest.param(",;,=;q=,/", TEXT, id="garbage"),
    ],
)
def test_the_format_is_the_one_that_the_client_prefers(accept: str, form: Format) -> None:
    assert form is preferred_format(accept)


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=1.0, *;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("gzip;q=0.001", True),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(accept_encoding: str, accepted: bool) -> None:
    assert accepted is accepts_gzip(accept_encoding)
