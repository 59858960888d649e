"""Writes docs/metrics.md, from the rows of the metrics, to standard output. A test holds the committed file current."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from exporter.metrics.endpoint_state import ADDRESS_LABEL, ENDPOINT_LABELS
from exporter.metrics.histogram import DELAY_BUCKETS, FLOW_BUCKETS, PROBE_BUCKETS, SCRAPE_BUCKETS
from exporter.metrics.label_text import VALUE_LIMIT
from exporter.metrics.rows.domain_rows import DOMAIN_LABELS, DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS
from exporter.metrics.rows.exporter_metrics import EXPORTER_METRICS
from exporter.metrics.rows.flow_rows import FLOW_LABELS, FLOW_METRICS, MX_LABEL
from exporter.metrics.rows.metric import Metric
from exporter.model import (
    AuthMethod,
    AuthResult,
    CertificateProblem,
    DomainCheck,
    DomainProblem,
    FailureReason,
    KeyType,
    Leg,
    LongTask,
    Outcome,
    Phase,
    Removal,
    Sender,
    SkipReason,
    TokenOutcome,
)

_TEMPLATE = """\
# Metrics

<!-- Made by `make dashboards`. Change the rows in exporter/metrics/ instead. -->

`GET /metrics` answers in Prometheus' text format 0.0.4 or in OpenMetrics 1.0, whichever the `Accept` header prefers,
and compressed if `Accept-Encoding` names gzip. Both formats hold the same series. Times are Unix timestamps in seconds,
durations are seconds, sizes are bytes.

A figure that is not known is absent: never 0, and never a date in 1970. Figures of a probe are those of the last one,
so a server that cannot be reached has no certificate figures until it can.

## Metrics of each endpoint

Every series has the labels {endpoint_labels}, and those that the configuration adds with `labels`.
Where each address of the host has series of its own (`addresses: all`), they have the label `{address_label}` as well.
The column `labels` names the further ones.

{endpoint_metrics}

- `phase` is one of {phases}, in this order.
- `reason` is one of the {reasons} that [failures.md](failures.md) explains.
- `error` is one of {errors}.
- Values that come from a server, such as a certificate's subject, are cut to {limit} characters, and control characters
  in them are replaced by U+FFFD.
- `mail_probe_duration_seconds` has the buckets {probe_buckets} s.
- Durations are written to the microsecond, timestamps to the millisecond.

`mail_probes_total` and `mail_probe_duration_seconds` start at 0 when an endpoint is configured. A series of
`mail_probe_failures_total` appears with the first failure of its reason and phase. Starting all {combinations} of them
at 0 for each endpoint would cost Prometheus more than all the rest. `rate` and `increase` do not see that first
failure. So alert on `mail_probe_success`, and use the counter to tell what kind of failures there were:

```promql
mail_probe_success == 0                                                    # fails now
mail_probe_failure_info                                                    # and why
avg_over_time(mail_probe_success[1h]) < 0.95                               # has failed often
sum by (reason, phase) (mail_probe_failures_total)                         # since the start, by kind
time() - mail_probe_last_success_timestamp_seconds > 600                   # no success for ten minutes
(mail_tls_certificate_not_after_timestamp_seconds - time()) / 86400 < 14   # expires in two weeks
histogram_quantile(0.99, sum by (le) (rate(mail_probe_duration_seconds_bucket[1h])))
```

An endpoint that is no longer configured leaves `/metrics` at once, and so does, with `addresses: all`, an address that
the host's name no longer leads to. One that still is there keeps its counters over a reload, unless its protocol, host,
port or encryption changed.

With `addresses: all`, a name that cannot be looked up (`dns_failed`) fails the probes of all its addresses; one that
leads nowhere any more (`dns_not_found`) has no addresses, and fails in one series without the label `{address_label}`.
Either way `mail_probe_success == 0` tells.

## Metrics of each flow

Every series has the label {flow_labels}, the label `{mx_label}` where messages are handed to MX hosts, and those that
the configuration adds with `labels`. [mail-flow.md](mail-flow.md) explains the outcomes.

{flow_metrics}

- `outcome` is one of {flow_outcomes}.
- `leg` is one of {legs}, in this order.
- For `refused`, `deferred` and `bounced`, `reason` is an enhanced status code of the registry of RFC 5248, or its class
  such as `5.0.0`; for `send_failed` and `receive_failed` it is one of the reasons of [failures.md](failures.md); for
  the others it is empty.
