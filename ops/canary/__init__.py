"""Trying a version on a growing share of the traffic: measuring it, judging it, and moving the weights."""
