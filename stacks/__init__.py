"""Composition only: one region, the regions joined, and the defaults of each environment."""
