"""The checks of a domain, one file for each. A check asks, applies the rules in `posture`, and reports problems."""
