"""What is checked of a domain, one file a check: each asks, judges by the rules in `posture`, and reports."""
