"""From the neutral model back to what a library builds networks from: plain dicts, no library needed."""
