"""The colours, mappings and thresholds of all dashboards. Values only.

Green works, red does not, orange soon will not, yellow deserves a look, grey is unknown, blue is a figure without a
judgement. The phases have hues of their own, those of the exporter's pages, and always in the order of a probe.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grafana_foundation_sdk.models import dashboard as model

from dashboards.settings import Settings
from exporter.model import FailureReason, Leg, Outcome, Phase
from exporter.protocol.protocols import PROTOCOLS

GOOD: Final = "green"
BAD: Final = "red"
SOON_BAD: Final = "orange"
LOOK: Final = "yellow"
UNKNOWN: Final = "#808895"
NEUTRAL: Final = "blue"

ARRIVED_OTHERWISE: Final = frozenset(
    {Outcome.LATE, Outcome.JUNK, Outcome.DUPLICATE, Outcome.ALTERED, Outcome.UNAUTHENTICATED}
)
"""Outcomes of messages that arrived, but not as they should."""

PHASE_COLORS: Final[Mapping[Phase, str]] = MappingProxyType(
    {
        Phase.DNS: "#8b95a5",
        Phase.CONNECT: "#4f86c6",
        Phase.GREETING: "#3aa6b9",
        Phase.CAPABILITY: "#6bb38a",
        Phase.STARTTLS: "#c9b458",
        Phase.TLS: "#d9894a",
        Phase.AUTH: "#b565a7",
        Phase.CHECK: "#7d70c9",
        Phase.QUIT: "#a98b76",
    }
)

PROTOCOL_COLORS: Final = MappingProxyType({protocol: row.colours[0] for protocol, row in PROTOCOLS.items()})

PALE_PROTOCOL_COLORS: Final = MappingProxyType({protocol: row.colours[1] for protocol, row in PROTOCOLS.items()})
"""The paler colour for a series below another one of the same kind, such as a median below a higher quantile."""

QUANTILE_COLORS: Final = ("super-light-blue", "blue", "dark-blue")
QUANTILES: Final = (("median", 0.5), ("90th", 0.9), ("99th percentile", 0.99))
"""The quantiles of histograms by their legends. Their colours are above."""

LEG_COLORS: Final[Mapping[Leg, str]] = MappingProxyType(
    {Leg.SUBMIT: "#d9894a", Leg.TRANSIT: "#4f86c6", Leg.RETRIEVE: "#3aa6b9", Leg.REMOVE: "#a98b76"}
)
"""As on the exporter's page of a flow."""

OUTCOME_COLORS: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        outcome: GOOD if outcome is Outcome.DELIVERED else SOON_BAD if outcome in ARRIVED_OTHERWISE else BAD
        for outcome in Outcome
    }
)

OTHER: Final = ("blue", "purple", "#3aa6b9")
"""Colours for a few series of equal importance."""

UP: Final = model.ValueMappingResult(text="Up", color=GOOD, index=0)
FAILING: Final = model.ValueMappingResult(text="Failing", color=BAD, index=1)

Steps = tuple[tuple[float | None, str], ...]
"""Pairs of a lowest value and its colour. The first value is `None`, which is below everything."""

ANY: Final[Steps] = ((None, NEUTRAL),)
NONE_IS_GOOD: Final[Steps] = ((None, GOOD), (1, BAD))
NONE_IS_BETTER: Final[Steps] = ((None, GOOD), (1, SOON_BAD))
SHARE_OF_SUCCESS: Final[Steps] = ((None, BAD), (0.9, SOON_BAD), (0.99, LOOK), (0.999, GOOD))
USED_UP: Final[Steps] = ((None, GOOD), (0.75, LOOK), (0.9, SOON_BAD), (1, BAD))
"""The colours of a quota or a budget."""


def days_left(settings: Settings) -> Steps:
    """The colours of a certificate, by the thresholds of the alerts."""
    return (
        (None, BAD),
        (0, BAD),
        (settings.last_days, SOON_BAD),
        (settings.soon_days, LOOK),
        (settings.renewal_days, GOOD),
    )


def durations(settings: Settings) -> Steps:
    """The colours of an availability, by the threshold of the alert."""
    return ((None, GOOD), (settings.slow_seconds / 5, LOOK), (settings.slow_seconds, SOON_BAD))


def values(**results: model.ValueMappingResult) -> model.ValueMap:
    """A mapping of single values; `v1` stands for 1."""
    return model.ValueMap(options={value.removeprefix("v"): result for value, result in results.items()})


def value_range(low: float | None, high: float | None, result: model.ValueMappingResult) -> model.RangeMap:
    """A mapping of the values from one to another, both included."""
    return model.RangeMap(options=model.DashboardRangeMapOptions(from_val=low, to=high, result=result))


def says(text: str | None, color: str, index: int = 0) -> model.ValueMappingResult:
    """How a value is shown. Without a text, the value itself is shown in this colour."""
    return model.ValueMappingResult(text=text, color=color, index=index)


def success() -> list[model.ValueMapping]:
    """The words and colours for 1 and 0 of a probe."""
    return [values(v0=FAILING, v1=UP)]


def of_reasons(codes: Mapping[FailureReason, int]) -> model.ValueMap:
    """The words and colours for a reason's code, and for 0, which is success."""
    failing = {f"v{code}": says(reason, BAD, code) for reason, code in codes.items()}
    return values(v0=UP, **failing)


def of_outcomes(codes: Mapping[Outcome, int]) -> model.ValueMap:
    """The words and colours for an outcome's code."""
    return values(**{f"v{code}": says(outcome, OUTCOME_COLORS[outcome], code) for outcome, code in codes.items()})


def flag(yes: str, no: str, *, if_no: str = BAD) -> list[model.ValueMapping]:
    """These words, with colours, for 1 and 0."""
    return [values(v1=says(yes, GOOD, 0), v0=says(no, if_no, 1))]


def reply_codes() -> list[model.ValueMapping]:
    """The colours of SMTP reply codes (RFC 5321, 4.2.1): success, intermediate, temporary and permanent failure."""
    kinds = ((200, 299, GOOD), (300, 399, NEUTRAL), (400, 499, SOON_BAD), (500, 599, BAD))
    return [value_range(low, high, says(None, color, index)) for index, (low, high, color) in enumerate(kinds)]
