"""Test with the newest versions of all packages, ignoring upper bounds, and name the versions that break the tests.

`make newest` runs it. It resolves the project's requirements without upper bounds, installs the result in a separate
environment, runs the tests there, and repeats failing tests with one package at a time reset to its locked version,
which it keeps if any of them passes then.
It prints which bounds are needed, which are unnecessary, and which are missing.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parent.parent
ENVIRONMENT = PROJECT / ".venv-newest"
PYTHON = ENVIRONMENT / "bin" / "python"
UPPER = ("<", "<=", "==", "~=")
MOST_REPEATED = 5
"""Maximum number of failing tests to try a package with."""
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def main() -> int:
    """Print the results. Returns 1 if tests fail with the newest versions."""
    locked, newest = pins((PROJECT / "requirements.lock").read_text()), pins(resolved_without_bounds())
    changed = {name: version for name, version in newest.items() if locked.get(name, version) != version}
    for name, version in changed.items():
        say(f"{name} {locked[name]} -> {version}")
    if not changed:
        say("the lock has the newest version of everything")
        return 0
    install(f"{name}=={version}" for name, version in newest.items())
    failing = failing_tests([])
    if not failing:
        say("all tests pass with the newest versions", *needless(changed))
        return 0
    say("these tests fail with the newest versions:", *failing)
    unexplained = explained(failing, {name: (locked[name], version) for name, version in changed.items()})
    if unexplained:
        say("no single version breaks these: several together do, or the tests are unstable", *unexplained)
    return 1


def explained(failing: list[str], changed: Mapping[str, tuple[str, str]]) -> list[str]:
    """Print the packages that break tests, one after another. Returns the tests that no package explains.

    A package found stays at its locked version while the others are tried, since it may hide what they break.

    Args:
        failing: the tests that fail with all of the newest versions.
        changed: the locked and the newest version of each package that has a newer one.
    """
    while failing and (culprit := first_to_blame(changed, failing[:MOST_REPEATED])):
        locked, newest = changed[culprit]
        changed = {name: versions for name, versions in changed.items() if name != culprit}
        install([f"{culprit}=={locked}"])
        left = failing_tests(failing)
        say(f"{culprit} {newest}: {verdict(culprit)}. It breaks", *(one for one in failing if one not in left))
        failing = left
    return failing


def first_to_blame(changed: Mapping[str, tuple[str, str]], failing: list[str]) -> str:
    """The first package whose locked version makes any of these tests pass; empty if none does."""
    return next((name for name, versions in changed.items() if breaks(name, *versions, failing)), "")


def bounds() -> dict[str, Requirement]:
    """The requirements of pyproject.toml that have an upper bound, by package."""
    return {one.name: one for one in requirements() if any(part.operator in UPPER for part in one.specifier)}


def requirements() -> list[Requirement]:
    """All requirements in pyproject.toml: of the project, its extras and the tests."""
    described = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    project = described["project"]
    groups = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        described["dependency-groups"]["dev"],
    ]
    return [Requirement(text) for group in groups for text in group]


def without_upper_bound(requirement: Requirement) -> str:
    """The requirement without its upper bounds."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    lower = ",".join(str(part) for part in requirement.specifier if part.operator not in UPPER)
    return f"{requirement.name}{extras}{lower}"


def resolved_without_bounds() -> str:
    """A lock of the newest compatible versions, in uv's format."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join(map(without_upper_bound, requirements())))
        wanted.flush()
        return uv("pip", "compile", "--upgrade", "--no-header", "--no-annotate", "--quiet", wanted.name)


def pins(lock: str) -> dict[str, str]:
    """Versions by package, for this version of Python."""
    lines = [Requirement(line) for line in lock.splitlines() if "==" in line]
    here = [one for one in lines if one.marker is None or one.marker.evaluate()]
    return {one.name: next(iter(one.specifier)).version for one in here}


def install(wanted: Iterable[str]) -> None:
    """Install these versions and the project into the separate environment."""
    if not PYTHON.exists():
        uv("venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT))
    uv("pip", "install", "--quiet", "--no-deps", "--python", str(PYTHON), *wanted, "--editable", str(PROJECT))


def failing_tests(chosen: Iterable[str]) -> list[str]:
    """The failing tests out of the chosen ones; out of all if none are chosen."""
    in_workers = ("--numprocesses", "3", "--dist", "loadfile", "--no-loadscope-reorder")
    words = [str(PYTHON), "-m", "pytest", "--quiet", *in_workers, *chosen]
    done = subprocess.run(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    failing = FAILED.findall(done.stdout)
    if done.returncode and not failing:
        sys.exit(f"the tests could not be run:\n{done.stdout[-4000:]}")
    return failing


def breaks(name: str, locked: str, newest: str, failing: list[str]) -> bool:
    """Whether any of the failing tests passes with a package at its locked version. It is then reset to the newest."""
    install([f"{name}=={locked}"])
    still = failing_tests(failing)
    install([f"{name}=={newest}"])
    return len(still) < len(failing)


def verdict(name: str) -> str:
    """What to do about a package that breaks the tests."""
    bound = bounds().get(name)
    return f"keep the bound {bound}" if bound else "give it an upper bound in pyproject.toml"


def needless(changed: Mapping[str, str]) -> list[str]:
    """Name the bounds that exclude versions with which the tests pass."""
    held = {name: one for name, one in bounds().items() if name in changed and changed[name] not in one.specifier}
    return [f"the bound {one} is needless: {changed[name]} passes too" for name, one in held.items()]


def uv(*words: str) -> str:
    """Run a uv command, which has to succeed, and return its output."""
    program = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    return subprocess.run([program, *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout


def say(*lines: str) -> None:
    """Print and flush, since the tests take minutes."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
