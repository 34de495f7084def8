"""Characters that are not seen, or act on what shows them; each is a part of a regular expression's `[…]`."""

CONTROL = "\x00-\x1f\x7f-\x9f"
"""C0, DEL, C1."""

UNSEEN = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Without width or form, breaking lines, or turning the direction of what follows; the last are a second ASCII."""

HALVES = "\ud800-\udfff"
"""Lone surrogates, which no output encoding can carry."""
