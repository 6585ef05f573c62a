r"""Terraform Computing Element

This allows submission to cloud sites through Terraform (via the standard SiteDirector agent): each pilot is
a VM of its own, contextualised with cloud-init. It takes the place of the CloudComputingElement and reads
the same options; ``CEType = Terraform`` is the one line to change.

- Each queue has a workspace on the DIRAC server: a private folder with the record of its pilots, Terraform's
  state and a journal. What is asked of the cloud is written there first, so that a crash, a time-out or a
  full disk loses no VM and makes none twice.
- Terraform creates VMs; libcloud polls and removes them. A pilot reference is ``cloud://<instance id>``, the
  pilot stamp is the VM's key: 8 upper-case hexadecimal digits, also the end of its name.
- VMs have tags that name installation, CE, queue and key. Only VMs with all of these tags are counted, polled
  or removed: other VMs of the tenant, and those of other CEs and queues, are safe.
- A VM powers off when its pilot ends. Stopped VMs, failed ones and those older than Context_MaxLifetime are
  removed at the next status update.

Since DIRAC 8.0.54 the pilot proxy is bundled in the pilot wrapper. Where it is not, or where
Context_ProxyLifetime is set, the VM gets a long-lived limited proxy of its own: of the pilot's group, with the
DN of the Operations option ``Pilot/GenericCloudDN`` (default: the pilot's own DN), from the ProxyManager.

Key and secret of the cloud are in an ini file that only the dirac service user may read (rights 600); it is
refused otherwise. The section of the CE's name overrides DEFAULT. The secret PROXY stands for the
path of a file with the pilot proxy, for clouds that take it::

  [DEFAULT]
  key = "myusername"
  secret = "mypassword"

  [cloudprov.mysite.example]
  key = "cloudprovuser"
  secret = "01234567"

Configuration
-------------

The options are loaded from the CE level, and can be overridden by the queue. An unknown option that begins
with ``Terraform\_`` or ``Workspace\_``, a wrong value or a missing one takes the queue out of service; the log
names every fault with its cure.

Driver\_\*:
  (Optional) Options of the libcloud driver, without the prefix; Terraform's provider gets the same region and
  endpoint. For EC2: region, host, port, secure, path, timeout, token.

CloudType:
  (Required) Libcloud's name of the cloud (docs/drivers.md), or a driver class of yours:
  package.module.Class. Example: ``OPENSTACK``

CloudAuth:
  (Optional) File with key and secret, readable by its owner only; environment variables expand. Default:
  <DIRAC root>/etc/cloud.auth. Example: ``/opt/dirac/etc/cloud.auth``

Instance_Image:
  (Required) Image id, name:NAME, or newest:PATTERN with * and ?: the one made last, looked up at each
  submission. Example: ``name:debian-12-amd64``

Instance_Flavor:
  (Required) Flavor id, or name:NAME; several: the next one where there is no room. Example:
  ``name:t3.medium, name:t3a.medium``

Instance_Networks:
  (Optional) Network ids or name:NAME, in order; EC2: subnets, the next one where there is no room. Example:
  ``name:pilots``

Instance_SSHKey:
  (Optional) SSH key pair id, or name:NAME. Example: ``operators``

Terraform_ImageOwners:
  (Optional) EC2: who may publish an image found by name. Default: self, amazon, aws-marketplace,
  136693071363, 099720109477, 764336703387, 792107900819, 309956199498, 125523088429. Example: ``self``

Terraform_ImageVisibility:
  (Optional) OpenStack: which images newest:PATTERN may mean. Default: public, private, shared. Example:
  ``private``

Terraform_SecurityGroups:
  (Optional) Security group ids or name:NAME. Example: ``name:pilots``

Terraform_AvailabilityZone:
  (Optional) Availability zone of the VMs; several: the next one where there is no room. Example:
  ``us-east-1a, us-east-1b``

Terraform_Spot:
  (Optional) EC2: yes: only spot instances, which EC2 may take back; first: others, too, where there is no
  room for these. Default: no. Example: ``first``

Terraform_SpotMaxPrice:
  (Optional) EC2: the most that a spot instance may cost an hour, in dollars; unset: the price of one that
  is not. Example: ``0.02``

Terraform_RootVolume:
  (Optional) Root volume in GB; 0: what the image gives. Default: 0. Example: ``40``

Terraform_Tags:
  (Optional) Additional tags of the VMs. Example: ``project=lz, owner=grid``

Context_Template:
  (Optional) Cloud-init template instead of tfce's own. Example: ``/opt/dirac/etc/vm.yaml``

Context_ExtPackages:
  (Optional) Additional packages for the VM. Example: ``gcc, git``

Context_CVMFSProxies:
  (Optional) CVMFS_HTTP_PROXY of the VM. Default: auto;DIRECT. Example: ``http://squid.example.org:3128``

Context_MaxLifetime:
  (Optional) Seconds after which a VM is overdue. Default: 1209600. Example: ``259200``

Context_DrainMargin:
  (Optional) Seconds before its end in which a VM's pilot takes no further job; unset: a tenth of
  Context_MaxLifetime, at most a day. Example: ``21600``

Context_ProxyLifetime:
  (Optional) Seconds a proxy of its own in the VM must last; none: it gets none; unset: 1209600 (two weeks)
  where the pilot wrapper brings no proxy, else none. Example: ``604800``

Context_Linger:
  (Optional) Seconds a VM whose pilot failed stays up, for who debugs it. Default: 0. Example: ``3600``

Terraform_Binary:
  (Optional) Terraform or tofu program; unset: found on the PATH. Example: ``/usr/bin/tofu``

Terraform_Mirror:
  (Optional) Filesystem mirror of providers to prefer. Example: ``/srv/terraform/mirror``

Terraform_Module:
  (Optional) Bulk: tfce's own provider, one resource for the queue; native (OpenStack, EC2): the cloud's
  ready-made provider, a resource for each pilot; or the folder of a root module of yours. Default: bulk.
  Example: ``native``

Terraform_Parallelism:
  (Optional) VMs created at once by one apply. Default: 10. Example: ``20``

Terraform_Batch:
  (Optional) Bulk on OpenStack and EC2: VMs started by one API call, if the template allows it; 1: a call
  for each. Default: 100. Example: ``20``

Terraform_Timeout:
  (Optional) Seconds one Terraform run may take. Default: 900. Example: ``1800``

Terraform_CreateTimeout:
  (Optional) Seconds one VM may take to become active. Default: 600. Example: ``300``

Terraform_MaxRetries:
  (Optional) Repeats of an API call that failed in passing. Default: 5. Example: ``3``

Terraform_MaxProcesses:
  (Optional) Terraform runs at work at once on this host, all queues, and runs of one cloud, waiting for it
  included; more, up to four times, where they take over 15 s. Default: 4. Example: ``2``

Terraform_Backend:
  (Optional) Where state and record are: local, in this host's Workspace_Root; or pg, s3, http, which
  several hosts can share. Default: local. Example: ``pg``

Terraform_BackendFile:
  (Optional) File with the backend's address and login, readable by its owner only. Default: <DIRAC
  root>/etc/backend.auth. Example: ``/opt/dirac/etc/backend.auth``

Workspace_Root:
  (Optional) Private folder: state, journal, locks. Default: <DIRAC root>/var/tfce. Example:
  ``/var/lib/tfce``

Workspace_Files:
  (Optional) Folder of the reviewable files. Default: <Workspace_Root>/workspaces. Example:
  ``/srv/site/workspaces``

Workspace_Installation:
  (Optional) Name of this installation in the VMs' tags; unset: made once. Example: ``lz-prod``

Workspace_NamePrefix:
  (Optional) Start of the VMs' names. Default: tfce-. Example: ``lz-pilot-``

Workspace_AdoptPrefix:
  (Optional) Start of the names of VMs that CloudCE left: polled, counted and removed, too, until they are
  gone. Example: ``VMDIRAC3_``

Workspace_Cooldown:
  (Optional) Seconds without submissions after two in a row found no room (quota, capacity, throttling); 0:
  none. Default: 600. Example: ``1800``

Workspace_YoungSeconds:
  (Optional) Seconds after which a pilot has worked. Default: 600. Example: ``900``

Workspace_ProtectAfter:
  (Optional) Pilots in a row that end badly before the queue is protected: one pilot each Workspace_Cooldown
  until one works; 0: never. Default: 10. Example: ``5``

Workspace_LockTimeout:
  (Optional) Seconds to wait for a busy workspace. Default: 60. Example: ``10``

Workspace_ListAge:
  (Optional) Seconds for which queues of one login in a SiteDirector share a list of VMs; 0: each has its
  own. Default: 5. Example: ``0``

Workspace_Trace:
  (Optional) Folder for traces of where submissions, sweeps and polls spend their time, the newest 20 of
  each; unset: none. Example: ``/var/log/tfce/traces``

Workspace_Metrics:
  (Optional) Textfile for node_exporter with the metrics of all queues of this Workspace_Root that name it,
  written after each cycle; unset: none. Example: ``/var/lib/node_exporter/textfile/tfce.prom``

Workspace_Journals:
  (Optional) Workspace_Root of the queue's other hosts, copies, or folders of such: what they wrote is told,
  too. Example: ``/srv/tfce/hosts``

Workspace_ReapShare:
  (Optional) Part of the running VMs (beyond 10) one sweep may end. Default: 0.5. Example: ``0.25``

Workspace_Review:
  (Optional) Shape: new pilots have the shape that was merged at Workspace_Approved, what the options ask
  beyond it waits; off: the options count at once. Default: off. Example: ``shape``

Workspace_Approved:
  (Optional) What was merged: a folder, or a git repository and its branch, REPOSITORY[//FOLDER]@REF.
  Example: ``https://git.example.org/site.git@main``

Workspace_ReviewAge:
  (Optional) Seconds after which a repository is fetched again. Default: 300. Example: ``60``

MaxTotalJobs:
  (Optional) VMs of the queue that may wait and run; DIRAC's default is 1. Example: ``50``

MaxWaitingJobs:
  (Optional) VMs of the queue that may boot; DIRAC's default is 1. Example: ``10``

maxCPUTime:
  (Optional) Minutes a job of the queue may take; compared by tfce doctor. Example: ``2880``

Workspace_MaxHours:
  (Optional) VM hours, core-hours or money that pilots may use in a day, week or month (UTC): none is
  started that would go beyond; ce: all queues of the CE together. Example: ``5000 core-hours/month ce``

Workspace_Price:
  (Optional) What an hour of a VM costs, by flavor, * for the others, and the currency. Example:
  ``m5.large=0.096, *=0.2, EUR``

NumberOfProcessors:
  (Optional) Processors of a VM, DIRAC's own option; counted for core-hours where the cloud does not tell
  them. Example: ``8``

Example
-------

The following is an example set of settings for an EC2 cloud::

  CE = cloudprov.mysite.example
  CEType = Terraform
  CloudType = EC2
  Driver_region = eu-west-1
  Instance_Image = name:debian-12-amd64
  Instance_Flavor = name:t3.medium
  Instance_SSHKey = operators
  MaxTotalJobs = 50
  MaxWaitingJobs = 10

The command line ``tfce`` shows and mends a queue outside DIRAC: ``tfce doctor CE/QUEUE --config FILE`` is the
place to begin.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from DIRAC import gLogger
from DIRAC.Resources.Computing.ComputingElement import ComputingElement

from tfce.model.errors import TfceError
from tfce.model.redact import guard_logs, redacted
from tfce.model.why import of_submission
from tfce.Resources.answers import Answer, Bad, Good, bad, done, good
from tfce.Resources.proxies import Proxies

if TYPE_CHECKING:
    from DIRAC.Core.Security.X509Chain import X509Chain

    from tfce.app import Parts
    from tfce.config.credentials import Credentials
    from tfce.config.options import Queue
    from tfce.pilots.fleet import Fleet

Value = TypeVar("Value")
# Which element speaks, so that what the other modules log is told under its name.
_speaker: ContextVar[TerraformComputingElement | None] = ContextVar("speaker", default=None)


class _ToDirac(logging.Handler):
    """Hand the records of the logger "tfce" to DIRAC's log, as the words of the element at work."""

    def emit(self, record: logging.LogRecord) -> None:
        element = _speaker.get()
        log = element.log if element else gLogger.getSubLogger("tfce")
        words = {logging.DEBUG: log.debug, logging.INFO: log.info, logging.WARNING: log.warn}
        say = words.get(record.levelno, log.error)
        say("From tfce:", f"{element.label}: {record.getMessage()}" if element else record.getMessage())


