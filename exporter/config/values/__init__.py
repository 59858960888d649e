"""Parses the text of single values, from the file, URLs, command lines or DNS."""
