"""A version on trial answers copies of requests: its answers are compared with those that were given, and thrown away.

Which requests are copied to which version is the routing's business.
"""
