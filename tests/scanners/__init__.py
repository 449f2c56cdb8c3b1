"""Public scanners over the rendered manifests, and what of theirs is suppressed, each with its reason."""
