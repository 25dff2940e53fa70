"""The cloud-agnostic heart: a domain, the flow that moves its events, and the promises providers keep."""
