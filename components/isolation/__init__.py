"""Which pods may speak to which, and how that is shown."""
