"""Options: every fault at once with its cure, and only what an operator meant gets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.claims import every
from tests.unit.conftest import MINIMAL, MakeQueue
from tfce.config import misspelt
from tfce.config.declared import Option
from tfce.config.options import Queue, parse
from tfce.config.settings import OPTIONS
from tfce.model.errors import ConfigError
from tfce.model.proxy import ProxyRule


def faults(**options: object) -> dict[str, str]:
    """The faults of a queue with ``options``, by option."""
    try:
        parse("ce", "long", {**MINIMAL, **options}, Path("/dirac"), Path("/state"))
    except ConfigError as error:
        return {fault.option: str(fault) for fault in error.faults}
    return {}


def test_defaults_are_enough(make_queue: MakeQueue, tmp_path: Path) -> None:
    queue = make_queue()
    assert queue.access.auth_file == tmp_path / "dirac" / "etc" / "cloud.auth"
    assert queue.workspace.root == tmp_path / "root"
    assert queue.workspace.files == tmp_path / "root" / "workspaces"
    assert (queue.userdata.max_lifetime, queue.userdata.proxy_lifetime) == (1209600, ProxyRule())
    assert set(queue.values()) == {option.name for option in OPTIONS}
    assert (queue.endpoint.region, queue.endpoint.url, queue.label) == (
        "us-east-1",
        None,
        "cloud.example.org/long",
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_default_and_every_documented_example_works(option: Option) -> None:
    assert option in OPTIONS and option.help and option.example
    assert option.name not in faults(**{option.name: option.example})
    if not option.required and not option.default.startswith("<"):
        given = parse("c", "q", {**MINIMAL, option.name: option.default}, Path("/d"), Path("/s"))
        absent = parse("c", "q", MINIMAL, Path("/d"), Path("/s"))
        assert given.values()[option.name] == absent.values()[option.name]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(
            "ce",
            "long",
            {
                "CloudType": "EC3",
                "Instance_Image": " ",
                "Terraform_Paralelism": "5",
                "Context_MaxLifetime": "two weeks",
                "Driver_port": "http",
                "Workspace_Root": "$NOT_SET_ANYWHERE/x",
            },
            Path("/dirac"),
            Path("/state"),
        )
    names = [fault.option for fault in caught.value.faults]
    assert sorted(names) == [
        "CloudType",
        "Context_MaxLifetime",
        "Driver_port",
        "Instance_Flavor",
        "Instance_Image",
        "Terraform_Paralelism",
        "Workspace_Root",
    ]
    assert every(fault.problem and fault.cure for fault in caught.value.faults)
    assert every(name in caught.value.message for name in names)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("Context_MaxLifetime", "0"),
        ("Context_MaxLifetime", "-1"),
        ("Context_MaxLifetime", "1e6"),
        ("Context_MaxLifetime", "3 days"),
        ("Context_ProxyLifetime", "0"),
        ("Terraform_Parallelism", "0"),
        ("Terraform_Parallelism", "ten"),
        ("Terraform_MaxRetries", "-1"),
        ("Terraform_RootVolume", "4.5"),
        ("Terraform_MaxProcesses", "0"),
        ("Workspace_LockTimeout", "-1"),
        ("Workspace_ReapShare", "0"),
        ("Workspace_ReapShare", "1.01"),
        ("Workspace_ReapShare", "50%"),
        ("Workspace_ReapShare", "nan"),
        ("Workspace_ReapShare", "inf"),
        ("Terraform_Tags", "project"),
        ("Terraform_Tags", "=lz"),
        ("Terraform_Tags", "a=b, c"),
        ("CloudAuth", "etc/cloud.auth"),
        ("CloudAuth", "$NOT_SET_ANYWHERE/cloud.auth"),
        ("CloudAuth", "${NOT_SET_ANYWHERE}/cloud.auth"),
        ("CloudAuth", "~no-such-user-here/cloud.auth"),
        ("Terraform_Binary", "terraform"),
        ("Workspace_Files", "."),
        ("Driver_secure", "maybe"),
        ("Driver_port", "0"),
        ("Driver_timeout", "soon"),
        ("Terraform_Unknown", "x"),
        ("Workspace_root", "/x"),
        ("CloudType", "OPENSTACK9"),
        ("Instance_Flavor", ","),
    ],
)
def test_wrong_values_are_refused_by_name_value_and_cure(option: str, value: str) -> None:
    found = faults(**{option: value})
    assert list(found) == [option]
    assert found[option].startswith(f"{option} = {value}: ") and "; " in found[option]


@pytest.mark.parametrize("value", ["must", "names", "the must of names"])
def test_a_value_cannot_pass_for_an_explanation(value: str) -> None:
    assert "must be a whole number;" in faults(Terraform_Parallelism=value)["Terraform_Parallelism"]


def test_a_slip_of_the_pen_is_recognised() -> None:
    assert "did you mean Terraform_Parallelism?" in faults(Terraform_Paralelism="5")["Terraform_Paralelism"]
    assert (
        "docs/reference/options.md" in faults(Workspace_QQQQQQQQQQQQQQQQQQQQ="5")["Workspace_QQQQQQQQQQQQQQQQQQQQ"]
    )


def slips(name: str) -> set[str]:
    """What becomes of a name by one slip: of the case, of an underscore, of a letter."""
    places = range(len(name))
    found = {name.lower(), name.upper(), name.swapcase(), name.replace("_", ""), name.replace("_", "-")}
    found |= {name[:n] + name[n + 1 :] for n in places}
    found |= {f"{name[:n]}e{name[n:]}" for n in places} | {f"{name[:n]}z{name[n + 1 :]}" for n in places}
    return (found | {name[:n] + name[n : n + 2][::-1] + name[n + 2 :] for n in places}) - {name}


@pytest.mark.parametrize("name", sorted({option.name for option in OPTIONS} - misspelt.DIRACS | {"Driver_region"}))
def test_a_name_that_is_nearly_an_options_is_said_with_the_right_one(name: str) -> None:
    known = {option.name for option in OPTIONS}
    some = {slip for slip in slips(name) if slip not in known}
    if name.startswith("Driver_"):
        some = {"driver_region", "DRIVER_region"}
    found = {fault.option: str(fault) for fault in misspelt.faults(dict.fromkeys(some, "hush"))}
    assert every("did you mean " in found.get(slip, "") for slip in some)
    assert every(name != "Driver_region" or "hush" not in text for text in found.values())


# What DIRAC 8.0 and 9.1 read of a CE or a queue, or put there, beside what is tfce's, too.
DIRACS = """
Account AlwaysIncludeProxy Architecture AsyncSubmission BatchSystem BundleProxy CE CEName CEQueueName CEType
CPUNormalizationFactor CPUTime ContainerRoot DIRACVersion ErrorTemplate ExecutableArea ExtraPilotOptions
GenericOptions GridCE GridEnv InfoArea InnerCESubmissionType JobListFile LocalCEType LocalSE MaxCPUTime MaxRAM
MaxNumberOfProcessors MemoryLimitMB MinNumberOfProcessors ModuleName MultiProcessorStrategy NumberOfGPUs
NumberOfNodes NumberOfProcessors OS OutputTemplate OutputURL Pilot PilotRunDirectory Platform Port Preamble
Queue QueueName RequiredTag SI00 SSHHost SSHKey SSHUser Setup SharedArea Site SiteName SubmissionMode Tag
Timeout UserEnvVariables VO VirtualOrganization WaitingToRunningRatio WholeNode WorkArea architecture maxCPUTime
wnTmpDir MaxTotalJobs MaxWaitingJobs maxTotalJobs UseLocalSchedd XRSLExtraString RESTVersion
"""


def test_no_name_of_diracs_is_taken_for_a_slip() -> None:
    assert list(misspelt.faults(dict.fromkeys(DIRACS.split(), "1"))) == []


@pytest.mark.parametrize("option", sorted({option.name for option in OPTIONS} - misspelt.DIRACS))
def test_quotes_around_a_value_are_said(option: str) -> None:
    """In DIRAC's configuration they are part of the value: no VM would have such a flavor, package or folder."""
    for mark in "\"'":
        assert "take" in faults(**{option: f"{mark}x{mark}"})[option]


