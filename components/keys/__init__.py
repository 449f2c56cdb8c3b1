"""The customer-managed encryption keys of one region."""
