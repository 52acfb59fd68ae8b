"""A process that drives a mapping until it is killed; its handler writes what it handled to a file, unbuffered."""

from pathlib import Path

from tests.unit.local.line import Line, names_of


def drive_until_killed(folder: Path, handled: Path) -> None:
    line = Line(folder)
    with open(handled, "ab", buffering=0) as file:

        def answer(event):
            file.write(names_of(event).encode())

        line.answer = answer
        driver = line.driver(batch_size=7)
        while True:
            driver.step()
