"""The real Pulumi engine on a real Kubernetes API server: a language host, a provider plugin, and the tests that drive them."""
