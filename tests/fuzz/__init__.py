"""Whatever octets come from outside, every parser gives a value or its own error: held by a fuzzer that sees code."""
