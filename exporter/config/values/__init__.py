"""What the text of a value means, wherever it is written: in the file, in a URL, on a command line, in DNS. Pure."""
