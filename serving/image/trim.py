"""The image build's trimming: deletes what the running container never reads, so that less is pulled and attacked.

`packages` works on the installed libraries and `system` on Python and Debian. Runs inside the build's stages alone, as
a program without imports of the project; `serving.image.check` then proves that what is left still works.
"""

from __future__ import annotations

import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

MIB = 1024**2

# Under site-packages. Each pattern has to match something: a library that moved its files is noticed at the build.
UNUSED = {
    "numpy/**/tests": "its own tests",
    "numpy/f2py": "compiles Fortran",
    "numpy/distutils": "compiles extensions",
    "numpy/_core/include": "headers for extensions",
    "numpy/_core/lib/*.a": "libraries for extensions",
    "numpy/random/lib/*.a": "libraries for extensions",
    "onnxruntime/capi/libonnxruntime.so.*": "for programs in C++: the Python module has all of it inside itself",
    "onnxruntime/transformers": "converts and optimises language models before they are served",
    "onnxruntime/quantization": "quantises models before they are served",
    "onnxruntime/tools": "converts models for phones",
    "onnxruntime/datasets": "example models",
    "onnxruntime/backend": "runs the ONNX project's tests",
    "boto3/data": "descriptions for boto3.resource(), which the container does not call",
    "boto3/examples": "text for the generated documentation",
    "botocore/data/*/*/examples-1.json*": "text for the generated documentation",
}
# Sources and declarations that compilers and type checkers read, and no interpreter.
UNREAD_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".c", ".cpp", ".h", ".hpp"})

# Those that the container calls (S3, DynamoDB), and those that botocore calls for credentials, whichever way they come.
SERVICES = frozenset({"s3", "dynamodb", "sts", "sso", "sso-oidc", "signin"})

# Python's own library: what installs, edits or draws. Its test suite is not in the base image.
UNUSED_PYTHON = (
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "config-*",
    "site-packages/*",
)
# Modules that need a Debian library which goes, below: databases, terminals and NIS.
UNUSED_MODULES = ("_sqlite3", "_dbm", "_gdbm", "_curses", "_curses_panel", "readline", "nis", "_tkinter")

# Debian's packages that stay: the C and C++ libraries that Python and the wheels load, and certificates. All others go,
# the shell, the package manager and every program with the set-user-ID bit among them.
KEPT_DEBIAN = frozenset(
    {
        "base-files",
        "ca-certificates",
        "gcc-12-base",
        "libbz2-1.0",
        "libc-bin",
        "libc6",
        "libcrypt1",
        "libffi8",
        "libgcc-s1",
        "liblzma5",
        "libssl3",
        "libstdc++6",
        "libuuid1",
        "netbase",
        "openssl",
        "zlib1g",
    }
)
# Written by the base image's build and owned by no package.
UNUSED_SYSTEM = (
    "etc/rc?.d",
    "etc/systemd",
    "root/.[!.]*",
    "tmp/*",
    "var/cache/apt",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/lib/apt",
    "var/lib/pam",
    "var/lib/systemd",
    "var/log/*",
)

DATABASE = Path("var/lib/dpkg")


class NothingMatched(Exception):
    """A pattern of this list fits no file any more."""


def trim_packages(site_packages: Path) -> None:
    """Delete what the container's libraries have for other uses than serving."""
    for pattern in UNUSED:
        matched = list(site_packages.glob(pattern))
        if not matched:
            raise NothingMatched(
                f"{pattern} matches nothing in {site_packages}: take it out of the list, or correct it"
            )
        delete(matched)
    data = site_packages / "botocore" / "data"
    delete(path for path in data.iterdir() if path.is_dir() and path.name not in SERVICES)
    delete(path for path in files(site_packages) if path.suffix in UNREAD_SUFFIXES)
    # The libraries' own commands.
    delete(path for path in (site_packages.parents[2] / "bin").iterdir() if not path.name.startswith("python"))


