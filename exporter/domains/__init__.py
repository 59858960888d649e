"""Find the endpoints of a domain (`discovery`), and check whether other servers can deliver to it (`posture`)."""
