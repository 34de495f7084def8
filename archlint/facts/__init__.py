"""What rules can ask: the analyses of a model as tables. `schema.sql` is the manual."""

from archlint.facts.store import Facts, build, schema

__all__ = ["Facts", "build", "schema"]
