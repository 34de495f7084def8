"""How many rules ask each fact, and which rules need one that no other rule asks.

    python benchmarks/facts_in_use.py

Rules are queries over facts because facts are shared. Where many rules need facts of their own, they would be better
off as code.
"""

from collections import Counter

from archlint.rules import load


def main() -> None:
    """Print both."""
    rules = load()
    asked = Counter(fact for rule in rules for fact in rule.needs)
    alone = {rule.code: own for rule in rules if (own := [fact for fact in rule.needs if asked[fact] == 1])}
    for code, facts in alone.items():
        print(f"{code}  {', '.join(facts)}")
    print(f"{len(asked)} facts in use; {len(alone)} of {len(rules)} rules need one that no other rule asks")


if __name__ == "__main__":
    main()