@pytest.mark.parametrize(
    ("option", "given", "read"),
    [
        ("Instance_Networks", " name:a b ", ("name:a b",)),
        ("Instance_Networks", ",,", ()),
        ("Context_ExtPackages", " gcc ,git,, make , ", ("gcc", "git", "make")),
        ("Context_ExtPackages", ["gcc", "git"], ("gcc", "git")),
        ("Terraform_SecurityGroups", "sg-1\t,\tname:my group", ("sg-1", "name:my group")),
        ("Terraform_Tags", "a = b=c , d=", {"a": "b=c", "d": ""}),
        ("Terraform_Tags", "", {}),
        ("Context_MaxLifetime", 60, 60),
        ("Context_ProxyLifetime", " 3600 ", ProxyRule(3600, True)),
        ("Context_ProxyLifetime", "None", ProxyRule(None, True)),
        ("Context_ProxyLifetime", "", ProxyRule(1209600, False)),
        ("Terraform_RootVolume", "0", 0),
        ("Workspace_ReapShare", "1", 1.0),
        ("Instance_Image", 'name:debian 12, "stable" ${x} %', 'name:debian 12, "stable" ${x} %'),
        ("Terraform_AvailabilityZone", "", ()),
        ("Terraform_AvailabilityZone", "a, b", ("a", "b")),
        ("Instance_Flavor", "name:m5.large, name:m5a.large", ("name:m5.large", "name:m5a.large")),
    ],
)
def test_values_are_read_as_meant(option: str, given: object, read: object) -> None:
    assert parse("c", "q", {**MINIMAL, option: given}, Path("/d"), Path("/s")).values()[option] == read


