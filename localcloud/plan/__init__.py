"""The plan in the repository: each stack's resource graph as golden files, and the difference when the program moves on."""
