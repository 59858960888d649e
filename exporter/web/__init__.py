"""The HTTP interface: it only reads.

`application.py` lists the routes. `serving/` speaks HTTP and lets clients in, by what `policy/` reads from the web
configuration. `pages/` is for people. The JSON for programs, `/probe`, and what pages and JSON share lie here.
"""
