"""Run the generator as `python -m dashboards`."""

from dashboards.command import main

main(prog_name="python -m dashboards")
