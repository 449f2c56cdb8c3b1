"""The secrets that programs of the platform are given, in Secrets Manager."""
