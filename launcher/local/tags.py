"""The tags of the stack's own resources, by ARN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moto.utilities.tagging_service import TaggingService

from launcher.local.errors import invalid
from launcher.local.operation import Operation, Parameters, Result, page


class Tags:
    """Keeps tags, and answers the operations on them."""

    def __init__(self) -> None:
        self._tagger = TaggingService()
        self.operations: dict[str, Operation] = {
            "AddTags": self._add,
            "ListTags": self._list,
            "DeleteTags": self._delete,
        }

    def put(self, arn: str, entries: Sequence[Mapping[str, str]]) -> None:
        """Keep the tags of a new resource.

        Raises:
            RefusedError: if a key occurs twice.
        """
        if len({entry["Key"] for entry in entries}) < len(entries):
            raise invalid("Duplicate tag keys")
        self._tagger.tag_resource(arn, [dict(entry) for entry in entries])

    def drop(self, arn: str) -> None:
        """Forget a resource."""
        self._tagger.delete_all_tags_for_resource(arn)

    def _arn(self, parameters: Parameters) -> str:
        arn = str(parameters["ResourceArn"])
        if not self._tagger.has_tags(arn):
            raise invalid(f"Could not find resource {arn}")
        return arn

    def _add(self, parameters: Parameters) -> Result:
        arn = self._arn(parameters)
        self._tagger.tag_resource(arn, parameters["Tags"])
        return dict(self._tagger.list_tags_for_resource(arn))

    def _list(self, parameters: Parameters) -> Result:
        tags = self._tagger.list_tags_for_resource(self._arn(parameters))["Tags"]
        return page(tags, parameters, "Tags")

    def _delete(self, parameters: Parameters) -> Result:
        arn = self._arn(parameters)
        self._tagger.untag_resource_using_names(arn, parameters["TagKeys"])
        return {}
