"""The program, whose demo fills in two hours instead of twenty-four: scoring a whole day is not what the pages show."""

import local.demo
from contracts.resolution import HOUR_MS

if __name__ == "__main__":
    local.demo.BACKFILL_MS = 2 * HOUR_MS  # type: ignore[misc]
    from ops.cli import main

    main()
