"""What can go wrong, as a small tree.

    ArchlintError            a sentence for the user: what is wrong with which thing, and what to do
    ├── ReadError            a model file that could not be read
    ├── PageError            a rule page that is not a rule
    ├── QueryError           a SQL query that is refused, wrong or too expensive
    ├── UsageError           arguments that make no sense together, or name nothing
    ├── RemedyError          a remedy that does not fit a model; in `archlint.remedies`
    ├── WriteError           a layer that Keras 3 has no form for; in `archlint.writers`
    ├── NetworkError         a network that Keras will not build or train; in `archlint.lab`
    └── FindingsError        findings that the caller asked not to pass over; in `archlint.api`, as it has the report

Nothing else may leave the package: whatever a parser raises is turned into one of these where it is called.

    ArchitectureWarning      not an error: what `archlint.keras.Guard` tells of and lets pass
"""


class ArchlintError(Exception):
    """Base of all errors that archlint raises; its text is one clear sentence."""


class ReadError(ArchlintError):
    """A file that is no readable model: damaged, of another kind, or too large to be honest."""


class PageError(ArchlintError):
    """A rule page that cannot be used."""


class QueryError(ArchlintError):
    """A query that the sandbox refuses or that does not compile or end."""


class UsageError(ArchlintError):
    """Arguments that name nothing or contradict each other."""


class ArchitectureWarning(UserWarning):
    """A fault in the architecture of a model that is about to be trained."""
