"""Mail flow: a message sent, found, judged, and gone again.

Built on visits: what is said to servers is `exporter.protocol.errands`, how it gets there is `exporter.visiting`.
"""
