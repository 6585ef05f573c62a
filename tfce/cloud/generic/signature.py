"""What a libcloud driver can do for pilots, read off its class. The table in docs/drivers.md is made of this."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from libcloud.common.base import ConnectionKey, ConnectionUserAndKey
from libcloud.compute.base import NodeDriver
from libcloud.compute.providers import get_driver, set_driver

from tfce.model.errors import ConfigError


def _as_text(text: str) -> Any:
    return text


# The parameters of create_node that carry user data, and how they want it.
_USER_DATA: Mapping[str, Callable[[str], Any]] = {
    "ex_userdata": _as_text,
    "ex_user_data": _as_text,
    "ex_customdata": _as_text,
    "ex_custom_data": _as_text,
    "cloud_init": _as_text,
}
_GOOGLE = "gce"  # cloud-init finds it under this key of the instance's metadata
_METADATA = ("ex_metadata",)
_WHATEVER = "ex_userdata"  # libcloud's most usual name, which DIRAC's CloudCE uses for all drivers
_BULK = ("ex_maxcount", "ex_max_vms_count")
_MADE_OF = ("name", "size", "image")
_SUPPLIED = {"self", *_MADE_OF}
# Drivers, by their modules, that no libcloud so far can log in with; a test tells when one can.
_BROKEN = {"libcloud.compute.drivers.brightbox": "cannot log in: it waits for an answer that it is never given"}
_NAMES = "use one of docs/drivers.md, or package.module.Class"
_LOOK_UPS = ("ex_get_node", "ex_get_node_details", "get_node")


@dataclass(frozen=True)
class Signature:
    """What one driver class can do. ``user_data``: the parameter of create_node that takes it, "" for none;
    ``needs``: parameters without a default that an operator has to name in ``options``; ``look_up``: the method
    that asks for one VM by its id, "" for none; ``lacks``: what a VM is made of that it does not take;
    ``broken``: what else is in the way."""

    list: bool
    create: bool
    destroy: bool
    user_data: str = ""
    metadata: bool = False
    bulk: bool = False
    needs: tuple[str, ...] = ()
    look_up: str = ""
    lacks: tuple[str, ...] = ()
    broken: str = ""

    @property
    def refusal(self) -> str:
        """Why no pilots can be started with it; empty where they can."""
        for able, words in ((self.create, "create VMs"), (self.list, "list VMs"), (self.destroy, "remove VMs")):
            if not able:
                return f"libcloud's driver cannot {words}"
        if self.broken:
            return f"libcloud's driver {self.broken}"
        if self.lacks:
            return f"libcloud's driver takes no {' and no '.join(self.lacks)} when it creates a VM"
        return "" if self.user_data else "libcloud's driver cannot pass user data to a VM, so no pilot would start"


def driver_class(name: str) -> Any:
    """The class of a libcloud name, or of a dotted name, which is registered. Raises ``ConfigError``."""
    try:
        found = _loaded(name)
    except AttributeError as error:
        text = str(error) if "." in name else f"Provider '{name}' not found in libcloud"
        raise ConfigError("CloudType", name, text, _NAMES) from None
    except ImportError as error:
        raise ConfigError("CloudType", name, f"cannot be imported ({error})", "install what it needs") from None
    except (Exception, SystemExit) as error:  # a module of the operator's runs here
        problem = f"cannot be imported ({type(error).__name__}: {error})"
        raise ConfigError("CloudType", name, problem, "correct that module, or name another class") from None
    if not isinstance(found, type):
        raise ConfigError("CloudType", name, f"is no class (it is a {type(found).__name__})", _NAMES)
    return found


def _loaded(name: str) -> Any:
    if "." not in name:
        return get_driver(name.lower())
    module, _, cls = name.rpartition(".")
    with contextlib.suppress(AttributeError):  # it is registered already
        set_driver(name, module, cls)
    return get_driver(name)


def family(cls: type[Any]) -> Iterator[type[Any]]:
    """``cls`` and the classes that it may turn into when it is called: several drivers choose by API version."""
    yield cls
    for sub in cls.__subclasses__():
        if sub.__module__ == cls.__module__:
            yield from family(sub)


def signature_of(cls: type[Any]) -> Signature:
    """What ``cls``, or the most able class that it may turn into, can do."""
    return max((_signature(member) for member in family(cls)), key=lambda a: (not a.refusal, a.create, a.list))


def _signature(cls: type[Any]) -> Signature:
    parameters = inspect.signature(cls.create_node).parameters if _has(cls, "create_node") else {}
    metadata = any(name in parameters for name in _METADATA)
    user_data = next((name for name in _USER_DATA if name in parameters), "")
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if not user_data and takes_all and not cls.__module__.startswith("libcloud."):
        user_data = _WHATEVER  # somebody's own class; libcloud's would take it without a word, and drop it
    if not user_data and metadata and cls.__module__.endswith(f".{_GOOGLE}"):
        user_data = "ex_metadata"
    required = {
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    return Signature(
        list=_has(cls, "list_nodes"),
        create=_has(cls, "create_node"),
        destroy=_has(cls, "destroy_node"),
        user_data=user_data,
        metadata=metadata,
        bulk=any(name in parameters for name in _BULK),
        needs=tuple(sorted(required - _SUPPLIED)),
        look_up=next((name for name in _LOOK_UPS if _asks_by_id(getattr(cls, name, None))), ""),
        broken=_BROKEN.get(cls.__module__, ""),
        lacks=() if takes_all else tuple(name for name in _MADE_OF if parameters and name not in parameters),
    )


def _asks_by_id(method: Any) -> bool:
    """Whether ``method`` finds one VM by its id, and wants nothing else. Google's wants a name."""
    names = [*inspect.signature(method).parameters.values()][1:] if callable(method) else []
    needed = [one for one in names[1:] if one.default is one.empty]
    return bool(names) and names[0].name in ("node_id", "id") and not needed


def login_of(cls: type[Any], key: str, secret: str) -> dict[str, str]:
    """The arguments of a driver class that carry the login. Some of libcloud's take one secret only, a token."""
    parameters = list(inspect.signature(cls).parameters.values())
    first, names = parameters[0].name, {one.name for one in parameters[1:]}
    if takes_a_token(cls):
        return {first: secret}
    second = next((name for name in ("secret", "key") if name in names), "")
    if not second and any(one.kind is one.VAR_KEYWORD for one in parameters):
        second = "secret"
    return {first: key, **({second: secret} if second else {})}


def takes_a_token(cls: type[Any]) -> bool:
    """Whether the class is one of libcloud's, or made of one, whose connection knows one secret."""
    if not any(base.__module__.startswith("libcloud.compute.drivers.") for base in cls.__mro__):
        return False
    own = [member.connectionCls for member in family(cls) if member.connectionCls is not ConnectionKey]
    return bool(own) and all(_one_secret(connection) for connection in own)


def _one_secret(connection: Any) -> bool:
    """``connection`` may also be a function that makes one; then it says nothing."""
    made = isinstance(connection, type) and issubclass(connection, ConnectionKey)
    return made and not issubclass(connection, ConnectionUserAndKey)


def _has(cls: type[Any], method: str) -> bool:
    return getattr(cls, method, None) is not None and getattr(cls, method) is not getattr(NodeDriver, method)


def user_data_argument(parameter: str, text: str) -> Any:
    """``text`` as the parameter of create_node wants it."""
    if parameter == "ex_metadata":
        return {"items": [{"key": "user-data", "value": text}]}
    return _USER_DATA[parameter](text)
