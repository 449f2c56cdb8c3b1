"""Where a model runs: on the event loop, or in a queue whose thread joins the requests that are waiting already.

It knows arrays and futures. What the arrays mean and how they travel is others' business.
"""