def test_environment_variables_and_homes_expand_in_paths(
    make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE", "/srv/site")
    monkeypatch.setenv("HOME", "/home/dirac")
    assert make_queue(CloudAuth="$SITE/a").access.auth_file == Path("/srv/site/a")
    assert make_queue(CloudAuth="${SITE}_x/a").access.auth_file == Path("/srv/site_x/a")
    assert make_queue(CloudAuth="~/a").access.auth_file == Path("/home/dirac/a")


def test_workspace_files_follow_the_root(make_queue: MakeQueue) -> None:
    assert make_queue(Workspace_Root="/w").workspace.files == Path("/w/workspaces")
    assert make_queue(Workspace_Root="/w", Workspace_Files="/git").workspace.files == Path("/git")


@pytest.mark.parametrize(
    ("options", "region"),
    [
        ({"CloudType": "EC2"}, "us-east-1"),
        ({"CloudType": "ec2"}, "us-east-1"),
        ({"CloudType": "EC2_EU_WEST2"}, "eu-west-2"),
        ({"CloudType": "EC2", "Driver_region": "eu-central-1"}, "eu-central-1"),
        ({"CloudType": "EC2_EU_WEST", "Driver_region": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_regions(make_queue: MakeQueue, options: dict[str, str], region: str) -> None:
    assert make_queue(**options).endpoint.region == region
    assert make_queue(**options).endpoint.cloud == "EC2"


def test_a_region_of_today_is_known_and_one_that_nobody_knows_wants_a_host(make_queue: MakeQueue) -> None:
    for region in ("eu-central-2", "il-central-1", "me-central-1"):
        assert make_queue(CloudType="EC2", Driver_region=region).endpoint.region == region
    assert "Driver_host" in faults(CloudType="EC2", Driver_region="mars-north-1")["Driver_region"]
    assert make_queue(CloudType="EC2", Driver_region="own", Driver_host="h").endpoint.region == "own"


def test_two_regions_contradict() -> None:
    assert "us-west-1" in faults(CloudType="EC2_US_WEST", Driver_region="eu-west-1")["Driver_region"]


@pytest.mark.parametrize(
    ("driver", "endpoint"),
    [
        ({}, None),
        ({"Driver_port": "5000"}, None),
        ({"Driver_host": "h"}, "https://h"),
        ({"Driver_host": "h", "Driver_port": "8773", "Driver_secure": "False"}, "http://h:8773"),
        ({"Driver_host": "h", "Driver_secure": "false"}, "http://h"),
        (
            {"Driver_host": "h", "Driver_secure": "no", "Driver_path": "/services/Cloud/"},
            "http://h/services/Cloud",
        ),
        ({"Driver_host": "h", "Driver_secure": "True"}, "https://h"),
        ({"Driver_host": ""}, None),
        ({"Driver_host": "h", "Driver_port": "1", "Driver_path": "services/Cloud"}, "https://h:1/services/Cloud"),
        ({"Driver_host": "h", "Driver_path": "/"}, "https://h"),
        ({"Driver_host": "::1", "Driver_port": "1"}, "https://[::1]:1"),
        ({"Driver_host": "[fd00:EC2::254]"}, "https://[fd00:ec2::254]"),
        ({"Driver_host": "192.0.2.1"}, "https://192.0.2.1"),
        ({"Driver_host": "ec2_api.b\u00fccher.example.org."}, "https://ec2_api.b\u00fccher.example.org."),
    ],
)
def test_endpoints(make_queue: MakeQueue, driver: dict[str, str], endpoint: str | None) -> None:
    assert make_queue(**driver).endpoint.url == endpoint


@pytest.mark.parametrize(
    "host",
    [
        "https://h",
        "http://h:8773/services/Cloud/",
        "h:8773",
        "h/services/Cloud",
        "h..org",
        ".h",
        "a b",
        "h?x",
        "[::1",
        "::1:8773/",
        "[::1]:8773",
        "h" * 64,
        "$EC2_HOST",
    ],
)
def test_a_host_is_a_host_alone(host: str) -> None:
    """What else is in it would meet a port, and be another address."""
    found = faults(Driver_host=host)
    assert list(found) == ["Driver_host"] and "Driver_port and Driver_path" in found["Driver_host"]


@pytest.mark.parametrize("path", ["/a b", "/a?x=1", "/a#b", "http://h/a"])
def test_a_path_is_a_path_alone(path: str) -> None:
    assert "/services/Cloud" in faults(Driver_host="h", Driver_path=path)["Driver_path"]


@pytest.mark.parametrize("option", ["auth", "base", "image", "network"])
@pytest.mark.parametrize(
    "value",
    [
        "keystone.example.org:5000",
        "127.0.0.1:5000/v3",
        "ftp://h",
        "https://h:99999/v3",
        "http://::1:5000/v3",
        "https://h/v3?a=b",
        "https:///v3",
        "//h/v3",
        '"http://h"x',
    ],
)
def test_a_url_is_a_url(option: str, value: str) -> None:
    name = f"Driver_ex_force_{option}_url"
    given = {"Driver_ex_force_auth_url": "https://h/v3", "Driver_ex_tenant_name": "t", name: value}
    found = faults(CloudType="OPENSTACK", **given)
    assert list(found) == [name] and "such as https://" in found[name]


@pytest.mark.parametrize(
    "value", ["https://h", "http://[::1]:5000/v3/", "https://h.example.org/identity/v3/auth/tokens"]
)
def test_urls_that_are_some(make_queue: MakeQueue, value: str) -> None:
    made = make_queue(CloudType="OPENSTACK", Driver_ex_force_auth_url=value, Driver_ex_tenant_name="t")
    assert made.endpoint.driver["ex_force_auth_url"] == value


def test_what_a_class_of_one_s_own_calls_host_and_path_is_its_own_affair(make_queue: MakeQueue) -> None:
    driver = make_queue(CloudType="mine.Driver", Driver_host="unix:/run/cloud", Driver_path="a b").endpoint.driver
    assert driver == {"host": "unix:/run/cloud", "path": "a b"}


def test_driver_options_have_types(make_queue: MakeQueue) -> None:
    driver = make_queue(Driver_secure="False", Driver_port="80", Driver_anything="False").endpoint.driver
    assert driver == {"secure": False, "port": 80, "anything": "False"}


@pytest.mark.parametrize(("words", "read"), [("yes Y true T on 1", True), ("no N False f OFF 0", False)])
def test_flags_are_read_in_all_of_diracs_spellings(make_queue: MakeQueue, words: str, read: bool) -> None:
    assert every(make_queue(Driver_secure=word).endpoint.driver["secure"] is read for word in words.split())


def test_homes_differ_where_clouds_differ(make_queue: MakeQueue) -> None:
    homes = {
        make_queue().endpoint.home,
        make_queue(CloudType="EC2_EU_WEST").endpoint.home,
        make_queue(Driver_host="a").endpoint.home,
        make_queue(Driver_host="a", Driver_port="1").endpoint.home,
        make_queue(Driver_host="a", Driver_secure="no").endpoint.home,
    }
    assert len(homes) == 5


@pytest.mark.parametrize(("ce", "name"), [("", "q"), ("ce", ""), ("", ""), ("ce", " ")])
def test_ce_and_queue_need_names(ce: str, name: str) -> None:
    with pytest.raises(ConfigError, match="CE and queue need a name"):
        parse(ce, name, MINIMAL, Path("/d"), Path("/s"))


@pytest.mark.parametrize("name", ["a\nb", "q\x1b[31m", "\ud800", "\u202eq", "q" * 256])
def test_names_that_no_tag_can_bear_are_refused(name: str) -> None:
    for ce, queue in (("ce", name), (name, "q")):
        with pytest.raises(ConfigError, match="rename the CE or the queue") as caught:
            parse(ce, queue, MINIMAL, Path("/d"), Path("/s"))
        assert caught.value.message.isprintable()
    assert parse("ce", "ünï ☃" + "é" * 250, MINIMAL, Path("/d"), Path("/s")).name


def test_a_token_shows_nowhere(make_queue: MakeQueue) -> None:
    queue = make_queue(Driver_token="hush-hush")
    assert queue.endpoint.driver["token"] == "hush-hush"
    assert "hush" not in f"{queue!r} {queue} {queue.endpoint.home} {queue.label}"
    with pytest.raises(ConfigError) as caught:
        make_queue(Driver_token="hush-hush", Terraform_X="1", Driver_port="x")
    assert "hush" not in caught.value.message


def test_what_is_not_ours_is_let_alone(make_queue: MakeQueue) -> None:
    queue: Queue = make_queue(CPUTime="1440", SubmitPool="x", terraform_x="y", Instance_Other="z")
    assert "CPUTime" not in queue.values()


@pytest.mark.parametrize(
    ("said", "lifetime", "holds"), [("", 1000, 100), ("", 1209600, 86400), ("0", 1000, 0), ("70", 1000, 70)]
)
def test_the_drain_margin_is_a_tenth_of_the_lifetime_and_at_most_a_day(
    make_queue: MakeQueue, said: str, lifetime: int, holds: int
) -> None:
    queue = make_queue(Context_DrainMargin=said, Context_MaxLifetime=lifetime)
    assert queue.userdata.margin == holds


def test_a_margin_that_leaves_no_time_for_a_job_is_refused() -> None:
    assert "live 900 s" in faults(Context_DrainMargin="900", Context_MaxLifetime="1000")["Context_DrainMargin"]
    assert not faults(Context_DrainMargin="899", Context_MaxLifetime="1000")


@pytest.mark.parametrize(("said", "minutes"), [("1440", 1440), ("1440.0", 1440), ("0", None), ("a day", None)])
def test_diracs_own_option_is_never_refused(make_queue: MakeQueue, said: str, minutes: int | None) -> None:
    assert make_queue(maxCPUTime=said).limits.cpu_minutes == minutes
