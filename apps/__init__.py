"""Domains to copy."""
