"""What a command printed, without its line breaks."""


def unwrapped(printed: str) -> str:
    """Return `printed` with single spaces in place of line breaks and of continued commands."""
    return " ".join(printed.replace(" \\\n", "\n").split())
