"""Answers and records kept for a while, in the worker's memory or in a Redis that all pods share.

Everything here may be lost at any moment without harm; `opening` is the way in, and imports only what is switched on.
"""