def _join_logs() -> None:
    logger = logging.getLogger("tfce")
    if not any(type(handler).__name__ == _ToDirac.__name__ for handler in logger.handlers):
        logger.addHandler(_ToDirac())
        logger.setLevel(logging.DEBUG)  # DIRAC's own levels decide what is shown
    guard_logs()


_join_logs()


def _redacted(answer: Answer[Value]) -> Answer[Value]:
    if answer["OK"] is True:
        return answer
    return {**answer, "Message": redacted(answer["Message"])}


def _answers(
    failure: str, unheard: bool = False
) -> Callable[[Callable[..., Answer[Value]]], Callable[..., Answer[Value]]]:
    """Make a method answer S_ERROR where it would raise: an exception out of an element ends SiteDirector's
    whole cycle. ``unheard``: DIRAC drops this method's answer, so the reason must go to the log here."""

    def decorate(method: Callable[..., Answer[Value]]) -> Callable[..., Answer[Value]]:
        @wraps(method)
        def answering(self: TerraformComputingElement, *args: Any, **kwargs: Any) -> Answer[Value]:
            token = _speaker.set(self)
            try:
                return _redacted(method(self, *args, **kwargs))
            except TfceError as error:
                reason = redacted(f"{self.label}: {error.kind}: {error.message}")
                if unheard:
                    self.log.error(failure, reason)
                return bad(reason)
            except (Exception, SystemExit) as error:  # DIRAC's own clients end the process, too, where they fail
                from tfce.store import crash

                reason = f"{self.label}: {crash.report(error)}"
                self.log.error(failure, reason)
                return bad(reason)
            finally:
                _speaker.reset(token)

        return answering

    return decorate


