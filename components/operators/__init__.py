"""What each kind of person and machine that runs `serveml` may do to the platform, as IAM policies."""
