"""Deployments from the operators' side: the records, who may change them, and what each change makes of them."""
