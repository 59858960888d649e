"""Rules for each check: would mail to and from a domain be accepted?"""
