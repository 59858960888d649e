"""From a domain to its endpoints (`discovery`), and whether the world can deliver to it (`posture`)."""
