"""What rules can ask: the analyses of a model as tables. `schema.sql` is the manual."""

from archlint.facts.store import absent, build, schema

__all__ = ["absent", "build", "schema"]
