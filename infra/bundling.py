"""What goes into the functions' zips, made here without Docker.

`lambda`: our packages and wheels for arm64 and Python 3.14, whatever this machine is. `source`: our packages only, for
an emulator whose interpreter has the libraries. `stub`: a folder with a note, for templates alone.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from infra.bundles import BUNDLES, LEFT_OUT, RUN, SHARED

ROOT: Final = Path(__file__).resolve().parent.parent
STUB: Final = ROOT / "infra" / "stub"
MODES: Final = ("lambda", "source", "stub")
#: Lambda's limit on a function unpacked is 250 MB; the tests hold the classifier below this.
MAX_UNPACKED_MB: Final = 240
PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux2014_aarch64")
PYTHON_VERSION: Final = "3.14"


def code(bundle: str, mode: str) -> lambda_.Code:
    """The asset of a bundle."""
    if mode not in MODES:
        raise ValueError(f"bundle mode {mode!r}: one of {', '.join(MODES)}")
    if mode == "stub":
        return lambda_.Code.from_asset(str(STUB))
    return lambda_.Code.from_asset(
        str(STUB),
        asset_hash_type=cdk.AssetHashType.CUSTOM,
        asset_hash=content_hash(bundle, mode),
        bundling=cdk.BundlingOptions(image=cdk.DockerImage.from_registry("none"), local=LocalBundling(bundle, mode)),
    )


@jsii.implements(cdk.ILocalBundling)
class LocalBundling:
    """Fills CDK's output folder; never lets it fall back to Docker."""

    def __init__(self, bundle: str, mode: str) -> None:
        self._bundle = bundle
        self._mode = mode

    def try_bundle(self, output_dir: str, *, image: object = None, **options: object) -> bool:
        """CDK's hook."""
        fill(Path(output_dir), self._bundle, self._mode)
        return True


def fill(folder: Path, bundle: str, mode: str) -> None:
    """Put a bundle's files into a folder."""
    _copy(folder, bundle)
    if mode == "lambda":
        _install(folder, BUNDLES[bundle].libraries)


def _copy(folder: Path, bundle: str) -> None:
    """What is ours."""
    for package in SHARED + BUNDLES[bundle].packages:
        ignore = shutil.ignore_patterns(*LEFT_OUT, *(("*.onnx",) if bundle == "api" else ()))
        shutil.copytree(ROOT / package, folder / package, ignore=ignore, dirs_exist_ok=True)
        for parent in Path(package).parents:
            if parent != Path("."):
                (folder / parent / "__init__.py").touch()
    if bundle == "api":
        (folder / "run.sh").write_text(RUN)
        (folder / "run.sh").chmod(0o755)
        dashboard = ROOT / "web" / "dist"
        if dashboard.is_dir():
            shutil.copytree(dashboard, folder / "web" / "dist", dirs_exist_ok=True)


def _install(folder: Path, libraries: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    command += ["--only-binary=:all:", "--python-version", PYTHON_VERSION, "--implementation", "cp"]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    command += ["--constraint", str(ROOT / "constraints.txt"), *wheels_only(libraries)]
    subprocess.run(command, check=True)
    pure = [name for name in libraries if name in SOURCE_ONLY]
    if pure:
        pins = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*command[:5], "--no-deps", "--target", str(folder), *pins, *pure], check=True)
    for leftover in ("bin", "__pycache__"):
        shutil.rmtree(folder / leftover, ignore_errors=True)


#: Libraries that come as source only; they hold no native code.
SOURCE_ONLY: Final = frozenset({"aws-kinesis-agg", "feedparser-sgmllib"})


def wheels_only(libraries: tuple[str, ...]) -> list[str]:
    """Libraries that have wheels."""
    return [name for name in libraries if name not in SOURCE_ONLY]


def content_hash(bundle: str, mode: str) -> str:
    """What the zip depends on: our files as they are put into it, the libraries and their pins."""
    digest = hashlib.sha256(f"{bundle} {mode} {PYTHON_VERSION} {PLATFORMS} {BUNDLES[bundle].libraries}".encode())
    digest.update((ROOT / "constraints.txt").read_bytes())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy(folder, bundle)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def unpacked_mb(folder: Path) -> float:
    """Size of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
