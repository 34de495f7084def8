"""What acts on those who show it, or is not seen; of characters, each is a part of a regular expression's `[…]`."""

CONTROL = "\x00-\x1f\x7f-\x9f"
"""C0, DEL, C1."""

UNSEEN = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
"""Without width or form, breaking lines, or turning the direction of what follows; the last are a second ASCII."""

HALVES = "\ud800-\udfff"
"""Lone surrogates, which no output encoding can carry."""

ORDER = r"##(?=[\w.]*\[)"
"""A regular expression for what begins an order to the runner of a CI wherever it stands in a log: `##[` to GitHub's,
`##vso[` to Azure's, `##teamcity[` to TeamCity's."""
