"""What a line needs and this machine does not have: named with the way out, never skipped in silence."""


class Missing(Exception):
    """The text says what to install or to set."""
