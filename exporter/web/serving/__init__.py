"""HTTP, whatever is asked: addresses, connections, limits, logins, prefixes, refusals, and bodies sent in slices.

Nothing here knows a page, a field of the API, or the store.
"""
