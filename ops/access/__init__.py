"""What the platform holds about one user: found, handed over, and deleted, each with a report that can be signed."""
