"""Whether mail to and from a domain would be taken, check by check."""
