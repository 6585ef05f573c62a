"""The EC2 edge against answers that clouds really give, good and bad, from a server of our own."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.conftest import MakeQueue, serving
from tfce.cloud.api import Check, Cloud, Requirements
from tfce.cloud.ec2.session import Session
from tfce.cloud.factory import connect
from tfce.cloud.pool import AT_ONCE
from tfce.cloud.shape import Shape
from tfce.config.credentials import Credentials
from tfce.model.errors import CloudError
from tfce.model.pilot import Batch
from tfce.model.reasons import Kind, Reason
from tfce.model.vm import Owner, State

OWNER = Owner("site-1", "cloud.example.org", "long")
SECRET = "hush/secret+x"
XMLNS = ' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
SPELLINGS = [
    XMLNS,
    XMLNS.replace('15/"', '15"'),
    XMLNS.replace("2016-11-15", "2010-08-31"),
    XMLNS.replace('"', "'"),
    ' xmlns="urn:of-somebody"',
    "",
]


@dataclass
class Api:
    """What the server answers, request by request (the last answer stays), and what it was asked."""

    answers: list[tuple[int, str]] = field(default_factory=list)
    rule: Callable[[dict[str, str]], tuple[int, str] | None] = lambda query: None  # goes first
    slow: dict[str, float] = field(default_factory=dict)  # seconds, by InstanceId.1
    asked: list[dict[str, str]] = field(default_factory=list)
    after: str = ""  # Retry-After of every answer
    port: int = 0

    def say(self, *answers: str | tuple[int, str]) -> None:
        self.answers = [(200, one) if isinstance(one, str) else one for one in answers]

    def next(self, query: dict[str, str]) -> tuple[int, str]:
        self.asked.append(query)
        time.sleep(self.slow.get(query.get("InstanceId.1", ""), 0))
        said = self.rule(query)
        if said is not None:
            return said
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()

    class Ec2(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = made.next(
                {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            )
            self.send_response(status)
            if made.after:
                self.send_header("Retry-After", made.after)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, text = made.next({name: values[0] for name, values in parse_qs(body).items()})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

    with serving(Ec2) as made.port:
        yield made


@pytest.fixture
def cloud(make_queue: MakeQueue, api: Api) -> Cloud:
    driver = {"Driver_host": "127.0.0.1", "Driver_port": str(api.port), "Driver_secure": "no"}
    return connect(make_queue(**driver, Terraform_MaxRetries="0").endpoint, Credentials("AKIA", SECRET))


def instance(node_id: str, state: str = "running", reason: str = "", **tags: str) -> str:
    given = {**OWNER.tags(), "tfce:key": "0000000A", "Name": "n", **tags}
    items = "".join(f"<item><key>{name}</key><value>{value}</value></item>" for name, value in given.items())
    return (
        f"<item><instancesSet><item><instanceId>{node_id}</instanceId><imageId>ami-1</imageId>"
        f"<instanceState><code>16</code><name>{state}</name></instanceState><instanceType>t3.micro</instanceType>"
        f"<reason>{reason}</reason>"
        f"<launchTime>2026-01-31T12:00:00.000Z</launchTime><privateIpAddress>10.0.0.1</privateIpAddress>"
        f"<tagSet>{items}</tagSet></item></instancesSet></item>"
    )


def listing(*instances: str, xmlns: str = XMLNS, token: str = "") -> str:
    after = f"<nextToken>{token}</nextToken>" if token else ""
    name = "DescribeInstancesResponse"
    return f"<{name}{xmlns}><reservationSet>{''.join(instances)}</reservationSet>{after}</{name}>"


def fault(code: str, message: str, xmlns: str = "") -> str:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<Response{xmlns}><Errors>{error}</Errors><RequestID>1</RequestID></Response>"


@pytest.mark.parametrize("xmlns", SPELLINGS)
def test_a_list_is_read_however_the_cloud_spells_its_namespace(api: Api, cloud: Cloud, xmlns: str) -> None:
    api.say(listing(instance("i-1"), instance("i-2", "stopped"), xmlns=xmlns))
    nodes = {node.id: node for node in cloud.vms(OWNER)}
    assert {node_id: node.state for node_id, node in nodes.items()} == {"i-1": State.RUNNING, "i-2": State.STOPPED}
    assert nodes["i-1"].created is not None and nodes["i-1"].created.isoformat() == "2026-01-31T12:00:00+00:00"
    assert nodes["i-1"].tags["tfce:key"] == "0000000A"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("pending", State.BOOTING),
        ("running", State.RUNNING),
        ("stopping", State.RUNNING),
        ("stopped", State.STOPPED),
        ("shutting-down", State.DELETING),
        ("terminated", State.DELETED),
        ("hibernating", State.UNKNOWN),
    ],
)
def test_ec2s_words(api: Api, cloud: Cloud, word: str, state: State) -> None:
    api.say(listing(instance("i-1", word)))
    (node,) = cloud.vms(OWNER)
    assert (node.state, node.raw_state) == (state, word)


def test_all_pages_are_read_and_the_filter_is_on_every_one(api: Api, cloud: Cloud) -> None:
    api.say(listing(instance("i-1"), token="next"), listing(instance("i-2")))
    assert [node.id for node in cloud.vms(OWNER)] == ["i-1", "i-2"]
    assert api.asked[1]["NextToken"] == "next" and "NextToken" not in api.asked[0]
    for query in api.asked:
        assert (query["Filter.1.Name"], query["Filter.1.Value.1"]) == ("tag:tfce:ce", "cloud.example.org")
    assert cloud.calls == {"DescribeInstances": 2}


def test_a_page_that_fails_makes_the_whole_list_fail(api: Api, cloud: Cloud) -> None:
    api.say(listing(instance("i-1"), token="next"), (400, fault("InternalError", "later")))
    with pytest.raises(CloudError, match="InternalError"):
        cloud.vms(OWNER)


def test_a_cloud_that_ignores_filters_does_not_lend_us_strangers(api: Api, cloud: Cloud) -> None:
    stranger = instance("i-2", **{"tfce:queue": "other"})
    api.say(listing(instance("i-1"), stranger, instance("i-3", **{"tfce:key": "x"})))
    assert [node.id for node in cloud.vms(OWNER)] == ["i-1"]


def test_patterns_in_names_are_taken_literally(api: Api, cloud: Cloud) -> None:
    api.say(listing())
    cloud.vms(Owner("i", "c*", "q?\\"))
    assert (api.asked[0]["Filter.1.Value.1"], api.asked[0]["Filter.2.Value.1"]) == ("c\\*", "q\\?\\\\")


@pytest.mark.parametrize("xmlns", SPELLINGS)
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("AuthFailure", f"not able to validate {SECRET}", "authentication"),
        ("UnauthorizedOperation", "You are not authorized", "authentication"),
        ("RequestLimitExceeded", "Request limit exceeded.", "throttled"),
        ("InternalError", "An internal error has occurred", "unreachable"),
    ],
)
def test_a_clouds_reason_gets_through_without_the_secret(
    api: Api, cloud: Cloud, code: str, message: str, kind: str, xmlns: str
) -> None:
    api.say((400, fault(code, message, xmlns)))
    with pytest.raises(CloudError) as caught:
        cloud.vms(OWNER)
    assert caught.value.kind == kind and code in caught.value.message and SECRET not in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html>a captive portal</html>",
        "{}",
        "<DescribeInstancesResponse",
        (500, ""),
        (502, "<html/>"),
        (403, ""),
    ],
)
def test_what_is_no_answer_is_never_an_empty_list(api: Api, cloud: Cloud, answer: str | tuple[int, str]) -> None:
    api.say(answer)
    with pytest.raises(CloudError):
        cloud.vms(OWNER)


def test_a_closed_port_is_unreachable(make_queue: MakeQueue) -> None:
    queue = make_queue(Driver_host="127.0.0.1", Driver_port="9", Driver_secure="no")
    with pytest.raises(CloudError, match="does not answer") as caught:
        connect(queue.endpoint, Credentials("AKIA", SECRET)).vms(OWNER)
    assert caught.value.kind == "unreachable" and SECRET not in caught.value.message


@pytest.mark.parametrize("xmlns", SPELLINGS)
@pytest.mark.parametrize("code", ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"])
def test_a_vm_is_gone_only_when_the_cloud_says_so(api: Api, cloud: Cloud, code: str, xmlns: str) -> None:
    api.say((400, fault(code, "The instance ID 'i-1' does not exist", xmlns)))
    assert cloud.vm("i-1") is None


@pytest.mark.parametrize("answer", [listing(), listing(instance("i-2")), (400, fault("InternalError", "later"))])
def test_a_vm_is_not_gone_because_of_any_other_answer(
    api: Api, cloud: Cloud, answer: str | tuple[int, str]
) -> None:
    api.say(answer)
    with pytest.raises(CloudError):
        cloud.vm("i-1")


def terminated(*ids: str) -> str:
    items = "".join(f"<item><instanceId>{node_id}</instanceId></item>" for node_id in ids)
    return f"<TerminateInstancesResponse{XMLNS}><instancesSet>{items}</instancesSet></TerminateInstancesResponse>"


def test_vms_are_removed_in_batches(api: Api, cloud: Cloud) -> None:
    ids = [f"i-{number}" for number in range(150)]
    api.say(terminated(*ids))
    assert cloud.destroy(iter(ids)) == {} and cloud.calls == {"TerminateInstances": 2}
    assert sum(name.startswith("InstanceId") for query in api.asked for name in query) == 150


def test_after_a_refusal_each_is_asked_for_by_itself(api: Api, cloud: Cloud) -> None:
    alone = {
        "i-1": (200, terminated("i-1")),
        "i-2": (400, fault("OperationNotPermitted", "i-2 has protection")),
        "i-3": (400, fault("InvalidInstanceID.NotFound", "i-3")),
    }
    api.rule = lambda query: alone["i-2" if "InstanceId.2" in query else query["InstanceId.1"]]
    refused = cloud.destroy(["i-1", "i-2", "i-3"])
    assert list(refused) == ["i-2"] and "OperationNotPermitted" in refused["i-2"]
    assert cloud.calls == {"TerminateInstances": 4}


def test_one_slow_removal_holds_up_no_other(api: Api, cloud: Cloud) -> None:
    refusal = (400, fault("OperationNotPermitted", "one has protection"))
    api.rule = lambda query: refusal if "InstanceId.2" in query else (200, terminated(query["InstanceId.1"]))
    ids = [f"i-{number}" for number in range(20)]
    api.slow = dict.fromkeys(ids[:10], 1.0)
    begun = time.monotonic()
    assert cloud.destroy(ids) == {} and cloud.calls == {"TerminateInstances": 21}
    assert time.monotonic() - begun < 6  # 10 s one after the other


def test_a_cloud_that_fails_is_not_asked_for_each(api: Api, cloud: Cloud) -> None:
    api.say((500, fault("InternalError", "later")))
    refused = cloud.destroy([f"i-{number}" for number in range(2500)])
    assert len(refused) == 2500 and cloud.calls["TerminateInstances"] <= AT_ONCE  # each worker waited once
    api.say((400, fault("OperationNotPermitted", "i-1 has protection")), (500, fault("InternalError", "later")))
    ids = [f"i-{number}" for number in range(3 * AT_ONCE)]
    cloud.calls.clear()
    assert set(cloud.destroy(ids)) == set(ids) and cloud.calls["TerminateInstances"] <= 1 + AT_ONCE


def test_silence_costs_one_wait_for_a_whole_removal(api: Api, make_queue: MakeQueue) -> None:
    driver = {"Driver_host": "127.0.0.1", "Driver_port": str(api.port), "Driver_secure": "no"}
    cloud = connect(
        make_queue(**driver, Driver_timeout="1", Terraform_MaxRetries="0").endpoint, Credentials("A", SECRET)
    )
    ids = [f"i-{number}" for number in range(30)]
    api.say("")
    api.slow = dict.fromkeys(ids, 3.0)
    refused = cloud.destroy(ids)
    assert len(api.asked) == cloud.calls["TerminateInstances"] == 1 and set(refused) == set(ids)


def test_a_vm_that_two_lists_show_is_one(api: Api, cloud: Cloud) -> None:
    api.say(listing(instance("i-1"), instance("i-1", "terminated")))
    found = cloud.vms(replace(OWNER, adopt="n"))
    assert [(vm.id, vm.state) for vm in found] == [("i-1", State.RUNNING)]
    assert found.complete and found.duplicates == 3 and found.cloud_time is not None


def test_an_odd_record_is_left_out_and_the_list_says_so(api: Api, cloud: Cloud) -> None:
    odd = instance("i-2").replace("2026-01-31T12:00:00.000Z", "yesterday")
    api.say(listing(odd, instance("i-1"), instance("i 3")))
    found = cloud.vms(OWNER)
    assert [vm.id for vm in found] == ["i-1"] and not found.complete
    api.say(listing(odd))
    with pytest.raises(CloudError, match="not believed"):
        cloud.vm("i-2")


def test_a_list_that_never_ends_is_an_error(api: Api, cloud: Cloud) -> None:
    api.say(listing(instance("i-1"), token="again"))
    with pytest.raises(CloudError, match="does not end"):
        cloud.vms(OWNER)
    assert cloud.calls == {"DescribeInstances": 2}


def test_a_throttled_list_is_asked_for_again(api: Api, make_queue: MakeQueue) -> None:
    driver = {"Driver_host": "127.0.0.1", "Driver_port": str(api.port), "Driver_secure": "no"}
    cloud = connect(make_queue(**driver, Terraform_MaxRetries="1").endpoint, Credentials("AKIB", SECRET))
    api.say((503, fault("RequestLimitExceeded", "slower")), listing(instance("i-1")))
    assert [vm.id for vm in cloud.vms(OWNER)] == ["i-1"] and cloud.calls == {"DescribeInstances": 2}


def test_what_one_queue_is_asked_to_wait_the_others_of_the_login_wait(api: Api, make_queue: MakeQueue) -> None:
    driver = {"Driver_host": "127.0.0.1", "Driver_port": str(api.port), "Driver_secure": "no"}
    queues = [make_queue(name=name, **driver, Terraform_MaxRetries="0") for name in ("one", "two", "three")]
    one, two = (connect(queue.endpoint, Credentials("AKIASHARED", SECRET)) for queue in queues[:2])
    stranger = connect(queues[2].endpoint, Credentials("AKIAOTHER", SECRET))
    api.after = "3"
    api.say((503, fault("RequestLimitExceeded", "slow down")), listing(instance("i-1")))
    with pytest.raises(CloudError):
        one.vms(OWNER)
    begun = time.monotonic()
    stranger.vms(OWNER)
    assert time.monotonic() - begun < 2.5
    two.vms(OWNER)
    assert time.monotonic() - begun > 2.7


def test_what_the_cloud_does_not_confirm_is_a_refusal(api: Api, cloud: Cloud) -> None:
    api.say(terminated("i-1"))
    assert list(cloud.destroy(["i-1", "i-2"])) == ["i-2"]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-2", "ec2.eu-central-2.amazonaws.com"),
        ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", "ec2.us-east-1.amazonaws.com"),
    ],
)
def test_regions_that_libcloud_has_not_heard_of_are_reached(make_queue: MakeQueue, region: str, host: str) -> None:
    endpoint = make_queue(CloudType="EC2", Driver_region=region).endpoint
    driver = Session(endpoint, Credentials("AKIA", SECRET)).driver
    assert (driver.connection.host, driver.region_name) == (host, region)
    named = make_queue(CloudType="EC2", Driver_region="own", Driver_host="cloud.example.org").endpoint
    driver = Session(named, Credentials("AKIA", SECRET)).driver
    assert (driver.connection.host, driver.region_name) == ("cloud.example.org", "own")


# -- how a VM ended ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "ended"),
    [
        ("stopped", "User initiated (2026-01-31 12:05:00 GMT)", "2026-01-31T12:05:00+00:00"),
        ("terminated", "User initiated (2026-01-31 12:05:00 UTC)", "2026-01-31T12:05:00+00:00"),
        ("stopped", "", None),
        ("stopped", "Server.SpotInstanceTermination: (some day)", None),
        ("running", "User initiated (2026-01-31 12:05:00 GMT)", None),  # started again since
    ],
)
def test_since_when_a_vm_is_off(api: Api, cloud: Cloud, state: str, reason: str, ended: str | None) -> None:
    api.say(listing(instance("i-1", state, reason)))
    (node,) = cloud.vms(OWNER)
    assert (node.ended.isoformat() if node.ended else None) == ended


def console(output: str, xmlns: str = XMLNS) -> str:
    name = "GetConsoleOutputResponse"
    return f"<{name}{xmlns}><instanceId>i-1</instanceId><output>{output}</output></{name}>"


@pytest.mark.parametrize("xmlns", SPELLINGS)
def test_a_console_is_decoded_and_holds_no_secret_of_ours(api: Api, cloud: Cloud, xmlns: str) -> None:
    text = f"{'a line of the kernel ' * 9}\r\n\xff secret {SECRET} é\r\n".encode() + b"\xff"
    api.say(console(base64.encodebytes(text).decode(), xmlns))
    found = cloud.console("i-1")
    assert found is not None and found.endswith("secret **** é\n\ufffd") and cloud.calls == {"GetConsoleOutput": 1}
    assert api.asked[0]["InstanceId"] == "i-1"


def test_no_console_is_none_and_no_answer_is_an_error(api: Api, cloud: Cloud) -> None:
    api.say(console(""), (400, fault("InvalidInstanceID.NotFound", "i-1")), (400, fault("InternalError", "later")))
    assert cloud.console("i-1") is None and cloud.console("i-1") is None
    with pytest.raises(CloudError, match="InternalError"):
        cloud.console("i-1")
    api.say(console("no base64!"), "<html/>")
    for _ in range(2):
        with pytest.raises(CloudError):
            cloud.console("i-1")


# -- whose and where ---------------------------------------------------------------------------------------


def made_by(*node_ids: str, **tags: str) -> str:
    items = "".join(
        f"<item><key>{name.replace('_', ':')}</key><value>{v}</value></item>" for name, v in tags.items()
    )
    nodes = "".join(
        f"<item><instanceId>{node_id}</instanceId><instanceState><name>pending</name></instanceState>"
        f"<amiLaunchIndex>{number}</amiLaunchIndex><tagSet>{items}</tagSet></item>"
        for number, node_id in enumerate(node_ids)
    )
    return f"<RunInstancesResponse{XMLNS}><instancesSet>{nodes}</instancesSet></RunInstancesResponse>"


TAGGED = f"<CreateTagsResponse{XMLNS}><return>true</return></CreateTagsResponse>"
GONE = (
    f"<TerminateInstancesResponse{XMLNS}><instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>"
    "</TerminateInstancesResponse>"
)
SHAPE = Shape(OWNER, "tfce-", "ami-1", "t3.micro")


def test_tags_that_a_cloud_dropped_are_given_again(api: Api, cloud: Cloud) -> None:
    batch = Batch("0000000A", 2)
    api.say(made_by("i-1", "i-2"), TAGGED)
    made = cloud.create_batch(SHAPE, batch, "#!/bin/sh")
    assert made and {vm.id: vm.key for vm in made} == dict(zip(("i-1", "i-2"), batch.keys, strict=True))
    asked = api.asked[-1]
    assert (asked["Action"], asked["ResourceId.2"]) == ("CreateTags", "i-2")
    given = {asked[f"Tag.{n}.Key"]: asked[f"Tag.{n}.Value"] for n in range(1, 6)}
    assert given == {**OWNER.tags(), "tfce:batch": "0000000A", "Name": "tfce-0000000A"}


def test_tags_that_a_cloud_kept_cost_nothing(api: Api, cloud: Cloud) -> None:
    api.say(made_by("i-1", tfce_key="0000000A"))
    assert cloud.create(SHAPE, "0000000A", "#!/bin/sh") == "i-1"
    assert cloud.calls == {"RunInstances": 1}


def test_a_vm_that_takes_no_tags_goes(api: Api, cloud: Cloud) -> None:
    api.say(made_by("i-1"), (400, fault("Unsupported", "no tags here")), GONE)
    with pytest.raises(CloudError, match=r"takes no tags .*no tags here.* 1 VMs were removed again"):
        cloud.create(SHAPE, "0000000A", "#!/bin/sh")
    assert api.asked[-1]["Action"] == "TerminateInstances"


def test_a_vm_that_is_not_known_everywhere_yet_is_tagged_a_moment_later(api: Api, make_queue: MakeQueue) -> None:
    """It must not go for that: no pilot would ever start."""
    driver = {"Driver_host": "127.0.0.1", "Driver_port": str(api.port), "Driver_secure": "no"}
    patient = connect(make_queue(**driver, Terraform_MaxRetries="1").endpoint, Credentials("AKIA", SECRET))
    api.say(made_by("i-1"), (400, fault("InvalidInstanceID.NotFound", "i-1 does not exist")), TAGGED)
    assert patient.create(SHAPE, "0000000A", "#!/bin/sh") == "i-1"
    assert [query["Action"] for query in api.asked] == ["RunInstances", "CreateTags", "CreateTags"]


def test_a_vm_without_tags_that_does_not_go_is_known_by_its_id(api: Api, cloud: Cloud) -> None:
    no = (400, fault("OperationNotPermitted", "protected"))
    api.say(made_by("i-1"), (400, fault("Unsupported", "no tags here")), no)
    assert cloud.create(SHAPE, "0000000A", "#!/bin/sh") == "i-1"


SHOWS = "MetadataOptions.InstanceMetadataTags"


def test_a_vm_may_read_its_tags_where_the_cloud_lets_it(api: Api, cloud: Cloud) -> None:
    unknown = (400, fault("UnknownParameter", f"The parameter {SHOWS} is not recognized"))
    api.say(unknown, made_by("i-1", tfce_key="0000000A"), made_by("i-2", tfce_key="0000000B"))
    assert cloud.create(SHAPE, "0000000A", "#!/bin/sh") == "i-1"
    assert cloud.create(SHAPE, "0000000B", "#!/bin/sh") == "i-2"
    assert [asked.get(SHOWS) for asked in api.asked] == ["enabled", None, None]
    api.say((400, fault("InsufficientInstanceCapacity", "none left")))
    with pytest.raises(CloudError):
        cloud.clone().create(SHAPE, "0000000C", "#!/bin/sh")
    assert [asked.get(SHOWS) for asked in api.asked[3:]] == ["enabled"]  # any other refusal is one


def test_tags_that_no_vm_can_read_do_not_keep_it_from_starting(api: Api, cloud: Cloud) -> None:
    api.say(made_by("i-1", tfce_key="0000000A"))
    cloud.create(replace(SHAPE, tags={"cost centre": "12"}), "0000000A", "#!/bin/sh")
    assert SHOWS not in api.asked[0]


def gone(code: str, message: str) -> str:
    why = f"<stateReason><code>{code}</code><message>{message}</message></stateReason>"
    lifecycle = "<instanceLifecycle>spot</instanceLifecycle>"
    return listing(instance("i-1", "terminated").replace("<launchTime>", f"{why}{lifecycle}<launchTime>"))


@pytest.mark.parametrize(
    ("code", "message", "kind", "word"),
    [
        ("Server.SpotInstanceTermination", "Spot instance terminated", Kind.TAKEN_AWAY, State.FAILED),
        ("Server.SpotInstanceShutdown", "Spot instance shut down", Kind.TAKEN_AWAY, State.FAILED),
        ("Server.InsufficientInstanceCapacity", "There was no capacity", Kind.CAPACITY, State.FAILED),
        ("Client.InternalError", "Client error on launch", Kind.CONFIGURATION, State.FAILED),
        ("Client.InstanceInitiatedShutdown", "Instance initiated shutdown", None, State.STOPPED),
        ("Client.UserInitiatedShutdown", "User initiated shutdown", None, State.DELETED),
    ],
)
def test_what_a_pilot_came_to_whose_vm_is_gone(
    api: Api, cloud: Cloud, code: str, message: str, kind: Kind | None, word: State
) -> None:
    api.say(gone(code, message))
    (vm,) = cloud.vms(OWNER)
    assert (vm.state, vm.came_to, vm.spec.market) == (State.DELETED, word, "spot")
    assert (vm.fault and vm.fault.kind) == kind


def described(*images: tuple[str, str, str, str]) -> str:
    items = "".join(
        f"<item><imageId>{one}</imageId><name>{name}</name><creationDate>{made}</creationDate>"
        f"{f'<deprecationTime>{ends}</deprecationTime>' if ends else ''}</item>"
        for one, name, made, ends in images
    )
    return f"<DescribeImagesResponse{XMLNS}><imagesSet>{items}</imagesSet></DescribeImagesResponse>"


def test_images_are_found_by_pattern_with_when_they_go(api: Api, cloud: Cloud) -> None:
    api.say(described(("ami-1", "d-a", "2025-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z")))
    (image,) = cloud.images("newest:d-*", ("self", "amazon"))
    assert (image.id, image.name) == ("ami-1", "d-a")
    assert image.created == datetime(2025, 1, 1, tzinfo=UTC) and image.deprecated == datetime(
        2027, 1, 1, tzinfo=UTC
    )
    asked = api.asked[0]
    assert (asked["Filter.1.Name"], asked["Filter.1.Value.1"]) == ("name", "d-*")
    assert (asked["Filter.2.Name"], asked["Filter.2.Value.1"]) == ("state", "available")
    assert (asked["Owner.1"], asked["Owner.2"], asked["IncludeDeprecated"]) == ("self", "amazon", "true")


def test_an_image_by_name_is_found_also_where_it_is_deprecated(api: Api, cloud: Cloud) -> None:
    unknown = (400, fault("UnknownParameter", "The parameter IncludeDeprecated is not recognized"))
    api.say(unknown, described(("ami-1", "d*", "", "")))
    assert cloud.find("image", "d*", ("self",)) == ["ami-1"]
    assert [asked.get("IncludeDeprecated") for asked in api.asked] == ["true", None]
    assert api.asked[1]["Filter.1.Value.1"] == "d\\*" and "Filter.2.Name" not in api.asked[1]


def test_the_preflight_names_an_image_that_is_about_to_go(api: Api, cloud: Cloud, make_queue: MakeQueue) -> None:
    api.say(described(("ami-1", "d", "2020-01-01T00:00:00.000Z", "2022-01-01T00:00:00.000Z")))
    checks = cloud.preflight(Requirements.of(make_queue(Instance_Image="ami-1")))
    (image,) = [one for one in checks if one.check == "image"]
    assert image.ok and image.detail == "ami-1; image ami-1 (d) has been deprecated since 2022-01-01"
    assert image.cure == "set Instance_Image to a newer one, or to newest:PATTERN"


def subnet(identity: str, zone: str, name: str = "") -> str:
    tags = f"<tagSet><item><key>Name</key><value>{name}</value></item></tagSet>" if name else ""
    return f"<item><subnetId>{identity}</subnetId><availabilityZone>{zone}</availabilityZone>{tags}</item>"


def answer(action: str, holder: str, *items: str) -> str:
    return f"<{action}Response{XMLNS}><{holder}>{''.join(items)}</{holder}></{action}Response>"


def test_subnets_know_their_zones(api: Api, cloud: Cloud) -> None:
    by_id = answer("DescribeSubnets", "subnetSet", subnet("subnet-1", "a"))
    by_name = answer("DescribeSubnets", "subnetSet", subnet("s-2", "b", "two"), subnet("s-3", "c", "two"))
    api.say(by_id, by_name)
    assert cloud.network_zones(["subnet-1", "name:two", "subnet-9"]) == {
        "subnet-1": "a",
        "name:two": "",
        "subnet-9": "",
    }
    assert cloud.calls == {"DescribeSubnets": 2}


def test_the_preflight_looks_at_every_offering(api: Api, cloud: Cloud, make_queue: MakeQueue) -> None:
    zones = [f"<item><zoneName>{one}</zoneName><zoneState>available</zoneState></item>" for one in "abc"]
    offered = "<item><instanceType>small</instanceType><location>a</location></item>"
    api.rule = lambda query: {
        "DescribeAvailabilityZones": (200, answer("DescribeAvailabilityZones", "availabilityZoneInfo", *zones)),
        "DescribeSubnets": (200, answer("DescribeSubnets", "subnetSet", subnet("s-1", "a"), subnet("s-2", "c"))),
        "DescribeInstanceTypes": (
            200,
            answer(
                "DescribeInstanceTypes",
                "instanceTypeSet",
                f"<item><instanceType>{query.get('InstanceType.1')}</instanceType></item>",
            ),
        ),
        "DescribeInstanceTypeOfferings": (
            200,
            answer("DescribeInstanceTypeOfferings", "instanceTypeOfferingSet", offered),
        ),
        "DescribeImages": (200, described(("ami-1", "d", "", ""))),
    }[query["Action"]]
    options = {"Instance_Flavor": "small, large", "Instance_Networks": "s-1, s-2"}
    queue = make_queue(**options, Terraform_AvailabilityZone="a, b, x", Instance_Image="ami-1")
    found = [(one.check, one.ok, one.detail) for one in cloud.preflight(Requirements.of(queue))]
    assert [one for one in found if one[0] == "flavor"] == [("flavor", True, "small"), ("flavor", True, "large")]
    zone = "availability zone"
    assert [(ok, detail) for what, ok, detail in found if what == zone] == [
        (True, "a"),
        (True, "b"),
        (False, "x: there is none"),
    ]
    assert ("places", False, "s-2 is in c; b has none of the networks; x has none of the networks") in found
    (told,) = [detail for what, ok, detail in found if what == "offerings" and not ok]
    assert told.startswith("EC2 does not offer small in b, small in x, large in a")


def test_a_list_says_whose_account_it_is(api: Api, cloud: Cloud) -> None:
    owner = "<item><ownerId>123456789012</ownerId>"
    api.say(listing(instance("i-1").replace("<item>", owner, 1)))
    assert cloud.vms(OWNER).account == "123456789012"
    api.say(listing())
    assert cloud.vms(OWNER).account == ""


def test_an_account_without_vms_is_asked_for(api: Api, cloud: Cloud) -> None:
    group = "<securityGroupInfo><item><ownerId>123456789012</ownerId></item></securityGroupInfo>"
    api.say(f"<DescribeSecurityGroupsResponse{XMLNS}>{group}</DescribeSecurityGroupsResponse>")
    assert cloud.account() == "123456789012"
    api.say((403, fault("UnauthorizedOperation", "no")))
    assert cloud.account() == ""


@pytest.mark.parametrize(
    ("code", "blamed"),
    [("InvalidAMIID.NotFound", "correct Instance_Image"), ("UnauthorizedOperation", "the right to ask")],
)
def test_the_preflight_blames_an_option_only_where_ec2_speaks_of_it(
    api: Api, cloud: Cloud, make_queue: MakeQueue, code: str, blamed: str
) -> None:
    refusal = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors></Response>"
    api.rule = lambda query: (400, refusal)
    checks = cloud.preflight(Requirements.of(make_queue(Instance_Image="ami-1", Terraform_AvailabilityZone="a")))
    cures = {one.check: one.cure for one in checks}
    assert {"image", "flavor", "availability zone", "clock"} <= set(cures)
    assert blamed in cures["image"] and ("Instance_Image" in cures["image"]) == (code == "InvalidAMIID.NotFound")


@pytest.mark.parametrize("kind", list(Kind))
def test_what_was_not_answered_has_one_cure_and_says_it_once(kind: Kind) -> None:
    error = CloudError("looking for it: no", reason=Reason(kind, "no", cure="do this"))
    assert Check.unanswered("image", error, "Instance_Image") == Check(
        "image", False, "looking for it: no", "do this"
    )
    bare = Check.unanswered("image", CloudError("no", kind), "Instance_Image")
    silent = kind in (Kind.UNREACHABLE, Kind.AUTHENTICATION, Kind.THROTTLED)
    assert bare.cure and ("Instance_Image" in bare.cure) is not silent
    assert Check.unanswered("clock", CloudError("no", kind)).cure
