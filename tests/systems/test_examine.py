"""What a published system lacks over there, and how to mend it.

The other environment is this interpreter without its site-packages: what is in it is what
the test puts there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lassbench.cli import run
from lassbench.errors import UsageError
from lassbench.records import Check
from lassbench.systems.examine import examine
from lassbench.systems.published import PUBLISHED
from tests.systems.standins import make, write

#: Modules of the other environment, as far as they are looked at.
MODULES = {
    "numpy.py": "",
    "soundfile.py": "",
    "torchaudio.py": "",
    "torchvision.py": "",
    "torch.py": """
        print('{"lassbench" is what it prints')

        class cuda:
            is_available = staticmethod(lambda: True)
            get_device_name = staticmethod(lambda: "NVIDIA H100")
        """,
    "huggingface_hub.py": """
        def try_to_load_from_cache(repo_id, filename):
            return f"/cache/{repo_id}/{filename}"
        """,
}


class There:
    """A whole environment of ``name``, its repository with one commit, and its weights."""

    def __init__(self, name: str, folder: Path) -> None:
        # Whatever Python the tests run in.
        self.published = replace(PUBLISHED[name], pythons=("3.8", "3.99"))
        self.site, self.given = folder / "site", make(name, folder)
        write(MODULES, self.site)
        for package, kept in self.published.packages.items():
            self.install(package, kept[0] if kept else "1.0")
        line = f'PYTHONPATH="{self.site}" exec "{sys.executable}" -S "$@"'
        (folder / "the python").write_text(f"#!/bin/sh\n{line}\n")
        (folder / "the python").chmod(0o755)
        self.python = str(folder / "the python")
        self.repo = Path(self.given["repo"])
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "all")

    def git(self, *words: str) -> str:
        me = ["-c", "user.name=a", "-c", "user.email=a@b"]
        line = ["git", "-C", str(self.repo), *me, *words]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()

    def install(self, package: str, version: str) -> None:
        folder = package.replace("-", "_")
        for old in self.site.glob(f"{folder}-*.dist-info"):
            shutil.rmtree(old)
        if version:
            text = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            write({f"{folder}-{version}.dist-info/METADATA": text}, self.site)

    def look(self, **more: str) -> list[Check]:
        return examine(self.published, python=self.python, options={**self.given, **more})

    def faults(self) -> list[Check]:
        return [check for check in self.look() if check.grade != "ok"]


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There("audiosep", tmp_path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_whole_environment_is_told_so(name: str, tmp_path: Path) -> None:
    there = There(name, tmp_path)
    checks = {check.name: check for check in there.look()}
    assert {check.grade for check in checks.values()} == {"ok"}, checks
    assert checks["python"].found.startswith(sys.version.split()[0])
    assert checks["device"].found == "NVIDIA H100"
    assert "torchlibrosa 0.1.0" in checks["packages"].found
    commit = there.git("rev-parse", "HEAD")
    assert checks["repo"].found == f"{there.repo}, commit {commit[:12]}"
    size = Path(there.given["checkpoint"]).stat().st_size
    assert checks["checkpoint"].found == f"{there.given['checkpoint']}, {size} bytes"
    there.repo.joinpath(there.published.repository_files[0]).write_text("edited")
    (edited,) = (check.found for check in there.look() if check.name == "repo")
    assert edited.endswith(", edited")


@pytest.mark.parametrize("pythons", [("3.8", "3.10"), ("3.99", "3.99")])
def test_a_python_that_the_packages_are_not_built_for_is_told(
    there: There, pythons: tuple[str, str]
) -> None:
    there.published = replace(there.published, pythons=pythons)
    (check,) = there.faults()
    assert (check.name, check.grade) == ("python", "warn")
    assert check.found.endswith(f"are built for Python {pythons[0]} to {pythons[1]}")
    assert check.fix == f"make an environment with Python {pythons[1]} for audiosep"


def test_missing_packages_are_named_with_the_command_that_installs_them(there: There) -> None:
    there.install("torchlibrosa", "")
    there.install("librosa", "")
    (check,) = there.faults()
    assert (check.name, check.grade) == ("packages", "fail")
    assert check.found == "not installed: torchlibrosa, librosa"
    assert check.fix == f"'{there.python}' -m pip install torchlibrosa==0.1.0 librosa"


@pytest.mark.parametrize(
    ("name", "version", "grade"),
    [
        ("audiosep", "4.28.1", ""),
        ("audiosep", "4.29.0", "warn"),
        ("audiosep", "4.31.0", "fail"),
        ("audiosep", "4.31.0.dev0", "fail"),
        ("audiosep", "5.0", "fail"),
        ("clapsep", "5.23.0", "warn"),
    ],
)
def test_other_versions_are_graded(name: str, version: str, grade: str, tmp_path: Path) -> None:
    there = There(name, tmp_path)
    there.install("transformers", version)
    assert [check.grade for check in there.faults()] == [grade] * bool(grade)
    for check in there.faults():
        assert check.name == "transformers" and check.found.startswith(version)
        assert check.fix.endswith("-m pip install transformers==4.30.2")
        assert grade != "fail" or "cannot load CLAP's weights" in check.found


def test_what_is_there_and_broken_is_told(there: There) -> None:
    write({"torchaudio.py": "raise OSError('undefined symbol')"}, there.site)
    write({"soundfile.py": "import nowhere"}, there.site)
    told = {check.name: (check.grade, check.found, check.fix) for check in there.faults()}
    again = f"'{there.python}' -m pip install --force-reinstall"
    assert told == {
        name: ("fail", f"cannot be imported: {why}", f"{again} {name}")
        for name, why in (
            ("torchaudio", "OSError: undefined symbol"),
            ("soundfile", "No module named 'nowhere'"),
        )
    }


def test_a_cpu_and_unfetched_tokenizers_are_warnings(there: There) -> None:
    write({"torch.py": "class cuda:\n    is_available = staticmethod(bool)"}, there.site)
    write({"huggingface_hub.py": "def try_to_load_from_cache(*_): pass"}, there.site)
    assert [(check.name, check.grade) for check in there.faults()] == [
        ("device", "warn"),
        ("tokenizers", "warn"),
    ]
    # A copy in the repository's folder, which the system finds first.
    (there.repo / "roberta-base").mkdir()
    assert [check.name for check in there.faults()] == ["device"]


def test_repository_and_files_are_looked_for(there: There) -> None:
    (there.repo / "models/base.py").unlink()
    Path(there.given["clap"]).unlink()
    of_repo, of_clap = there.faults()
    assert of_repo.found.startswith(f"{there.repo}: lacks models/base.py: ")
    assert of_repo.fix == "git clone https://github.com/Audio-AGI/AudioSep"
    assert of_clap.found == f"{there.given['clap']}: no such file: CLAP's weights"
    assert "--arg clap=PATH" in of_clap.fix and "huggingface.co" in of_clap.fix
    there.given = {}
    assert [(check.name, check.grade) for check in there.faults()] == [
        ("repo", "warn"),
        ("checkpoint", "warn"),
    ]
    (of_repo,) = (check for check in there.look(repo="nowhere") if check.name == "repo")
    assert of_repo.found.startswith(f"{Path.cwd() / 'nowhere'}: no such folder")
    with pytest.raises(UsageError, match="has no option 'clapp'"):
        there.look(clapp="x")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("#!/bin/sh\nsleep 1000 & sleep 1000", "did not answer in 0.5 s"),
        ("#!/bin/sh\necho no Python >&2; exit 3", "gave no answer: no Python"),
        ("#!/bin/sh\nexit 3", "gave no answer: exit code 3"),
        ("#!/bin/sh\necho '{\"lassbench\" no'", "gave no answer"),
        ('#!/bin/sh\necho \'{"lassbench": "ready"}\'', "gave no answer"),
        (
            '#!/bin/sh\necho \'{"lassbench": "ready", "python": "3.7.16"}\'',
            "3.7.16, which is too old",
        ),
        ("#!/nowhere/python", "does not start: No such file or directory"),
        ("", "does not start: Exec format error"),
        (None, "no such interpreter"),
    ],
)
def test_what_is_no_python_is_one_finding(content: str | None, told: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    if content is not None:
        python.write_text(content)
        python.chmod(0o755)
    limit_s = 0.5 if "did not" in told else 300.0
    checks = examine(PUBLISHED["audiosep"], python=str(python), options={}, timeout_s=limit_s)
    check, *others = checks
    assert (check.name, check.grade) == ("python", "fail") and told in check.found and check.fix
    assert [other.name for other in others] == ["repo", "checkpoint"]


def test_the_doctor_looks_at_a_system(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["doctor", "--system", "audiosep", "--python", there.python]
    for name, value in there.given.items():
        line += there.published.as_typed(name, value).split(" ", 1)
    assert run(line) == 0
    told = capsys.readouterr().out
    assert re.search(r"^ok +device +NVIDIA H100$", told, re.MULTILINE) and "to mend" not in told
    there.install("lightning", "")
    assert run(line) == 1
    told = capsys.readouterr().out
    assert "to mend: " in told and "pip install lightning==2.6.6" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--system", "audiosepp", "--python", "python3"], "did you mean 'audiosep'?"),
        (["--system", "audiosep"], "name its interpreter: --python"),
        (["--repo", "x"], "go with --system"),
        (["--python", "x"], "go with --system"),
        (["--system", "audiosep", "--python", "x", "--arg", "clap"], "--arg is NAME=VALUE"),
    ],
)
def test_the_doctor_refuses_what_makes_no_sense(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", *words]) == 2
    assert told in capsys.readouterr().err
