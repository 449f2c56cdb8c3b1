"""DNS: the hosted zone, and the name that moves callers from a region that fails to one that answers."""
