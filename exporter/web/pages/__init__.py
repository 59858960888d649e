"""The pages for people, with their templates and static files, and the documentation as pages.

Nothing here decides what is in the API. `pages.py` is loaded by the first request for a page: it needs Jinja.
"""
