"""Objects of the Kubernetes Gateway API against their own schema."""