def trim_system(root: Path, library: Path) -> None:
    """Delete the parts of Python and Debian that serving has no use for; `library` is where `os.py` lies."""
    for pattern in UNUSED_PYTHON:
        delete(library.glob(pattern))
    for module in UNUSED_MODULES:
        delete(library.glob(f"lib-dynload/{module}.*.so"))
    prefix = library.parents[1]
    delete(path for path in (prefix / "bin").iterdir() if not path.name.startswith("python") or "config" in path.name)
    delete(prefix / name for name in ("include", "share", "lib/pkgconfig"))
    remove_debian_packages(root, KEPT_DEBIAN)
    for pattern in UNUSED_SYSTEM:
        delete(root.glob(pattern))
    drop_raised_rights(root)


def remove_debian_packages(root: Path, kept: frozenset[str]) -> None:
    """Delete the files of all packages but these, and their entries, so that a scanner sees what is there."""
    status = root / DATABASE / "status"
    entries = [entry for entry in status.read_text().split("\n\n") if entry.strip()]
    names = {entry: _field(entry, "Package") for entry in entries}
    missing = kept - set(names.values())
    if missing:
        raise NothingMatched(f"the base image has no package {', '.join(sorted(missing))}: is it still Debian 12?")

    listed = {path: path.name.removesuffix(".list").partition(":")[0] for path in _lists(root)}
    staying = {line for path, name in listed.items() if name in kept for line in path.read_text().splitlines()}
    going = {line for path, name in listed.items() if name not in kept for line in path.read_text().splitlines()}
    paths = [root / line.lstrip("/") for line in going - staying if line not in ("/.", "")]
    delete(path for path in paths if path.is_symlink() or not path.is_dir())
    for path in sorted(paths, key=lambda path: -len(path.parts)):
        # Asked anew for each: /lib is a link to /usr/lib, and packages name some directories both ways.
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    # The names that Debian gives to one of several programs for the same job.
    for directory in (root / "etc" / "alternatives", root / "usr" / "bin", root / "usr" / "sbin"):
        if directory.is_dir():
            delete(path for path in directory.iterdir() if path.is_symlink() and not path.exists())

    delete(path for path in (root / DATABASE / "info").iterdir() if _package_of(path) not in kept)
    status.write_text("".join(f"{entry.strip()}\n\n" for entry in entries if names[entry] in kept))


def drop_raised_rights(root: Path) -> None:
    """Take the set-user-ID and set-group-ID bits off what is left, should a package that stays come to bring one."""
    raised = stat.S_ISUID | stat.S_ISGID
    for path in files(root):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & raised:
            path.chmod(stat.S_IMODE(mode) & ~raised)


def files(directory: Path) -> Iterator[Path]:
    """All below it but directories, not going through links nor into what the build has mounted."""
    device = directory.lstat().st_dev
    for path in list(directory.iterdir()):
        if path.is_symlink() or not path.is_dir():
            yield path
        elif path.lstat().st_dev == device:
            yield from files(path)


def delete(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def size_mib(directory: Path) -> float:
    return sum(path.lstat().st_size for path in files(directory)) / MIB


def _lists(root: Path) -> list[Path]:
    return list((root / DATABASE / "info").glob("*.list"))


def _package_of(path: Path) -> str:
    """The package that a file of the database's `info` tells of: it begins `name.` or `name:architecture.`."""
    return path.stem.partition(":")[0]


def _field(entry: str, name: str) -> str:
    return next(line.partition(": ")[2] for line in entry.splitlines() if line.startswith(f"{name}: "))


def main(what: str) -> int:
    root = Path("/")
    before = size_mib(root)
    if what == "packages":
        trim_packages(Path(sysconfig.get_path("purelib")))
    elif what == "system":
        trim_system(root, Path(sysconfig.get_path("stdlib")))
    else:
        print(f"{what!r} is no part of the image: packages or system", file=sys.stderr)
        return 2
    print(f"trimmed {what}: {before:.1f} MiB are {size_mib(root):.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
