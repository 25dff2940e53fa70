"""Clients that nobody here wrote, against the gateway as it runs."""
