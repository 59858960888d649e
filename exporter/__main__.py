"""`python -m exporter` is `mail-exporter`."""

from exporter.cli import main

if __name__ == "__main__":
    main(prog_name="mail-exporter")
