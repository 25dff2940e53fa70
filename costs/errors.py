"""What can be wrong with what one is given here: one kind, whose text names the field, the limit and the way out."""


class Unusable(ValueError):
    """A workload or a setting that cannot be. `field` is its path, such as `scaled_object.lag_threshold`."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field
