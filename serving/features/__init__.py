"""Rows for a model from Feast's online store on DynamoDB, for requests that name entities in place of values.

Feast materialises and keeps the store; here it is only read, in the format that Feast writes.
"""
