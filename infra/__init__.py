"""The entry program and what every stack shares: settings, naming, regions, tags.

Nothing here makes a resource.
"""
