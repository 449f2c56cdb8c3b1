"""The plan in the repository: each stack's resource graph as golden files, and how the program differs from them."""
