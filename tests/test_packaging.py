"""The package: what is installed is all that the program needs, and what it says of itself is true."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import hl7bridge
from hl7bridge.mapping.spec import MAPPING_FORMAT
from hl7bridge.shipped import read_shipped, read_shipped_mappings
from hl7bridge.storage.database import schema_version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
SHIPPED_MAPPINGS = "hl7bridge.shipped.mappings"


def test_every_package_of_the_source_is_installed():
    """A folder that pyproject.toml does not list works here and is missing in a wheel."""
    here = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "hl7bridge").rglob("__init__.py")}
    assert set(SETUPTOOLS["packages"]) == here | {SHIPPED_MAPPINGS}


def test_every_file_that_is_no_program_is_installed():
    """The files that `init` writes, and the mark that says that types are given."""
    data = SETUPTOOLS["package-data"]
    folders = {name: ROOT / SETUPTOOLS["package-dir"].get(name, name.replace(".", "/")) for name in data}
    installed = {path for name, patterns in data.items() for each in patterns for path in folders[name].glob(each)}
    others = {path for path in (ROOT / "hl7bridge").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert installed == others | set((ROOT / "mappings").iterdir())


def test_the_shipped_files_are_read_from_where_the_package_is():
    """By way of the import system, so from a wheel as well as from a checkout."""
    assert read_shipped("hl7bridge.toml") == (ROOT / "hl7bridge/shipped/hl7bridge.toml").read_text(encoding="utf-8")
    assert set(read_shipped_mappings()) == {path.name for path in (ROOT / "mappings").glob("*.toml")}
    assert resources.files("hl7bridge").joinpath("py.typed").is_file()


def test_the_version_is_said_in_one_way():
    """pyproject.toml, the package and the command agree, and the command tells of schema and mapping format too."""
    assert PROJECT["project"]["version"] == hl7bridge.__version__
    command = [sys.executable, "-m", "hl7bridge", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"hl7bridge {hl7bridge.__version__} (schema {schema_version()}, mapping format {MAPPING_FORMAT})\n"


def test_the_command_that_is_installed_is_the_one_that_is_tested():
    """The console script and ``python -m hl7bridge`` are one function."""
    assert PROJECT["project"]["scripts"] == {"hl7bridge": "hl7bridge.cli.main:main"}
    assert "from hl7bridge.cli.main import main" in (ROOT / "hl7bridge/__main__.py").read_text(encoding="utf-8")


REQUIREMENTS = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
# Newer ones are mended ones, and neither breaks its users with a number: rules of time zones, and of certificates.
ALWAYS_NEWEST = ("tzdata", "cryptography")


@pytest.mark.parametrize("requirement", [each for several in REQUIREMENTS for each in several])
def test_every_dependency_has_a_lowest_and_a_highest_version(requirement):
    """So that an installation next year is the one that was tested."""
    assert ">=" in requirement
    assert "<" in requirement or requirement.startswith(ALWAYS_NEWEST)


# Names that differ from their packages', or that a package brings as part of itself.
BROUGHT_BY = {
    "OpenSSL": "twisted",
    "zope": "twisted",
    "service_identity": "twisted",
    "pydantic_core": "pydantic",
    "phonenumbers": "phonenumberslite",
}


def imported_in(folder):
    """The top-level names that the files of a folder import, but for the standard library and this project."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    own = {"hl7bridge", "benchmarks"}
    for path in (ROOT / folder).rglob("*.py"):
        own |= {path.stem, path.parent.name}
    return {BROUGHT_BY.get(name, name) for name in found - own - set(sys.stdlib_module_names)}


def declared(requirements):
    return {re.match(r"[\w-]+", each)[0].replace("-", "_") for each in requirements}


def test_nothing_is_imported_that_is_not_a_declared_dependency():
    """What comes along with another package may be gone with its next version."""
    assert imported_in("hl7bridge") <= declared(PROJECT["project"]["dependencies"])
    assert imported_in("benchmarks") <= declared(PROJECT["project"]["dependencies"])


def test_the_tests_need_only_what_the_extra_named_test_installs():
    """Or the README's second command would stop at the first import on a fresh machine."""
    extra = PROJECT["project"]["optional-dependencies"]
    assert imported_in("tests") - declared(extra["fuzz"]) <= declared(
        [*PROJECT["project"]["dependencies"], *extra["test"]]
    )
    assert imported_in("tests") & declared(extra["fuzz"])  # by the fuzzer's own program, which no test imports


def test_the_licence_is_the_one_that_is_declared():
    """Apache-2.0, whole, in the file that goes into the wheel."""
    assert PROJECT["project"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_help_and_version_do_not_wait_for_what_they_do_not_need():
    """A person who asks for help does not load Twisted, hl7apy or the database."""
    script = (
        "import sys; from hl7bridge.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = set(said.splitlines()[-1].split())
    assert loaded.isdisjoint({"twisted", "hl7apy", "sqlcipher3", "pydantic", "hl7", "rich"})
