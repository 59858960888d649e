"""Names, connections and TLS: everything that touches the network."""
