"""The text of an error for an operator: one line, and no password in it."""

import re

LONGEST = 500
PASSWORDS = re.compile(r"(://[^\s/@:]*:)[^\s/]*@|(\b(?:password|passwd|pwd|sslpassword)\s*=\s*)('[^']*'|\S+)", re.IGNORECASE)


def said(error: BaseException) -> str:
    """What an error of a store says of its address is useful to whoever runs it; its password is nobody's."""
    text = " ".join(str(error).split()) or type(error).__name__
    return PASSWORDS.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", text)[:LONGEST]
