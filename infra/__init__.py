"""The entry program and what every stack shares: settings, naming, regions, tags, documents. Nothing here makes a resource."""
