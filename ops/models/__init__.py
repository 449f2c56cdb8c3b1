"""Model versions from the operators' side: made, published, looked at, promoted and cleared away."""
