"""Why a container cannot start yet: the reason and the words that stand in its status, as a real kubelet's."""


class NotYet(Exception):
    """It is tried again later: something may appear (a Secret, an image)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason, self.message = reason, message


def misconfigured(message: str) -> NotYet:
    """What is declared cannot be carried out, or names what is not there."""
    return NotYet("CreateContainerConfigError", message)
