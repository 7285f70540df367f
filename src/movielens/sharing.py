"""Which host reads which file.

Each file is read by one host, and its rows are sent to all others. A file of a sharded
channel exists on one host only, which reads it. Any other file exists on every host
that has the channel; those hosts take turns. A pipe is treated like a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import ChannelFile, channel_files
from movielens.formats import Role
from movielens.peers import Peers, exchange_json

_COLUMNS_OF_ROLE: dict[Role, str] = {
    "ratings": "userId,movieId,rating[,timestamp]",
    "movies": "movieId,title,genres",
}


class Source(NamedTuple):
    """A file or pipe, as one host describes it to the others in JSON.

    Attributes:
        name: the file's name with its channel, or the pipe's channel.
        role: what its rows are, None for neither and for a pipe.
        begins: the beginning of a file's first line, for messages.
        is_pipe: whether it is a pipe.
        is_sharded: whether only this host has it.
        is_archive: whether it has to be unpacked before it can be read.
    """

    name: str
    role: Role | None = None
    begins: str = ""
    is_pipe: bool = False
    is_sharded: bool = False
    is_archive: bool = False

    def __str__(self) -> str:
        """Its name and what it holds."""
        held = "empty"
        if self.role is not None:
            held = self.role
        elif self.is_archive:
            held = "an archive: unpack it"
        elif self.begins:
            held = f"begins with {self.begins!r}"
        return f"{self.name} ({held})"


@dataclass(frozen=True, slots=True)
class Share:
    """This host's share of the reading.

    Attributes:
        channels: the names of the job's channels, for messages.
        files: the files that this host reads.
        pipes: the pipes that this host reads.
        sources: the files and pipes of all hosts, by name, each once.
    """

    channels: tuple[str, ...]
    files: tuple[ChannelFile, ...]
    pipes: tuple[Channel, ...]
    sources: tuple[Source, ...]

    def own_files(self, role: Role) -> list[ChannelFile]:
        """The files of a role that this host reads."""
        return [file for file in self.files if file.role == role]

    def names(self, role: Role) -> list[str]:
        """The names of all hosts' files of a role."""
        return [source.name for source in self.sources if source.role == role]

    def require(self, role: Role) -> None:
        """Raise a DataError if no host has a file of a role.

        With a pipe on any host there is no error: what comes through it isn't known
        before it is read.
        """
        has_pipe = any(source.is_pipe for source in self.sources)
        if has_pipe or self.names(role):
            return
        archives = [source.name for source in self.sources if source.is_archive]
        if archives and len(archives) == len(self.sources):
            are = "is an archive" if len(archives) == 1 else "are archives"
            it = "it" if len(archives) == 1 else "them"
            raise DataError(f"{', '.join(archives)} {are}: unpack {it}")
        held = ", ".join(str(source) for source in self.sources) or "nothing"
        raise DataError(
            f"no {role} ({_COLUMNS_OF_ROLE[role]}) in channel "
            f"{', '.join(self.channels)}, which has {held}: add {role}.csv"
        )


def share_of(channels: Sequence[Channel], peers: Peers) -> Share:
    """This host's share, agreed on with the others.

    Args:
        channels: this host's.
        peers: all hosts.

    Raises:
        DataError: a channel has no directory, or a file can't be read; on any host.
    """
    files: list[ChannelFile] = []

    def describe() -> list[Source]:
        sources: list[Source] = []
        for channel in channels:
            is_sharded = channel.is_sharded
            if channel.is_pipe:
                pipe = Source(channel.name, is_pipe=True, is_sharded=is_sharded)
                sources.append(pipe)
                continue

            found = channel_files(channel.name, channel.path)
            files.extend(found)
            sources += [
                Source(
                    file.name,
                    file.role,
                    file.begins,
                    is_sharded=is_sharded,
                    is_archive=file.is_archive,
                )
                for file in found
            ]
        return sources

    hosts: list[list[Source]] = []
    for described in exchange_json(peers, describe):
        hosts.append([Source(*values) for values in described])
    own_names = names_to_read(hosts, peers.rank)

    everything: set[Source] = set()
    for host in hosts:
        # Whether a source is sharded makes no difference any more.
        everything.update(source._replace(is_sharded=False) for source in host)
    ordered = sorted(everything, key=lambda source: (source.name, str(source)))

    pipes = [channel for channel in channels if channel.is_pipe]
    return Share(
        channels=tuple(channel.name for channel in channels),
        files=tuple(file for file in files if file.name in own_names),
        pipes=tuple(pipe for pipe in pipes if pipe.name in own_names),
        sources=tuple(ordered),
    )


def names_to_read(hosts: Sequence[Sequence[Source]], rank: int) -> set[str]:
    """The names of the files and pipes that one host reads.

    Args:
        hosts: what each host has.
        rank: the host's number.

    Example:
        >>> both = [Source("training/a.csv"), Source("training/b.csv")]
        >>> names_to_read([both, both], rank=0)
        {'training/a.csv'}
        >>> names_to_read([both, both], rank=1)
        {'training/b.csv'}
    """
    names = {source.name for source in hosts[rank] if source.is_sharded}

    names_of_host = [{source.name for source in host} for host in hosts]
    replicated: set[str] = set()
    for host in hosts:
        replicated.update(source.name for source in host if not source.is_sharded)

    for turn, name in enumerate(sorted(replicated)):
        holders = [holder for holder, held in enumerate(names_of_host) if name in held]
        if holders[turn % len(holders)] == rank:
            names.add(name)
    return names
