"""Whole stories on the deployed system: one bed for all of them, a stack for each app."""
