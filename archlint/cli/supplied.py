"""What `--data` names, as a file: what a function returns is put into one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def supplied(data: Path | None, *, quiet: bool = False) -> Iterator[Path | None]:
    """The file with the data, for as long as the block lasts; for commands that were asked to run code.

    Raises:
        UsageError: the function that was named is not there, or fails.
    """
    from archlint.dataset.load import names_function

    if data is None or not names_function(data):
        yield data
        return
    from archlint.cli.trials import interruptible
    from archlint.lab.supply import supply

    if not quiet:
        sys.stderr.write(f"running {data} for the training data\n")
    with TemporaryDirectory(prefix="archlint-", ignore_cleanup_errors=True) as folder:
        with interruptible("nothing was checked"):
            path = supply(str(data), Path(folder))
        yield path
