"""Distributed tracing: W3C trace context in and out, spans of what is recorded, and their export by OTLP.

Only a request that is sampled makes spans; nothing here runs where no collector is named.
"""
