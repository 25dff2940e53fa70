"""What a stack refuses before anything is made."""


class Refused(Exception):
    """A stack that cannot be right: one line that names the field, the limit and the way out."""
