"""Files of the configuration: secrets and dictionaries of clients, each read once."""

from pathlib import Path

from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.wire import dictionary_reader
from ocs.agents.radius.wire.dictionary import Dictionary
from ocs.agents.radius.wire.dictionary_reader import DictionaryProblem
from ocs.config.settings import RadiusClient, RadiusSettings

Missing = tuple[str, str]  # key of the settings, and why its attribute cannot be used
MOST_OCTETS = 4 << 20  # of a dictionary
SHIPPED_PROXIES = "dictionary.kamailio"


class LoadError(Exception):
    """A file cannot be used; the message says which and where, line by line."""


def load_clients(settings: RadiusSettings, shipped: Path) -> list[Client]:
    """The clients with what their files say; `shipped` is the folder of the program's dictionaries."""
    base = read_dictionary(Dictionary(), shipped / "dictionary")
    for file in settings.dictionaries:
        read_dictionary(base, Path(file))
    known: dict[tuple[str, ...], Dictionary] = {(): base}
    clients: list[Client] = []
    for index, client in enumerate(settings.clients):
        is_proxy = client.profile == "kamailio"
        files = (*((str(shipped / SHIPPED_PROXIES),) if is_proxy else ()), *client.dictionaries)
        if files not in known:
            known[files] = Dictionary(base)
            for file in files:
                read_dictionary(known[files], Path(file))
        missing = _missing(settings, client, known[files])
        if missing:
            raise LoadError("radius.{}: {}".format(*missing[0]))
        clients.append(Client(client, _secret(client, index), known[files]))
    return clients


def read_dictionary(dictionary: Dictionary, path: Path) -> Dictionary:
    """Add a file, and what it includes, to a dictionary. Raises LoadError with every mistake."""
    try:
        text = _text(path)
    except OSError as error:
        raise LoadError(f"{path}: cannot be read: {error.strerror or error}") from None
    problems = dictionary_reader.read(dictionary, str(path), text, _included)
    if problems:
        raise LoadError("\n".join(map(str, problems)))
    return dictionary


def problems_of(settings: RadiusSettings, shipped: Path) -> list[DictionaryProblem]:
    """What cannot be used of the dictionaries that the settings name."""
    return _examined(settings, shipped)[0]


def missing_attributes(settings: RadiusSettings, shipped: Path) -> list[Missing]:
    """Attributes that the settings name and the dictionaries of a client do not have: the keys, and why."""
    return _examined(settings, shipped)[1]


def _missing(settings: RadiusSettings, client: RadiusClient, dictionary: Dictionary) -> list[Missing]:
    named = {
        "allocation_attribute": settings.allocation_attribute,
        "route_attribute": settings.route_attribute,
    }
    return [
        (key, f"{name} is not in the dictionaries of {client.name}")
        for key, name in named.items()
        if dictionary.find(name.partition(":")[0]) is None
    ]


def _examined(settings: RadiusSettings, shipped: Path) -> tuple[list[DictionaryProblem], list[Missing]]:
    base, missing = Dictionary(), list[Missing]()
    found = _problems(base, shipped / "dictionary")
    for file in settings.dictionaries:
        found += _problems(base, Path(file))
    for client in settings.clients:
        own = Dictionary(base)
        if client.profile == "kamailio":
            found += _problems(own, shipped / SHIPPED_PROXIES)
        for file in client.dictionaries:
            found += _problems(own, Path(file))
        missing += _missing(settings, client, own)
    return list(dict.fromkeys(found)), missing


def _problems(dictionary: Dictionary, path: Path) -> list[DictionaryProblem]:
    try:
        return dictionary_reader.read(dictionary, str(path), _text(path), _included)
    except OSError as error:
        return [DictionaryProblem(str(path), 1, 1, f"cannot be read: {error.strerror or error}")]


def _text(path: Path) -> str:
    with path.open("rb") as file:
        octets = file.read(MOST_OCTETS + 1)
    if len(octets) > MOST_OCTETS:
        raise OSError(f"has more than {MOST_OCTETS} octets")
    return octets.decode("utf-8", "replace")


def _included(named: str, by: str) -> tuple[str, str] | None:
    path = Path(by).parent / named
    try:
        return str(path), _text(path)
    except OSError:
        return None


def _secret(client: RadiusClient, index: int) -> bytes:
    if client.secret_file is None:
        return (client.secret or "").encode()
    try:
        secret = Path(client.secret_file).read_bytes().partition(b"\n")[0].strip()
    except OSError as error:
        raise LoadError(
            f"radius.clients[{index}].secret_file: {client.secret_file}: {error.strerror}"
        ) from None
    if not secret:
        raise LoadError(f"radius.clients[{index}].secret_file: {client.secret_file}: is empty")
    return secret