- `method` is one of {methods}, `result` one of {results}. They are only there with `authserv_id`.
- `scanner` is one of `spamassassin`, `rspamd`, `microsoft`, `barracuda`.
- `kind` is one of {kinds}.
- `mail_flow_duration_seconds` has the buckets {flow_buckets} s.
- Figures of a message are those of the last one that was settled. A message that is lost has no hops and no score.

All outcomes start at 0 when a flow is configured, so `increase` sees the first message of each:

```promql
mail_flow_success == 0                                            # the last message did not arrive as it should
mail_flow_outcome_info                                            # what became of it, and which leg is to blame
sum by (flow, outcome) (increase(mail_flow_messages_total[1d]))   # a day's messages
histogram_quantile(0.95, sum by (flow, le) (rate(mail_flow_duration_seconds_bucket[1d])))
```

## Metrics of each mail domain

Every series of a judged domain has the label {domain_labels}, and those that the configuration adds with `labels`.
[domains.md](domains.md) explains checks and problems. What could not be found out is absent, never 0, and so is the
success of a check where nothing is published.

{domain_metrics}

- `check` is one of {checks}.
- `problem` is one of the {problems} that [domains.md](domains.md#problems) explains.
- `sender` is one of {senders}, `key_type` one of {key_types}. `record` is the first eight hexadecimal digits of the
  TLSA record's data.

A domain whose endpoints are [followed](domains.md#discovery) has the label `domain` and no others:

{followed_metrics}

```promql
mail_domain_deliverable == 0                                          # held back now
mail_domain_problem_info                                              # what is wrong
max by (domain, host, port, address, key_type) (mail_dane_tlsa_match) == 0
```

## Metrics of the exporter

{exporter_metrics}

- `reason` is one of {skips}.
- `task` is one of {tasks}.
- `credentials` is the name of an entry in that section of the configuration. `outcome` is one of
  {outcomes}: the token endpoint
  gave a token, said no, could not answer, could not be asked, answered something else. The failures' sections say more:
  [token_failed](failures.md#token_failed).
- `mail_exporter_probe_start_delay_seconds` and `mail_exporter_event_loop_lag_seconds` have the buckets
  {delay_buckets} s.
- `mail_exporter_scrape_duration_seconds` has the buckets {scrape_buckets} s.
- A scrape's duration counts from the request to the last byte handed to the connection, so a slow reader lengthens it.

`process_*` and `python_*` are prometheus_client's: CPU time, memory, open files and garbage collection of this process.
"""


def reference() -> str:
    """The whole of docs/metrics.md."""
    return _TEMPLATE.format(
        endpoint_labels=_series(ENDPOINT_LABELS),
        address_label=ADDRESS_LABEL,
        endpoint_metrics=_table(ENDPOINT_METRICS),
        exporter_metrics=_table(EXPORTER_METRICS),
        flow_labels=_series(FLOW_LABELS),
        mx_label=MX_LABEL,
        flow_metrics=_table(FLOW_METRICS),
        flow_outcomes=_series(Outcome),
        legs=_series(Leg),
        methods=_series(AuthMethod),
        results=_series(AuthResult),
        kinds=_series(Removal),
        flow_buckets=_figures(FLOW_BUCKETS),
        domain_labels=_series(DOMAIN_LABELS),
        domain_metrics=_table(DOMAIN_METRICS),
        followed_metrics=_table(FOLLOWED_METRICS),
        checks=_series(DomainCheck),
        problems=len(DomainProblem),
        senders=_series(Sender),
        key_types=_series(KeyType),
        phases=_series(Phase),
        reasons=len(FailureReason),
        errors=_series(CertificateProblem),
        skips=_series(SkipReason),
        tasks=_series(LongTask),
        outcomes=_series(TokenOutcome),
        combinations=len(FailureReason) * len(Phase),
        limit=VALUE_LIMIT,
        probe_buckets=_figures(PROBE_BUCKETS),
        delay_buckets=_figures(DELAY_BUCKETS),
        scrape_buckets=_figures(SCRAPE_BUCKETS),
    )


def _table(metrics: Iterable[Metric[Any]]) -> str:
    rows = [f"| `{metric.name}` | {metric.type} | {_series(metric.labels)} | {metric.help} |" for metric in metrics]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def _series(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _figures(bounds: Iterable[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)


if __name__ == "__main__":
    sys.stdout.write(reference())
