"""The dashboards."""

from __future__ import annotations

from dashboards.boards import certificates, domains, endpoint, exporter, flow, overview

BOARDS = (overview.board, endpoint.board, certificates.board, flow.board, domains.board, exporter.board)
"""Each makes one, from the settings, in the order in which people go through them."""
