"""Subscriptions as state: a picture, then every change that is, or was, in view; nothing missing, nothing twice."""
