"""HTTP, whatever is asked: addresses, connections, limits, logins, prefixes, refusals, and bodies sent in slices.

Nothing here knows the store, the pages or a field of the API: a refusal has a plain page of its own.
"""
