"""Numbers as people read them. Pure: standard library only."""


def counted(number: int, one: str, more: str = "") -> str:
    """``1 pilot``, ``2 pilots``; ``more``: where a word's plural is not made with an s."""
    return f"{number} {one if number == 1 else more or one + 's'}"
