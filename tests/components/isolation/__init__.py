"""Network policies by value and as a component, and the flows that they allow together."""
