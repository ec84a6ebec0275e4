"""Uploaded files, which serve as evidence in disputes."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePath

from sandbox.payments.errors import Json, invalid, not_found
from sandbox.payments.state.world import World

LARGEST = 5 * 1024 * 1024
TYPES = ("pdf", "jpg", "jpeg", "png")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    filename: str
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        """Identify the content, so that repeated uploads with one idempotency key compare equal."""
        return f"{self.filename} {sha256(self.content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file; its content can't be downloaded."""

    id: str
    created: int
    filename: str
    purpose: str
    size: int
    type: str

    def to_json(self) -> Json:
        """Return the object as the API returns it."""
        return {
            "id": self.id,
            "object": "file",
            "created": self.created,
            "expires_at": None,
            "filename": self.filename,
            "links": {
                "object": "list",
                "data": [],
                "has_more": False,
                "url": f"/v1/file_links?file={self.id}",
            },
            "purpose": self.purpose,
            "size": self.size,
            "title": None,
            "type": self.type,
            "url": None,
        }


def store(world: World, upload: Upload, purpose: str) -> StoredFile:
    """Store a file; raise ApiError if it is too large or of another type."""
    kind = PurePath(upload.filename).suffix.removeprefix(".").lower()
    if kind not in TYPES:
        raise invalid(f"Files of evidence must be of the types {', '.join(TYPES)}", "file")
    if not 0 < len(upload.content) <= LARGEST:
        raise invalid("Files of evidence can have up to 5 MB, and must not be empty", "file")
    file = StoredFile(
        world.ids.new("file"),
        world.now(),
        upload.filename,
        purpose,
        len(upload.content),
        "jpg" if kind == "jpeg" else kind,
    )
    world.files[file.id] = file
    return file


def find(world: World, id_: str) -> StoredFile:
    """Return a file; raise ApiError if it is unknown."""
    if (file := world.files.get(id_)) is None:
        raise not_found("file upload", id_, "file")
    return file