class TerraformComputingElement(ComputingElement):  # type: ignore[misc]
    """Computing element whose pilots are cloud VMs, made by Terraform and polled and removed by libcloud.

    It keeps nothing but its parts: what it knows is in the workspace of its queue, so that any number of
    objects, in any number of processes, can speak for the same queue.
    """

    def __init__(self, ceName: str) -> None:
        super().__init__(ceName)
        self._parts: Parts | None = None
        self._proxies = Proxies(lambda: self.proxy)

    # -- parameters ----------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """``CE/QUEUE``, the name of the queue in tfce's messages and for its command line."""
        return f"{self.ceName}/{self.ceParameters.get('Queue', '?')}"

    def _queue(self) -> Queue:
        from tfce.config import clouds_yaml, host, options, paths

        name = str(self.ceParameters.get("Queue", ""))
        parameters = clouds_yaml.expanded(self.ceParameters)
        state_root = paths.state_root(parameters.get("Workspace_Root"))
        return host.admitted(options.parse(self.ceName, name, parameters, paths.auth_root(), state_root))

    @_answers("Queue cannot be used", unheard=True)
    def isValid(self) -> Answer[None]:
        """Whether the options make sense; the message names every fault. Asks nothing of the cloud."""
        result: Answer[None] = super().isValid()
        if result["OK"] is True:
            self._expect(self._queue())
        return result

    @staticmethod
    def _expect(queue: Queue) -> None:
        """DIRAC looks at the options of all its queues before it asks any for its pilots: the first that is asked
        lists for all. Whose secret is a grid proxy shares no login."""
        from tfce.app import expect
        from tfce.config import credentials

        def none() -> str:
            raise TfceError("there is no proxy yet")

        with suppress(TfceError):  # said when the login is used
            expect(queue, credentials.load(queue, none))

    def _reset(self) -> Good[None]:
        """The parameters were changed. They are looked at when they are used, and by isValid: they may come
        in pieces, and DIRAC's factory drops an element whose parameters fail here without a word."""
        self._parts = None
        return done()

    def shutdown(self) -> Good[Any]:
        """The object is given up, because options changed or the agent ends: no VM is touched."""
        return good(self.taskResults)

    def _fleet(self) -> Fleet:
        """The queue's fleet; a new one when options, key, secret or proxy are others than last time."""
        from tfce.config import credentials

        queue = self._queue()
        secrets = credentials.load(queue, self._proxies.file)
        parts = self._parts
        if parts is None or (parts.workspace.asked, parts.credentials) != (queue, secrets):
            parts = self._parts = self._assemble(queue, secrets)
        return parts.fleet

    @staticmethod
    def _assemble(queue: Queue, secrets: Credentials) -> Parts:
        from tfce.app import assemble

        return assemble(queue, secrets=secrets, sharing=True)

    def setProxy(self, proxy: X509Chain, valid: int = 0) -> None:
        """Keep the pilot proxy, an X509Chain: for clouds whose secret is PROXY, and to know whose proxy the
        VMs get where Context_ProxyLifetime is set. ``valid``: DIRAC 8.0 tells how many seconds it lasts."""
        if hasattr(self, "valid"):
            super().setProxy(proxy, valid)
        else:
            super().setProxy(proxy)

    # -- pilots --------------------------------------------------------------------------------------------

    @_answers("Failed to submit pilots")
    def submitJob(
        self, executableFile: str, proxy: Any, numberOfJobs: int = 1, **kwargs: Any
    ) -> Answer[list[str]]:
        """Start ``numberOfJobs`` VMs that run the pilot wrapper ``executableFile``.

        :return: S_OK([reference, ...]) with PilotStampDict {reference: stamp}, also if only some came up, or
                 none was allowed to; S_ERROR with the reason if all failed. ``proxy`` is not used: the
                 wrapper holds the pilot's.
        """
        from tfce.userdata import brings_proxy, wrapper_of

        fleet = self._fleet()
        wrapper = wrapper_of(Path(executableFile), "executableFile")
        rule = fleet.queue.userdata.proxy_lifetime
        cloud_proxy = self._proxies.for_vms(rule.lifetime(brings_proxy(wrapper)))
        submission = fleet.submit(wrapper, int(numberOfJobs), proxy=cloud_proxy)
        if submission.failed:
            reasons = redacted(str(of_submission(submission.failed, self.label)))
            if not submission.stamps:
                return bad(f"{self.label}: {reasons}")
            self.log.error("Failed to start some pilots", f"{self.label}: {reasons}")
        if submission.limited:
            self.log.info("Fewer pilots than asked for", f"{self.label}: {submission.limited}")
        result = good(submission.references)
        result["PilotStampDict"] = dict(submission.stamps)
        return result

    @_answers("Failed to get the status of pilots")
    def getJobStatus(self, jobIDList: list[str] | str) -> Answer[dict[str, str]]:
        """The state of each pilot by reference. Pilots nobody can speak for now are left out, so that they
        keep their state; S_ERROR when the cloud gives no answer that can be trusted."""
        wanted = {text: text.partition(":::")[0] for text in _listed(jobIDList)}
        states = self._fleet().poll(wanted.values())
        # Early 8.0 asks for reference:::stamp; it finds its answer under either name.
        stamped = {text: states[plain] for text, plain in wanted.items() if plain in states}
        return good({**states, **stamped})

    @_answers("Failed to count pilots", unheard=True)
    def getCEStatus(self) -> Answer[None]:
        """The queue's own pilots: WaitingJobs are VMs that boot, so that demand is met once. Where the queue
        starts no pilots now, AvailableProcessors says so to ``available``, and the log says why."""
        fleet = self._fleet()
        result: Good[None] = {**done(), **fleet.count()}
        hold = fleet.held()
        if hold is not None:
            result["AvailableProcessors"] = hold.most
            self.log.info("Starts no pilots now", f"{self.label}: {hold}")
        return result

    @_answers("Failed to kill pilots")
    def killJob(self, jobIDList: list[str] | str) -> Answer[None]:
        """Remove the VMs of these pilots. Needs no workspace: works from any host with the options and the
        credentials. A VM that is gone already is a success, one of another queue is refused."""
        sweep = self._fleet().kill(_listed(jobIDList))
        if sweep.failed:
            return bad(f"{self.label}: {_refusals(sweep.failed)}")
        return done()

    @_answers("Failed to clean up", unheard=True)
    def cleanupPilots(self) -> Answer[None]:
        """Remove VMs that stopped, failed or are older than Context_MaxLifetime. One VM's failure does not
        keep the others."""
        sweep = self._fleet().reap()
        for removal in sweep.removed:
            lived = "" if removal.lived is None else f", lived {removal.lived} s"
            self.log.info("Removed pilot", f"{self.label}: {removal.key}: {removal.reason}{lived}")
        for removal in sweep.held:
            self.log.warn("Held back the removal of a pilot", f"{self.label}: {removal.key}: {removal.reason}")
        if sweep.failed:
            self.log.error("Failed to remove VMs", f"{self.label}: {_refusals(sweep.failed)}")
            return bad(f"{self.label}: {_refusals(sweep.failed)}")
        return done()

    def getJobOutput(self, *args: Any, **kwargs: Any) -> Bad:
        """There is no way to get files back from a VM."""
        return bad("The output of a pilot in a cloud VM cannot be fetched; use remote pilot logging")

    @_answers("Failed to get the log of a pilot")
    def getJobLog(self, jobID: str) -> Answer[str]:
        """What the journal says of a pilot, and the last lines of its VM's console: as the cloud shows them while
        the VM lives, as they were kept when it failed or ended too soon. Secrets are masked.

        :return: S_OK(text); S_ERROR for a pilot that neither the workspace nor the cloud knows
        """
        return good(self._fleet().log(str(jobID)).text())


def _listed(references: list[str] | str) -> list[str]:
    return [references] if isinstance(references, str) else list(references)


def _refusals(failed: dict[str, str]) -> str:
    return redacted("; ".join(f"{reference}: {reason}" for reference, reason in failed.items()))
