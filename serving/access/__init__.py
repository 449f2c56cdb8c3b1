"""Who may call: API keys and signed tokens, the models each may use, and how often.

Nothing here reads a clock: `now` is Unix time for credentials and monotonic time for limits, in seconds.
"""
